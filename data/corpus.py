"""Corpora of real people's messages, by user: the clients' data of federated learning.

A corpus lists its users and streams one user's messages, oldest first. Texts are returned as written; callers tokenize them.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from data.errors import DataError
from data.ordering import by_digest, digest
from data.self_dialogues import SelfDialogues

SPLITS = ("train", "validation", "test")


class Corpus(Protocol):
    """Messages by user."""

    def users(self) -> list[str]:
        """Returns all users, ordered by the SHA-256 of their ids: a fixed order that is unrelated to who they are."""

    def messages(self, user: str) -> Iterator[str]:
        """Yields the texts of one user, oldest first."""


def split_of(user: str) -> str:
    """Returns the split of a user, which never changes: SHA-256 of the id modulo 10; 1 is test, 0 validation, the rest train."""
    return {0: "validation", 1: "test"}.get(int(digest(user), 16) % 10, "train")


def users_in(corpus: Corpus, split: str) -> list[str]:
    """Returns the users of one split, or of `all`, in corpus order.

    Raises:
      DataError: the split does not exist or has no users.
    """
    if split not in (*SPLITS, "all"):
        raise DataError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}, all")
    users = [u for u in corpus.users() if split in ("all", split_of(u))]
    if not users:
        raise DataError(
            f"nobody in this corpus belongs to its {split} users, which a hash of each user's id chooses (train: 8 of 10)"
        )
    return users


class Part:
    """One split of a corpus, without access to the messages of other users.

    Training, tuning and the vocabulary get a `Part`, so that no test user's message can reach them.
    """

    def __init__(self, corpus: Corpus, split: str) -> None:
        """Selects the users of a split, or of `all`.

        Raises:
          DataError: the split does not exist or has no users.
        """
        self.split = split
        self._corpus = corpus
        self._users = dict.fromkeys(users_in(corpus, split))

    def users(self) -> list[str]:
        """Returns the users of the split, in corpus order."""
        return list(self._users)

    def messages(self, user: str) -> Iterator[str]:
        """Yields the texts of a user of the split, oldest first.

        Raises:
          DataError: the user belongs to another split.
        """
        if user not in self._users:
            raise DataError(
                f"only messages of {self.split} users may be read here, and this user belongs to {split_of(user)}"
            )
        return self._corpus.messages(user)


class ChitChat:
    """The ChitChat dataset: 258,145 chat messages by 1,315 people, from the package `chitchat-dataset`.

    Source: Myers, Etchart and Fulda, "Conversational Scaffolding", ICAART 2020.
    """

    @cached_property
    def _by_user(self) -> dict[str, list[str]]:
        try:
            from chitchat_dataset import Dataset
        except ImportError as error:
            raise DataError("the ChitChat corpus is not installed: run `uv sync --group federation`") from error
        timed: dict[str, list[tuple[str, str]]] = {}
        for conversation in Dataset().values():
            for turn in conversation["messages"]:
                for message in turn:
                    timed.setdefault(message["sender"], []).append((message["timestamp"], message["text"]))
        # The sort is stable: messages of the same second stay in the order of their conversation.
        return by_digest({u: [text for _, text in sorted(sent, key=lambda m: m[0])] for u, sent in timed.items()})

    def users(self) -> list[str]:
        """Returns all users, ordered by the SHA-256 of their ids."""
        return list(self._by_user)

    def messages(self, user: str) -> Iterator[str]:
        """Yields the texts of one user, oldest first."""
        return iter(self._by_user[user])


class JsonLines:
    """A corpus in a file: one message a line, `{"user": "…", "time": "…", "text": "…"}`, UTF-8.

    Times are compared as text, so use ISO 8601 in a single time zone. The file is read once to index the lines of each user.
    Messages are then read from disk on demand: memory grows with the number of lines, not with the length of the texts.
    """

    def __init__(self, path: Path) -> None:
        """Checks and indexes the file.

        Raises:
          DataError: the file cannot be read or is empty, or a line is not a message (the error names the file and the line).
        """
        self.path = path
        self._lines: dict[str, list[tuple[str, int]]] = {}
        try:
            with path.open("rb") as file:
                offset = 0
                for number, line in enumerate(file, 1):
                    if line.strip():
                        user, time, _ = self._parse(line, number)
                        self._lines.setdefault(user, []).append((time, offset))
                    offset += len(line)
        except OSError as error:
            raise DataError(f"cannot read the corpus {path}: {error.strerror}") from error
        if not self._lines:
            raise DataError(f"{path} has no messages: write one JSON object per line, with user, time and text")

    def _parse(self, line: bytes, number: int) -> tuple[str, str, str]:
        try:
            message = json.loads(line)
            fields = (message["user"], message["time"], message["text"])
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}:{number}: not UTF-8 text") from error
        except (ValueError, RecursionError) as error:  # malformed, a number with too many digits, or nested too deeply
            raise DataError(f"{self.path}:{number}: not JSON ({getattr(error, 'msg', error)})") from error
        except (KeyError, TypeError) as error:
            raise DataError(f"{self.path}:{number}: needs an object with user, time and text") from error
        if not all(isinstance(f, str) for f in fields):
            raise DataError(f"{self.path}:{number}: user, time and text must be strings")
        if any(0xD800 <= ord(c) <= 0xDFFF for c in "".join(fields)):
            raise DataError(
                f"{self.path}:{number}: the text contains half of a surrogate pair, which is not a character"
            )
        return fields

    def users(self) -> list[str]:
        """Returns all users, ordered by the SHA-256 of their ids."""
        return list(by_digest(self._lines))

    def messages(self, user: str) -> Iterator[str]:
        """Yields the texts of one user, oldest first, reading each from the file when it is needed."""
        with self.path.open("rb") as file:
            for _, offset in sorted(self._lines[user], key=lambda line: line[0]):
                file.seek(offset)
                yield json.loads(file.readline())["text"]


class Together:
    """Several corpora as one. Someone who is in more than one has the messages of all, in the order of the corpora."""

    def __init__(self, corpora: Sequence[Corpus]) -> None:
        holders: dict[str, list[Corpus]] = {}
        for corpus in corpora:
            for user in corpus.users():
                holders.setdefault(user, []).append(corpus)
        self._holders = by_digest(holders)

    def users(self) -> list[str]:
        """Returns all users, ordered by the SHA-256 of their ids."""
        return list(self._holders)

    def messages(self, user: str) -> Iterator[str]:
        """Yields the texts of one user, corpus after corpus."""
        for corpus in self._holders[user]:
            yield from corpus.messages(user)


def open_corpus(name: str) -> Corpus:
    """Opens a corpus by the name given to a command.

    Args:
      name: `chitchat`, `self-dialogues:DIR`, the path of a JSON Lines file, or several of them joined by commas.

    Raises:
      DataError: a corpus is not installed, cannot be read or is damaged, or is named twice.
    """
    names = [name] if Path(name).exists() else name.split(",")
    if len(set(names)) < len(names):
        raise DataError(f"{name} names a corpus twice, whose words would then count twice")
    opened = [_open_one(one) for one in names]
    return opened[0] if len(opened) == 1 else Together(opened)


def _open_one(name: str) -> Corpus:
    if name == "chitchat":
        return ChitChat()
    kind, _, folder = name.partition(":")
    return SelfDialogues(Path(folder)) if kind == "self-dialogues" and folder else JsonLines(Path(name))
