"""Corpora of real people's messages, by user: what federated learning calls the clients' data.

A corpus lists its users and streams the messages of one of them, oldest first. Nothing is tokenized or encoded until asked for.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

from data.errors import DataError

SPLITS = ("train", "validation", "test")


class Corpus(Protocol):
    """Messages by user."""

    def users(self) -> list[str]:
        """All users, in the order of the SHA-256 of their ids: fixed, and unrelated to who they are."""

    def messages(self, user: str) -> Iterator[str]:
        """The texts of one user, oldest first."""


def split_of(user: str) -> str:
    """Which split a user belongs to, for ever: SHA-256 of the id, modulo 10; 1 is test, 0 is validation, the rest train."""
    return {0: "validation", 1: "test"}.get(int(_digest(user), 16) % 10, "train")


def users_in(corpus: Corpus, split: str) -> list[str]:
    """The users of one split, or of `all`, in corpus order.

    Raises:
      DataError: there is no such split, or nobody is in it.
    """
    if split not in (*SPLITS, "all"):
        raise DataError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}, all")
    users = [u for u in corpus.users() if split in ("all", split_of(u))]
    if not users:
        raise DataError(f"nobody in this corpus belongs to the split {split!r}: choose another, or all")
    return users


class Part:
    """One split of a corpus, and no way to anybody else's messages: what training, tuning and the vocabulary are handed."""

    def __init__(self, corpus: Corpus, split: str) -> None:
        """Takes the users of a split, or of `all`.

        Raises:
          DataError: there is no such split, or nobody is in it.
        """
        self.split = split
        self._corpus = corpus
        self._users = dict.fromkeys(users_in(corpus, split))

    def users(self) -> list[str]:
        """The users of the split, in corpus order."""
        return list(self._users)

    def messages(self, user: str) -> Iterator[str]:
        """The texts of one of them, oldest first.

        Raises:
          DataError: the user belongs to another split.
        """
        if user not in self._users:
            raise DataError(
                f"a {split_of(user)} user's messages were asked for where only {self.split} users' may be read"
            )
        return self._corpus.messages(user)


class ChitChat:
    """The ChitChat dataset: 258,145 chat messages of 1,315 people, as the package `chitchat-dataset` installs it.

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
        # The sort is stable, so messages of one second stay in the order of their conversation.
        return {u: [text for _, text in sorted(timed[u], key=lambda m: m[0])] for u in sorted(timed, key=_digest)}

    def users(self) -> list[str]:
        """All users, by the SHA-256 of their ids."""
        return list(self._by_user)

    def messages(self, user: str) -> Iterator[str]:
        """The texts of one user, oldest first."""
        return iter(self._by_user[user])


class JsonLines:
    """A corpus in a file: one message a line, `{"user": "…", "time": "…", "text": "…"}`, UTF-8.

    Times are compared as text, so ISO 8601 in one time zone sorts as it should. The file is read once to learn where each
    user's lines are; a user's messages are then read from there, so memory grows with the number of lines and not with the text.
    """

    def __init__(self, path: Path) -> None:
        """Checks and indexes the file.

        Raises:
          DataError: the file cannot be read, is empty, or a line is not a message (the error names file and line).
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
            raise DataError(f"{path} holds no message: write one JSON object a line, with user, time and text")

    def _parse(self, line: bytes, number: int) -> tuple[str, str, str]:
        try:
            message = json.loads(line)
            fields = (message["user"], message["time"], message["text"])
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}:{number}: not UTF-8 text") from error
        except (ValueError, RecursionError) as error:  # a JSONDecodeError, a number too long, brackets too deep
            raise DataError(f"{self.path}:{number}: not JSON ({getattr(error, 'msg', error)})") from error
        except (KeyError, TypeError) as error:
            raise DataError(f"{self.path}:{number}: needs an object with user, time and text") from error
        if not all(isinstance(f, str) for f in fields):
            raise DataError(f"{self.path}:{number}: user, time and text must be strings")
        if any(0xD800 <= ord(c) <= 0xDFFF for c in "".join(fields)):
            raise DataError(f"{self.path}:{number}: half a surrogate pair, which is no character")
        return fields

    def users(self) -> list[str]:
        """All users, by the SHA-256 of their ids."""
        return sorted(self._lines, key=_digest)

    def messages(self, user: str) -> Iterator[str]:
        """The texts of one user, oldest first, read from the file one by one."""
        with self.path.open("rb") as file:
            for _, offset in sorted(self._lines[user], key=lambda line: line[0]):
                file.seek(offset)
                yield json.loads(file.readline())["text"]


def open_corpus(name: str) -> Corpus:
    """The corpus a command names: `chitchat`, or the path of a JSON Lines file."""
    return ChitChat() if name == "chitchat" else JsonLines(Path(name))


def _digest(user: str) -> str:
    return hashlib.sha256(user.encode()).hexdigest()
