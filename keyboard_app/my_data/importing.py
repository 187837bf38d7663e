"""The import of the person's own texts from files, to learn from them. Messages that look like secrets are left out.

A file must be UTF-8. Its beginning decides between three kinds:

- JSON Lines as `data.corpus` reads and `MyData.export` writes them: `{"user": …, "time": …, "text": …}`;
- a chat exported by WhatsApp: a message starts with a line of date, time, name and text; other lines continue it;
- any other text: one message per line.

If several people wrote in the file, only the person's own messages are imported.
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
MAX_MESSAGES = 20_000  # only the newest are imported: learning uses no more
_STEP = 200  # messages between two points at which the task can be stopped

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")  # control characters that do not occur in text
# `[31.12.20, 21:15:22] Name: text` and `12/31/20, 9:15 PM - Name: text`, in the formats of different phones and languages.
_LINE = re.compile(
    r"[\u200e\u200f]?\[?(?:\d{1,4}[./\-]\d{1,2}[./\-]\d{1,4}),?\s+\d{1,2}[:.]\d{2}(?:[:.]\d{2})?"
    r"(?:\s?[ap]\.?\s?m\.?)?(?:\]\s*|\s+[-–]\s+)(?P<rest>.*)",
    re.IGNORECASE,
)
_AUTHOR = re.compile(r"[\u200e\u200f~ ]*(?P<name>[^:\n]{1,60}): (?P<text>.*)", re.DOTALL)
# Placeholders that a phone writes for messages without text; other languages start them with U+200E.
_NO_TEXT = re.compile(
    r"\u200e|<[^<>]*>\Z|null\Z|(?:This message was|You) deleted|.*\((?:file attached)\)\Z", re.IGNORECASE
)
_EDITED = re.compile(r"[\s\u200e]*<This message was edited>\s*\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """The content of a file: messages by author, oldest first; the author is empty if the file names none."""

    kind: str  # `text`, `JSON Lines` or `chat`
    messages: dict[str, list[str]]

    @property
    def people(self) -> dict[str, int]:
        """The authors with their numbers of messages, most messages first; empty for plain text."""
        counts = {name: len(texts) for name, texts in self.messages.items() if name}
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def __str__(self) -> str:
        counts = (
            f"{name} ({count:,} {'message' if count == 1 else 'messages'})" for name, count in self.people.items()
        )
        return ", ".join(counts) or "nobody"

    def of(self, person: str | None) -> list[str]:
        """Returns the messages of one person, who need not be named if there is only one.

        Raises:
          DataError: the person was not named and there are several, or the file has nobody of that name.
        """
        if person is None and len(self.messages) == 1:
            return next(iter(self.messages.values()))
        if person in self.messages:
            return self.messages[person]
        who = f"nobody called {person} wrote in it" if person else "several people wrote in it"
        raise DataError(f"{who}: name one of {self}")


def read_source(path: Path) -> Source:
    """Reads a file of any of the three kinds.

    Raises:
      DataError: the file cannot be read, is too large, is not text, or holds no message.
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
        raise DataError(f"{path} holds no message: check that it is the right file")
    return source


def _read_chat(text: str) -> dict[str, list[str]]:
    whole: list[str] = []  # for each entry: name, colon, and text with its continuation lines
    for line in text.splitlines():
        if (match := _LINE.match(line)) is not None:
            whole.append(match["rest"])
        elif whole:
            whole[-1] += "\n" + line
    messages: dict[str, list[str]] = {}
    for entry in whole:
        author = _AUTHOR.match(entry)
        if author is None:
            continue  # a notice of the app, not a message
        written = _EDITED.sub("", author["text"]).strip()
        if written and not _NO_TEXT.match(written):
            messages.setdefault(author["name"].strip(), []).append(written)
    return messages


class Importing:
    """The task (`keyboard_app.learning.background`) of importing a file; `imported` and `refused` count messages once it is done.

    If several people wrote in the file and no name was given, nothing is imported: `unclear` then holds the file's content, and
    `of` returns the task for the chosen person.
    """

    def __init__(
        self, profile: Profile, models: Models, path: Path, person: str | None = None, source: Source | None = None
    ) -> None:
        """Prepares the task.

        Args:
          profile: the profile to import into.
          models: the models that suggest by the imported messages.
          path: the file.
          person: the author whose messages to import, if there are several.
          source: the file's content, if it was read before.
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
        """Returns the task of importing one author's messages, without reading the file again."""
        return Importing(self._profile, self._models, self._path, person, self.unclear)

    def work(self) -> Generator[Step]:
        """Reads the file and encrypts its messages.

        Raises:
          DataError: `read_source` failed, or nobody of that name wrote in the file.
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
        """Records all messages in one transaction; suggestions use them from now on, and the next learning trains on them."""
        if self.unclear is not None:
            return f"several people wrote in {self._path.name}: choose which one you are"
        self._profile.store.add_imported(self._sealed)
        self.imported = len(self._sealed)
        self._models.use_messages([message.text for message in self._profile.store.learnable()])
        left_out = f", and left out {self.refused:,} that look like secrets" if self.refused else ""
        return f"imported {self.imported:,} messages{left_out}; let the keyboard learn to put them to use"
