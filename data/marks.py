"""Characters that belong to the letter before them: combining marks and joiners, in all scripts.

A word of Hindi, Tamil or Thai, or of pointed Hebrew or Arabic, has marks between its letters, and a Persian word has joiners
(ZWNJ, ZWJ). They are no letters by themselves, but they do not end a word either (UAX #29, "Unicode Text Segmentation", WB4).
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain, groupby

ZWNJ, ZWJ = "\u200c", "\u200d"
_WITH_MARKS = (  # the rest of Unicode is ideographs, syllables without marks, pictures and private use
    *(range(0x300, 0x3400), range(0xA000, 0xAC00), range(0xF900, 0x12000), range(0x13000, 0x13500)),
    *(range(0x16A00, 0x17000), range(0x1BC00, 0x1F000), range(0xE0100, 0xE0200)),
)


def is_mark(character: str) -> bool:
    """Returns whether a character is a combining mark or a joiner."""
    return character > "\u02ff" and (unicodedata.category(character)[0] == "M" or character in (ZWNJ, ZWJ))


def without_marks(text: str) -> str:
    """Returns a text without its marks and joiners; accents that are parts of their letters (é as one character) stay."""
    return text if text.isascii() else _MARKS.sub("", text)


def _ranges() -> Iterator[str]:
    """Yields all marks and joiners as ranges in the syntax of regular expressions."""
    category = unicodedata.category
    codes = [code for code in chain(*_WITH_MARKS) if category(chr(code))[0] == "M"]
    for _, group in groupby(enumerate(sorted([*codes, ord(ZWNJ), ord(ZWJ)])), lambda pair: pair[1] - pair[0]):
        run = [code for _, code in group]
        yield f"{chr(run[0])}-{chr(run[-1])}"


MARKS = "".join(_ranges())  # for use between the brackets of a regular expression
_MARKS = re.compile(f"[{MARKS}]+")
