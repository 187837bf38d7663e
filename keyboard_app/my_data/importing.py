"""Texts of a person's own from elsewhere, to teach the keyboard with: read, looked through for secrets, and recorded as imported.

Three kinds of file are told apart by how they begin, and all must be UTF-8:

- JSON Lines as `data.corpus` has them, and `MyData.export` writes them: `{"user": …, "time": …, "text": …}`;
- a chat as WhatsApp exports it: lines of a date, a time, a name and a text, those without going on with the message before;
- any other text: a message a line.

Of a file in which several people wrote, only one's own messages are imported.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from data.corpus import JsonLines
from data.errors import DataError
from keyboard_app.learning.background import Step
from keyboard_app.learning.models import Models
from keyboard_app.recording.schema import SealedMessage
from keyboard_app.recording.sensitive import why_sensitive
from keyboard_app.recording.user_profile import Profile

MAX_BYTES = 50_000_000
MAX_MESSAGES = 20_000  # the newest: more than is ever learned from at once
_STEP = 200  # messages between two looks at whether to go on

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")  # none of these is in a text
# `[31.12.20, 21:15:22] Name: text` and `12/31/20, 9:15 PM - Name: text`, with whatever a phone's language puts in between.
_LINE = re.compile(
    r"[\u200e\u200f]?\[?(?:\d{1,4}[./\-]\d{1,2}[./\-]\d{1,4}),?\s+\d{1,2}[:.]\d{2}(?:[:.]\d{2})?"
    r"(?:\s?[ap]\.?\s?m\.?)?(?:\]\s*|\s+[-–]\s+)(?P<rest>.*)",
    re.IGNORECASE,
)
_AUTHOR = re.compile(r"[\u200e\u200f~ ]*(?P<name>[^:\n]{1,60}): (?P<text>.*)", re.DOTALL)
# What a phone writes in the place of a message; other languages mark it with U+200E at its beginning.
_NO_TEXT = re.compile(
    r"\u200e|<[^<>]*>\Z|null\Z|(?:This message was|You) deleted|.*\((?:file attached)\)\Z", re.IGNORECASE
)
_EDITED = re.compile(r"[\s\u200e]*<This message was edited>\s*\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """A file that was read: its messages by who wrote them, oldest first; by the empty name where it does not say."""

    kind: str  # text, JSON Lines, chat
    messages: dict[str, list[str]]

    @property
    def people(self) -> dict[str, int]:
        """Who wrote in it and how many messages, who wrote most first; nobody for a plain text."""
        counts = {name: len(texts) for name, texts in self.messages.items() if name}
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def __str__(self) -> str:
        counts = (
            f"{name} ({count:,} {'message' if count == 1 else 'messages'})" for name, count in self.people.items()
        )
        return ", ".join(counts) or "nobody"

    def of(self, person: str | None) -> list[str]:
        """The messages of one person, who may be left open where there is no choice.

        Raises:
          DataError: there is a choice, and it was not made, or of somebody who is not there.
        """
        if person is None and len(self.messages) == 1:
            return next(iter(self.messages.values()))
        if person in self.messages:
            return self.messages[person]
        who = f"nobody called {person} wrote in it" if person else "several people wrote in it"
        raise DataError(f"{who}: choose one of {self}")


def read_source(path: Path) -> Source:
    """Reads a file.

    Raises:
      DataError: it cannot be read, is too large, is not text, or holds no message.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB: import a part of it")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8 text") from error
    if (control := _CONTROL.search(text)) is not None:
        raise DataError(f"{path} is not text (it holds the control character {control.group()!r}): export it as text")
    first = next((line for line in text.split("\n") if line.strip()), "")
    if first.lstrip().startswith("{"):
        corpus = JsonLines(path)
        return Source("JSON Lines", {user: list(corpus.messages(user)) for user in corpus.users()})
    if _LINE.match(first):
        source = Source("chat", _read_chat(text))
    else:
        lines = [line.strip() for line in text.split("\n")]
        source = Source("text", {"": [line for line in lines if line]})
    if not any(source.messages.values()):
        raise DataError(f"{path} holds no message")
    return source


def _read_chat(text: str) -> dict[str, list[str]]:
    whole: list[str] = []  # name, colon and text of each entry, its further lines included
    for line in text.splitlines():
        if (match := _LINE.match(line)) is not None:
            whole.append(match["rest"])
        elif whole:
            whole[-1] += "\n" + line
    messages: dict[str, list[str]] = {}
    for entry in whole:
        author = _AUTHOR.match(entry)
        if author is None:
            continue  # the app itself says something
        written = _EDITED.sub("", author["text"]).strip()
        if written and not _NO_TEXT.match(written):
            messages.setdefault(author["name"].strip(), []).append(written)
    return messages


class Importing:
    """The task (`learning.worker`) of importing a file; `imported` and `refused` count messages once it is finished.

    Where several people wrote in it and nobody was named, nothing is imported: `unclear` is then what was read, to be asked who of
    them the person is, and `of` the task for the answer.
    """

    def __init__(
        self, profile: Profile, models: Models, path: Path, person: str | None = None, source: Source | None = None
    ) -> None:
        """Takes the file.

        Args:
          profile: to import into.
          models: to suggest by what was imported.
          path: the file.
          person: whose messages are one's own, where several people wrote in it.
          source: the file's content, where it was read before.
        """
        self.title = f"importing {path.name}"
        self.imported = self.refused = 0
        self.unclear: Source | None = None
        self._source = source
        self._profile = profile
        self._models = models
        self._path = path
        self._person = person
        self._sealed: list[SealedMessage] = []

    def of(self, person: str) -> "Importing":
        """The task of importing the messages of one of those who wrote in the file, which is not read again."""
        return Importing(self._profile, self._models, self._path, person, self.unclear)

    def work(self) -> Generator[Step]:
        """Reads the file and seals its messages.

        Raises:
          DataError: as `read_source`, or nobody of that name wrote in it.
        """
        yield Step(0, 1)
        source = self._source or read_source(self._path)
        if self._person is None and len(source.people) > 1:
            self.unclear = source
            return
        texts = source.of(self._person)[-MAX_MESSAGES:]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for number, text in enumerate(texts, 1):
            if why_sensitive(text) is None:
                self._sealed.append(self._profile.store.seal_import(text, now))
            else:
                self.refused += 1
            if number % _STEP == 0 or number == len(texts):
                yield Step(number, len(texts))

    def finish(self) -> str:
        """Records all of them at once, and suggests by them from now on; the network learns from them when it learns next."""
        if self.unclear is not None:
            return f"several people wrote in {self._path.name}: choose who of them you are"
        self._profile.store.add_imported(self._sealed)
        self.imported = len(self._sealed)
        self._models.use_messages([message.text for message in self._profile.store.learnable()])
        left_out = f", and left out {self.refused:,} that look like secrets" if self.refused else ""
        return f"imported {self.imported:,} messages{left_out}; learn to put them to use"
