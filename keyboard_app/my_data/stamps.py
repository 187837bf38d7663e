"""The dates and times by which chat exports mark messages, in the notations and digits of all languages.

The patterns match text without directional marks.
"""

import re

_MARKS = "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff"
DIRECTIONS = re.compile(f"[{_MARKS}]")

_S = r"[^\S\t\n]"  # white space within a line, but no tab: LINE puts tabs between its columns
_GAP = rf"(?:{_S}|[,،、])"

# A word such as `PM`, `klo`, `à`, `下午` or `Dez.`, in any script; combining marks belong to it.
_WORD = r"[^\s\d,:/\\\[\]<>()\-–—|;\"!?،、]{1,14}"
_FILL = rf"{_GAP}*(?:{_WORD}(?:{_GAP}+{_WORD}){{0,3}})?{_GAP}*"
_TAIL = rf"(?:{_S}?{_WORD}(?:{_S}{_WORD}){{0,2}})?"

TIME = (
    rf"\d{{1,2}}{_S}?(?:[:.：٫時时시点]|h){_S}?\d{{2}}(?:{_S}?(?:[:.：٫分분]|min){_S}?\d{{2}})?[分분]?(?:[.,]\d{{3}})?"
)
_NUMERIC_DATE = rf"\d{{1,4}}{_S}?[./\-‐–年년]{_S}{{0,2}}\d{{1,2}}{_S}?[./\-‐–月월]{_S}{{0,2}}\d{{1,4}}{_S}?[.日일]?"
_DAY_AND_MONTH = rf"\d{{1,2}}(?:st|nd|rd|th|[.])?{_S}?{_WORD}(?:{_S}{_WORD}){{0,2}},?(?:{_S}\d{{4}})?"
_MONTH_AND_DAY = rf"{_WORD}{_S}\d{{1,2}}(?:,?{_S}\d{{4}})?"
_DATE = rf"(?:{_NUMERIC_DATE}|{_DAY_AND_MONTH}|{_MONTH_AND_DAY})"

# A numeric date and a time, in either order.
FULL_STAMP = rf"(?:{_NUMERIC_DATE}{_FILL}{TIME}{_TAIL}|{TIME}{_TAIL}{_GAP}*{_NUMERIC_DATE})"
# The same, but the date may also name the month.
DATED_STAMP = rf"(?:(?:{_WORD}[,]?{_S}{{1,2}})?{_DATE}{_FILL}{TIME}{_TAIL}|{TIME}{_TAIL}{_GAP}*(?:{_WORD}[,]?{_S}{{1,2}})?{_DATE})"
STAMP = rf"(?:{DATED_STAMP}|{TIME}{_TAIL})"  # the date may also be missing
TIME_OF_DAY = rf"(?:{_WORD}{_S}?)?{TIME}(?:{_S}?{_WORD}(?:{_S}{_WORD})?)?"

# A line that holds nothing but a date: exports of LINE and KakaoTalk put one before the messages of each day.
DAY = re.compile(rf"[\W_]*(?:{_WORD}[,\s]\s*)?{_NUMERIC_DATE}[\s(（]*(?:{_WORD})?[)）]?[\W_]*")


def bare(line: str) -> str:
    """Returns the line without directional marks."""
    return DIRECTIONS.sub("", line)


def rest_of(line: str, length: int) -> str:
    """Returns the rest of a line after `length` characters; directional marks are not counted, but kept in the rest."""
    if DIRECTIONS.search(line) is None:
        return line[length:]
    position = 0
    while length:
        length -= DIRECTIONS.match(line, position) is None
        position += 1
    return line[position:]
