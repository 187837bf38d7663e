"""Chats exported as text, in which a line tells who wrote the message that begins there; other lines continue a message.

1. Every line is compared with the notations of several apps. The notation that most lines follow is that of the whole file.
2. A line in this notation begins a message, or is a notice of the app if it names nobody. Lines before the first one are left out.
3. A message is doubtful if one of its lines looks like the beginning of another message that was damaged or pasted: those words
   may be another person's. Doubtful messages are left out.
4. A name that is always followed by a second colon is taken to hold a colon.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from data.errors import DataError
from keyboard_app.my_data.placeholders import written_by_hand, written_in_line
from keyboard_app.my_data.source import Source
from keyboard_app.my_data.stamps import DAY, FULL_STAMP, STAMP, TIME, TIME_OF_DAY, bare, rest_of

_FEW = 0.05  # share of lines below which a file is a text with some lines of a chat in it
_MOST_NAMED = 0.5  # share of the lines with a time that name somebody, at least, in a notation that is understood
_LONGEST_LABEL = 40  # characters of the second part of a name with a colon

# How each notation begins a message. `name` may be missing: the line is a notice of the app then.
_SEPARATED = r"(?:\[\s?{stamp}\s?\]\s*|{stamp}\s?(?:\s[-–—]\s|:\s|\s(?=<|{notice})|,\s(?=[^:\n]{{1,80}}\s:\s)))"
_NOTICE = r"(?:-!-|\*{1,3}|<?--+>?)\s"  # of IRC: somebody joined, or did something
_NAMED = r"(?:<(?P<nick>[^<>\n]{1,80})>\s?|(?P<name>[^:\n]{1,100}):(?:\s|$))"
_TIME = re.compile(TIME)  # looked for first, because most lines have none
_STAMPED = re.compile(_SEPARATED.format(stamp=STAMP, notice=_NOTICE))
_AUTHOR = re.compile(_NAMED)
_OF_IRC = re.compile(_NOTICE)
_TABBED = re.compile(rf"(?:{FULL_STAMP}|{TIME_OF_DAY})\t(?:(?P<name>[^\t\n]{{1,100}})\t)?")
_BRACKETED = re.compile(rf"\[(?P<name>[^\[\]\n]{{1,100}})\] \[{TIME_OF_DAY}\]\s")
_ABOVE = re.compile(rf"(?P<name>[^\n]{{1,100}}), \[{FULL_STAMP}\](?:\s|$)")

# The beginning of a message anywhere in a line: the line break before it was lost, or the message was pasted.
_INSIDE = re.compile(_SEPARATED.format(stamp=FULL_STAMP, notice=_NOTICE) + _NAMED)
_INSIDE_OF = {
    "brackets": (re.compile(rf"\]\s?\[{TIME_OF_DAY}\]"),),
    "above": (re.compile(rf", \[{FULL_STAMP}"),),
}
_FULL_STAMP = re.compile(rf"\W{{0,2}}{FULL_STAMP}")
_SEPARATOR = re.compile(r".{0,120}?(?:[:\]>\t](?:\s|$)|\s[-–—]\s)")
_DIGITS_OF_STAMP = 3  # digits that are left of a damaged time, at least
_BEGINNING = 24  # characters that they are among
_QUOTES = re.compile('["“”„«»「」『』]')


class _Head(NamedTuple):
    """The beginning of a message, or of a notice of the app if `name` is None."""

    notation: str
    name: str | None
    text: str


class _Entry(NamedTuple):
    """A message or a notice with all of its lines."""

    name: str | None
    lines: list[str]
    other: list[bool]  # for each line, whether it begins a message in another notation


def _heads(line: str) -> Iterator[_Head]:
    """Yields what the line begins in each of the notations that it follows."""
    plain = bare(line)
    if _TIME.search(plain) is not None and (found := _STAMPED.match(plain)) is not None:
        stamp = found.group().rstrip()
        of_irc = _OF_IRC.match(plain, found.end()) is not None
        author = None if of_irc else _AUTHOR.match(plain, found.end())
        kind = "<" if of_irc or (author is not None and author["nick"]) else stamp[-1]
        if author is None:
            yield _Head(kind, None, "")
        else:
            yield _Head(kind, author["nick"] or author["name"], rest_of(line, author.end()))
    for notation, pattern, mark in (("tab", _TABBED, "\t"), ("brackets", _BRACKETED, "] ["), ("above", _ABOVE, ", [")):
        if mark in plain and (found := pattern.match(plain)) is not None:
            yield _Head(notation, found["name"], rest_of(line, found.end()) if found["name"] else "")


def read_chat(lines: list[str]) -> Source | None:
    """Reads a chat; returns None if no line begins a message in any of the notations.

    Raises:
      DataError: only a few lines are in the notation of a chat.
    """
    heads = [[] if line.isspace() else list(_heads(line)) for line in lines]
    counts = Counter(head.notation for found in heads for head in found if head.name is not None)
    if not counts:
        if sum(map(bool, heads)) > len(lines) // 2:
            raise DataError("holds no message: its lines have times, but name nobody who wrote them")
        return None
    notation, named = counts.most_common(1)[0]
    of_irc = notation == "<"  # where lines that name nobody are understood, as notices
    if not of_irc and named < _MOST_NAMED * sum(head.notation == notation for found in heads for head in found):
        raise DataError(
            "looks like a chat, but most of its lines do not say who wrote them in a way that is understood: "
            "export the chat from its app in another format"
        )
    if counts[notation] < _FEW * sum(not line.isspace() for line in lines):
        number = next(n for n, found in enumerate(heads, 1) if any(head.name for head in found))
        raise DataError(
            f"looks like a chat in some of its lines, such as line {number}, but not as a whole: "
            "remove what other people wrote, or import the part that is a chat from a file of its own"
        )
    return _source(notation, _entries(notation, lines, heads))


def _entries(notation: str, lines: list[str], heads: list[list[_Head]]) -> list[_Entry]:
    entries: list[_Entry] = []
    for line, found in zip(lines, heads, strict=True):
        head = next((head for head in found if head.notation == notation), None)
        if head is not None:
            entries.append(_Entry(None if head.name is None else _tidy(head.name), [head.text], [False]))
        elif notation in ("tab", "brackets") and DAY.fullmatch(bare(line)):
            entries.append(_Entry(None, [], []))
        elif entries:
            entries[-1].lines.append(line)
            entries[-1].other.append(bool(found))
    return [entry for entry in entries if entry.name is not None]


def _tidy(name: str) -> str | None:
    """Returns the name as the person knows it; None if a notice of the app was taken for one (`Ann named it "Trip: 1"`)."""
    name = name.strip("~ \u00a0\u202f\t")
    return None if not name or len(_QUOTES.findall(name)) % 2 else name


def _source(notation: str, entries: list[_Entry]) -> Source:
    written = written_in_line if notation == "tab" else written_by_hand
    is_foreign = _Foreign(notation, {entry.name for entry in entries if entry.name})
    messages: dict[str, list[str]] = defaultdict(list)
    doubtful: Counter[str] = Counter()
    for entry in _with_colons(_with_colons(entries)):  # twice: a name may have two colons
        name, text = str(entry.name), written("\n".join(entry.lines).strip(" \n"))
        if any(entry.other) or is_foreign(entry.lines):
            doubtful[name] += 1
        elif text:
            messages[name].append(text)
    return Source("chat", dict(messages), doubtful)


class _Foreign:
    """Tells whether a message may hold the words of another person."""

    def __init__(self, notation: str, names: Iterable[str]) -> None:
        before, behind = {
            "tab": (r"\t", r"\t"),
            "brackets": (r"\[", r"\]"),
            "above": ("", r", \["),
            "<": ("<", ">"),
        }.get(notation, (r"[-–—\]>]\s?[~\s]*", r"\s?:"))
        any_name = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        self._named = re.compile(rf"{before}(?:{any_name}){behind}")
        self._begins_with_name = re.compile(rf"\W{{0,4}}(?:{any_name}){behind}")
        self._inside = (_INSIDE, *_INSIDE_OF.get(notation, ()))
        self._tabs = notation == "tab"
        self._marks = {"brackets": "[]", "above": "[]"}.get(notation, "")

    def __call__(self, lines: list[str]) -> bool:
        plain = [bare(line) for line in lines]
        return any(self._holds_another(line) for line in plain) or any(map(self._continues_another, plain[1:]))

    def _holds_another(self, line: str) -> bool:
        if self._tabs and "\t" in line:
            return True
        patterns = (self._named, *self._inside) if _TIME.search(line) is not None else (self._named,)
        return any(pattern.search(line) for pattern in patterns)

    def _continues_another(self, line: str) -> bool:
        """Returns whether a line that continues a message looks like the damaged beginning of another one."""
        digits = sum(map(str.isdecimal, line[:_BEGINNING])) >= _DIGITS_OF_STAMP
        return (
            (digits and _SEPARATOR.match(line) is not None)
            or _FULL_STAMP.match(line) is not None
            or any(mark in line for mark in self._marks)
            or self._begins_with_name.match(line) is not None
        )


def _with_colons(entries: list[_Entry]) -> list[_Entry]:
    """Returns the messages; moves what belongs to a name with a colon from the text into the name.

    If every message of `Team` goes on as `Ann: …` or `Bob: …`, then `Team: Ann` and `Team: Bob` are people. If only some do, a
    label that comes up again is taken for a person too: it is safer to keep the words of `Ann: work` apart from those of `Ann`.
    """
    moved = []
    labels = [_label(entry.lines[0]) for entry in entries]
    by_name: dict[str, list[str | None]] = defaultdict(list)
    for entry, label in zip(entries, labels, strict=True):
        by_name[str(entry.name)].append(label)
    counts = {name: Counter(found) for name, found in by_name.items()}
    for entry, label in zip(entries, labels, strict=True):
        name = str(entry.name)
        always = None not in counts[name] and len(by_name[name]) > 1
        if label is not None and (always or counts[name][label] > 1):
            lines = [entry.lines[0].partition(": ")[2], *entry.lines[1:]]
            moved.append(entry._replace(name=f"{name}: {label}", lines=lines))
        else:
            moved.append(entry)
    return moved


def _label(text: str) -> str | None:
    label, colon, _ = text.partition(": ")
    return label if colon and 0 < len(label) <= _LONGEST_LABEL else None
