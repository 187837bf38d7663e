"""Boundaries between the characters that a person sees (grapheme clusters, UAX #29).

The rules cover the text that people type: letters with accents, emoji of several code points, flags, line breaks. Scripts that
write a syllable in several letters (Hangul jamo, Indic conjuncts) may be cut between these letters.
"""

import unicodedata

from data.marks import ZWJ, is_mark


def is_boundary(text: str, index: int) -> bool:
    """Returns whether a character may begin at this index; both ends of the text are boundaries."""
    if index <= 0 or index >= len(text):
        return True
    before, after = text[index - 1], text[index]
    if before in "\r\n" or after in "\r\n":
        return before + after != "\r\n"
    if _extends(after):
        return False
    if before == ZWJ:
        return not (_pictographic(after) and _joins_a_picture(text, index))
    if _regional(before) and _regional(after):
        return _regionals_before(text, index) % 2 == 0
    return True


def next_boundary(text: str, index: int) -> int:
    """Returns the first boundary after this index, or the end of the text."""
    index += 1
    while not is_boundary(text, index):
        index += 1
    return min(index, len(text))


def previous_boundary(text: str, index: int) -> int:
    """Returns the last boundary before this index, or the start of the text."""
    index -= 1
    while not is_boundary(text, index):
        index -= 1
    return max(index, 0)


def _extends(character: str) -> bool:
    """Returns whether a code point extends the character before it: accent, variation selector, skin tone, joiner, flag tag."""
    return is_mark(character) or "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f"


def _pictographic(character: str) -> bool:
    """Returns whether a code point is an emoji or a symbol; a Python that is older than an emoji knows no category for it."""
    return character > "\xa8" and (
        "\U0001f000" <= character <= "\U0001faff" or unicodedata.category(character).startswith("S")
    )


def _joins_a_picture(text: str, index: int) -> bool:
    """Returns whether the joiner that ends at this index follows an emoji."""
    place = index - 2
    while place >= 0 and _extends(text[place]):
        place -= 1
    return place >= 0 and _pictographic(text[place])


def _regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _regionals_before(text: str, index: int) -> int:
    start = index
    while start > 0 and _regional(text[start - 1]):
        start -= 1
    return index - start
