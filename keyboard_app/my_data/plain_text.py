"""Plain text, one message a line, and the signs that a file is something else: a chat, a table, a log or markup."""

import re
from collections import Counter
from collections.abc import Callable

from keyboard_app.my_data.stamps import FULL_STAMP, TIME, bare

_MOST = 0.6  # share of lines that makes a sign of a chat or a table certain
_FEWEST = 3  # lines
_LABEL = re.compile(r"[^\W\d_][^:：\n]{0,29}?(?=\s?(?::\s|：))")
_NICK = re.compile(r"<[^<>\n]{1,40}>\s")
_TAG = re.compile(r"</?[A-Za-z!?][^<>]*>")
_FIELD = re.compile(r"[\"'][\w ]{1,40}[\"']\s?:\s?[\"\[{\d]")
_STAMPED = re.compile(rf"[\W_]{{0,3}}(?:{TIME}|{FULL_STAMP})(?=\W)")
_STAMP_BEHIND = re.compile(rf".{{1,60}}\s\W{{0,3}}{FULL_STAMP}\W{{0,3}}")
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
    if share.of(_NICK.match) >= _MOST or _is_dialogue(plain):
        return "a chat"
    if len({found.group() for line in plain[:50] for found in _MAIL.finditer(line)}) >= 2:
        return "an e-mail"
    if plain[0].startswith(("BEGIN:V", "{\\rtf", "%PDF")):
        return "a document of another program"
    if len(plain) > 1 and (share.of(_STAMPED.match) >= 0.5 or share.of(_STAMP_BEHIND.fullmatch) >= 0.2):
        return "a chat or a log, because of its dates and times"
    return "a table" if _is_table(plain) else None


class _Share:
    """Gives the share of lines that a pattern finds something in."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def of(self, found: Callable[[str], object]) -> float:
        return sum(found(line) is not None for line in self._lines) / len(self._lines)


def _is_dialogue(lines: list[str]) -> bool:
    """Returns whether most lines begin with one of several names that come up again."""
    found = (_LABEL.match(line) for line in lines)
    labels = Counter(label.group() for label in found if label is not None and _is_name(label.group()))
    labelled = sum(labels.values())
    return labelled >= max(_FEWEST, _MOST * len(lines)) and 1 < len(labels) <= labelled * 2 // 3


def _is_name(label: str) -> bool:
    """Returns whether a label may be a name: a single word, or words that all begin with a capital letter, if there are any."""
    words = label.split()
    return len(words) == 1 or not any(word[0].islower() for word in words)


def _is_table(lines: list[str]) -> bool:
    """Returns whether most lines have the same number of cells; commas in a sentence, with a space behind, are not counted."""
    if len(lines) < 2:
        return False
    for fewest, count in (
        (1, lambda line: line.count("\t")),
        (2, lambda line: line.count(";")),
        (2, lambda line: line.count("|")),
        (2, lambda line: len(_CELLS.findall(line))),
    ):
        number, times = Counter(map(count, lines)).most_common(1)[0]
        if number >= fewest and times >= max(2, _MOST * len(lines)):
            return True
    return False
