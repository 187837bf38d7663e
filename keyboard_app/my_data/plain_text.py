"""Plain text, one message a line, and the signs that a file is something else: a chat, a table, a log or markup."""

import re
from collections import Counter
from collections.abc import Callable

from keyboard_app.my_data.speakers import names_speakers
from keyboard_app.my_data.stamps import DATED_STAMP, FULL_STAMP, TIME, bare

_MOST = 0.6  # share of lines that makes a sign of a chat or a table certain
_SOME = 0.1  # share of lines that begin with a date and a time: messages of several lines are below each
_NICK = re.compile(r"<[^<>\n]{1,40}>\s")
_TAG = re.compile(r"</?[A-Za-z!?][^<>]*>")
_FIELD = re.compile(r"[\"'][\w ]{1,40}[\"']\s?:\s?[\"\[{\d]")
_STAMPED = re.compile(rf"[\W_]{{0,3}}(?:{TIME}|{FULL_STAMP})(?=\W)")
_STAMP_BEHIND = re.compile(rf".{{1,60}}\s\W{{0,3}}{FULL_STAMP}\W{{0,3}}")
_DATED = re.compile(rf"[\W_]{{0,3}}{DATED_STAMP}(?=\W|$)")
_SUBTITLE = re.compile(rf"{TIME}\s-+>\s")
_MAIL = re.compile(r"(?m)^(?:From|To|Subject|Date|Message-ID|Received): ")
_CELLS = re.compile(r',(?=\S)|"\s?,')


def lines_of(text: str) -> list[str]:
    """Returns the lines that hold more than white space, without white space around them."""
    return [line.strip() for line in text.split("\n") if line.strip()]


def why_not_plain(lines: list[str]) -> str | None:
    """Returns what the lines look like if it is not plain text, in words for the person; None if they may be plain text."""
    plain = [bare(line) for line in lines]
    share = _Share(plain)
    if share.of(_FIELD.search) >= 0.2:
        return "JSON that is damaged"
    if share.of(_TAG.search) >= (0.2 if _TAG.search(plain[0]) else 0.5):
        return "markup, such as a page of the web" if share.of(_NICK.match) < _MOST else "a chat"
    if share.of(_NICK.match) >= _MOST:
        return "a chat"
    if len({found.group() for line in plain[:50] for found in _MAIL.finditer(line)}) >= 2:
        return "an e-mail"
    if plain[0].startswith(("BEGIN:V", "{\\rtf", "%PDF")):
        return "a document of another program"
    if len(plain) > 1 and _has_times(plain, share):
        return "a chat or a log, because of its dates and times"
    if _is_table(plain):
        return "a table"
    return "a chat, because its lines name people" if names_speakers(plain) else None


class _Share:
    """Gives the share of lines that a pattern finds something in."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def of(self, found: Callable[[str], object]) -> float:
        return sum(found(line) is not None for line in self._lines) / len(self._lines)


def _has_times(lines: list[str], share: _Share) -> bool:
    """Returns whether many lines begin or end with a time, or several with a date and a time."""
    return (
        share.of(_STAMPED.match) >= 0.5
        or share.of(_STAMP_BEHIND.fullmatch) >= 0.2
        or share.of(_DATED.match) >= max(_SOME, 2 / len(lines))
        or share.of(_SUBTITLE.match) >= _SOME
    )


def _is_table(lines: list[str]) -> bool:
    """Returns whether most lines have the same number of cells; commas in a sentence, with a space behind, are not counted."""
    if len(lines) < 2:
        return False
    for fewest, count in (
        (1, lambda line: line.count("\t")),
        (2, lambda line: line.count(";")),
        (2, lambda line: line.count("|")),
        (2, lambda line: line.count("^")),
        (2, lambda line: len(_CELLS.findall(line))),
    ):
        number, times = Counter(map(count, lines)).most_common(1)[0]
        if number >= fewest and times >= max(2, _MOST * len(lines)):
            return True
    return False
