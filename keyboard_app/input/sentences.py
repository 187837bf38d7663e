"""Where a sentence starts, so that its first letter becomes a capital."""

import re

from data.marks import MARKS

_OPENING_QUOTES = '"“„‘«'  # a capital follows them
_OPENING_BRACKETS = "([{<"  # a small letter follows them
_OPENING_MARKS = "'¿¡"  # they change nothing
_CLOSING = "\"”’'»)]}"

# A period after these abbreviations ends no sentence; neither does one after letters separated by periods, such as e.g. or Ph.D.
_LISTED = """
    apr approx apt aug ave blvd capt cf col dec dept dr ed eg est etc feb fig fri gen gov hon ie inc incl jan jr jul jun lt ltd mar
    messrs mon mr mrs ms mt nov oct pres prof rev sen sept sgt sr st thu thurs tue tues vol vs
"""
_ABBREVIATIONS = frozenset(_LISTED.split())
_LETTER = rf"[^\W\d_][{MARKS}]*"
_LETTERS_WITH_PERIODS = re.compile(rf"(?:^|[^\w.])(?:(?:{_LETTER}){{1,2}}\.)+{_LETTER}$")
_LAST_WORD = re.compile(rf"(?:{_LETTER})+$")
_END = 64  # characters that decide how a sentence ends


def starts_sentence(before: str) -> bool:
    """Returns whether a letter after this text starts a sentence.

    It does at the start of a text or a line, after an opening quote, and after a sentence and a space. A sentence ends with a
    period, an exclamation or a question mark, which may be followed by closing quotes and brackets. An ellipsis and the period of
    an abbreviation end no sentence.
    """
    before = before.rstrip(_OPENING_MARKS) if _opens(before, _OPENING_MARKS) else before
    if _opens(before, _OPENING_QUOTES):
        return True
    if _opens(before, _OPENING_BRACKETS):
        return False
    ended = before.rstrip()
    space = before[len(ended) :]
    if not ended or "\n" in space:
        return True
    ended = ended.rstrip(_CLOSING)[-_END:]
    return bool(space) and ended.endswith((".", "!", "?")) and not _goes_on(ended)


def _opens(before: str, marks: str) -> bool:
    """Returns whether the text ends with one of these marks, which follows a space, an opening mark, or nothing."""
    opening = _OPENING_QUOTES + _OPENING_BRACKETS + _OPENING_MARKS
    return before[-1:] in tuple(marks) and (before[-2:-1].isspace() or before[-2:-1] in ("", *opening))


def _goes_on(ended: str) -> bool:
    """Returns whether a text that ends with a mark goes on in its sentence: after an ellipsis or an abbreviation."""
    if not ended.endswith("."):
        return False
    text = ended[:-1]
    word = _LAST_WORD.search(text)
    return (
        text.endswith(".")
        or (word is not None and word[0].lower() in _ABBREVIATIONS)
        or bool(_LETTERS_WITH_PERIODS.search(text))
    )
