"""Whether this keyboard belongs to a federation, and what it shared with it and when: one SQLite file in the profile.

Only the owner may read the file: the key in it is what the coordinator knows the device by. A keyboard that leaves forgets the key
and keeps the record of what was shared.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.errors import DataError

FILE = "federation.sqlite"
_SCHEMA = """
CREATE TABLE membership (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    url TEXT NOT NULL,           -- of the coordinator's API
    certificate TEXT NOT NULL,   -- its certificate, PEM, checked against the join link
    key BLOB NOT NULL,           -- Ed25519, 32 bytes, secret
    joined TEXT NOT NULL         -- UTC, ISO 8601
);
CREATE TABLE shared (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    url TEXT NOT NULL,
    round TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,         -- digest of the global weights that this keyboard trained
    words INTEGER NOT NULL,      -- targets trained on
    bytes INTEGER NOT NULL,      -- of the masked update
    outcome TEXT NOT NULL        -- sent, counted (the coordinator added it up and unmasked the sum), not counted
);
"""


@dataclass(frozen=True)
class Joined:
    """The federation that the keyboard belongs to."""

    url: str
    certificate: str
    key: Ed25519PrivateKey
    since: str


@dataclass(frozen=True)
class Shared:
    """A masked update that left the device, and what came of it."""

    time: str
    url: str
    round_name: str
    model: str
    words: int
    bytes: int
    outcome: str


class Membership:
    """The file. For one thread; each change is one transaction; whatever SQLite refuses is a DataError."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, profile: Path) -> Self:
        """Opens a profile's file, or makes it.

        Raises:
          DataError: it is damaged.
        """
        path = profile / FILE
        try:
            path.touch(mode=0o600)
        except OSError as error:
            raise DataError(f"cannot write {path}: {error.strerror}") from error
        connection = sqlite3.connect(path)
        try:
            with _told():
                if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                    connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = 1; COMMIT;")
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def joined(self) -> Joined | None:
        """The federation that this keyboard belongs to, if any."""
        with _told():
            row = self._connection.execute("SELECT url, certificate, key, joined FROM membership").fetchone()
        return None if row is None else Joined(row[0], row[1], Ed25519PrivateKey.from_private_bytes(row[2]), row[3])

    def join(self, url: str, certificate: str, key: Ed25519PrivateKey) -> None:
        """Keeps what the keyboard needs to take part.

        Raises:
          DataError: it belongs to a federation already.
        """
        try:
            with self._connection as db:
                db.execute(
                    "INSERT INTO membership VALUES (1, ?, ?, ?, ?)", (url, certificate, key.private_bytes_raw(), _now())
                )
        except sqlite3.IntegrityError as error:
            raise DataError("this keyboard belongs to a federation already: leave that one first") from error
        except sqlite3.Error as error:
            raise DataError(f"the membership cannot be written: {error}") from error

    def leave(self) -> None:
        """Forgets the federation and the key; what was shared stays on record."""
        with _told(), self._connection as db:
            db.execute("PRAGMA secure_delete = ON")
            db.execute("DELETE FROM membership")

    def sent(self, url: str, round_name: str, model: str, words: int, size: int) -> None:
        """A masked update is about to leave the device."""
        with _told(), self._connection as db:
            db.execute(
                "INSERT OR REPLACE INTO shared (time, url, round, model, words, bytes, outcome) "
                "VALUES (?, ?, ?, ?, ?, ?, 'sent')",
                (_now(), url, round_name, model, words, size),
            )

    def came_of(self, round_name: str, outcome: str) -> None:
        """What became of an update that was sent: `counted` or `not counted`."""
        with _told(), self._connection as db:
            db.execute("UPDATE shared SET outcome = ? WHERE round = ?", (outcome, round_name))

    def shared(self) -> list[Shared]:
        """Every update that left the device, oldest first."""
        query = "SELECT time, url, round, model, words, bytes, outcome FROM shared ORDER BY id"
        with _told():
            return [Shared(*row) for row in self._connection.execute(query).fetchall()]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DataError(f"the file of this keyboard's federation cannot be read or written: {error}") from error
