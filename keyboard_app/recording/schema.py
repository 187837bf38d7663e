"""The tables of the store, how older files become such, and how a file is opened.

What was typed, and the ranks of its words, from which it could be told with the model at hand, stand here sealed
(`keyboard_app.recording.vault`); times, numbers of words and what learning came to do not.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.errors import DataError
from keyboard_app.recording.vault import UnsealError, Vault
from model.device.suggesting.personal import USUAL_TRUST

VERSION = 4
_PATIENCE = 0.5  # seconds to wait for another process, which can only be reading
_JUDGEMENTS = """CREATE TABLE judgements (
    learning INTEGER PRIMARY KEY REFERENCES learnings (id),
    global_model TEXT NOT NULL,  -- digest of the global weights that learning started from
    kept TEXT NOT NULL,          -- new, or old: the network in use before
    personal INTEGER NOT NULL,   -- 1 if a personal network was in use afterwards, 0 for the global one
    words INTEGER NOT NULL,      -- in the vocabulary, in the messages held back, that both were compared on
    old_perplexity REAL NOT NULL,
    new_perplexity REAL NOT NULL,
    old_recall_at_3 REAL NOT NULL,
    new_recall_at_3 REAL NOT NULL,
    ngram_trust REAL NOT NULL    -- how far the person's n-grams are trusted over the network then in use
)"""
_LEARNINGS = """CREATE TABLE learnings (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,          -- UTC, ISO 8601
    words INTEGER NOT NULL,      -- targets learned from, ends of messages included, each counted once
    loss_before REAL NOT NULL,   -- of the global model on the newest of them, mean in nats
    loss_after REAL NOT NULL     -- of the personal model on the same
)"""
_SEALED = (
    """CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given again
    time TEXT NOT NULL,
    record BLOB NOT NULL,        -- 16 random bytes: with the time, the identity that what follows is sealed with
    text BLOB NOT NULL,          -- sealed, UTF-8
    ranks BLOB NOT NULL,         -- sealed, as pack_ranks gives them
    imported INTEGER NOT NULL,   -- 1 if it was not typed here
    learning INTEGER REFERENCES learnings (id)  -- the first that trained on it or held it back
)""",
    """CREATE TABLE deletions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message INTEGER NOT NULL     -- the id of a message that is no more
)""",
    """CREATE TABLE words (
    kind TEXT NOT NULL,          -- what the person has said or done about it
    tag BLOB NOT NULL,           -- of kind and word (Vault.tag)
    sealed BLOB NOT NULL,        -- the word, a tab, and how many times
    PRIMARY KEY (kind, tag)
) WITHOUT ROWID""",
    """CREATE TABLE days (
    day TEXT PRIMARY KEY,        -- local date, ISO 8601
    keystrokes INTEGER NOT NULL,
    characters INTEGER NOT NULL  -- of what was sent
) WITHOUT ROWID""",
    """CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    what TEXT NOT NULL,          -- rolled back, reset
    personal INTEGER NOT NULL,   -- 1 if a personal network was in use afterwards
    learning INTEGER NOT NULL,   -- the last one before; 0 for none
    message INTEGER NOT NULL     -- the newest one before; 0 for none
)""",
    """CREATE TABLE marks (
    name TEXT PRIMARY KEY,       -- key: something sealed, to try a key on; untidy: deleted content may still be in the file
    value BLOB NOT NULL
) WITHOUT ROWID""",
)
_LACKING = {  # of what version 3 had, by the version that a file has
    1: (_JUDGEMENTS,),
    2: (f"ALTER TABLE judgements ADD COLUMN ngram_trust REAL NOT NULL DEFAULT {USUAL_TRUST}",),
}
_KEY_CHECK = "the key of a keyboard's store"


def connect(path: Path, vault: Vault) -> sqlite3.Connection:
    """Opens the file for reading and writing, or makes it; an older one is brought up to date and sealed.

    Raises:
      DataError: a newer version of the keyboard wrote it.
      UnsealError: it was sealed with another key.
      sqlite3.Error: it is damaged, or cannot be written.
    """
    connection = sqlite3.connect(path, timeout=_PATIENCE)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # A kill loses nothing; a power cut may lose the last messages, for which no key press waits for the disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not only given free
        connection.execute("PRAGMA temp_store = MEMORY")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise DataError(f"{path} was written by a newer keyboard: update this one")
        if version < VERSION:
            _upgrade(connection, version, vault)
        check_key(connection, vault)
    except BaseException:
        connection.close()
        raise
    return connection


def check_key(connection: sqlite3.Connection, vault: Vault) -> None:
    """Lets a vault pass that the file was sealed with.

    Raises:
      UnsealError: it was sealed with another key.
    """
    row = connection.execute("SELECT value FROM marks WHERE name = 'key'").fetchone()
    if row is None:
        raise UnsealError("the file does not say which key it was sealed with")
    vault.open(row[0], _KEY_CHECK)


def check_whole(path: Path) -> None:
    """Looks for damage as a reader: one that may write would merge the log into the damaged file and delete it.

    Raises:
      sqlite3.DatabaseError: the file is damaged.
    """
    if not path.exists():
        return
    with closing(connect_to_read(path)) as connection:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("quick_check found damage")


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Opens the file to look at it only."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def may_be_plain(path: Path) -> bool:
    """Whether a file that was set aside may hold messages that are not sealed: an older keyboard's, or who knows whose."""
    with path.open("rb") as file:
        header = file.read(
            64
        )  # https://www.sqlite.org/fileformat.html, Section 1.3: the version at 60 is `user_version`
    return not header.startswith(b"SQLite format 3\0") or int.from_bytes(header[60:64], "big") < VERSION


def pack_ranks(ranks: Sequence[tuple[int | None, int | None]]) -> bytes:
    """The ranks of a message's words, by the model in use and the global one: pairs of little-endian int32, -1 for None."""
    return np.array([[-1 if r is None else r for r in pair] for pair in ranks], "<i4").tobytes()


def unpack_ranks(packed: bytes) -> list[tuple[int | None, int | None]]:
    """What `pack_ranks` was given."""
    pairs = np.frombuffer(packed, "<i4").reshape(-1, 2).tolist()
    return [(None if a < 0 else a, None if b < 0 else b) for a, b in pairs]


class SealedMessage(NamedTuple):
    """The columns of a message by these names."""

    time: str
    record: bytes
    text: bytes
    ranks: bytes


def seal_message(vault: Vault, text: str, ranks: Sequence[tuple[int | None, int | None]], time: str) -> SealedMessage:
    """Seals a message."""
    record = os.urandom(16)
    return SealedMessage(
        time,
        record,
        vault.seal(text.encode("utf-8", "replace"), identity("text", time, record)),
        vault.seal(pack_ranks(ranks), identity("ranks", time, record)),
    )


def identity(column: str, time: str, record: bytes) -> str:
    """What a message's column is sealed with."""
    return f"messages {column} {time} {record.hex()}"


def tidy(connection: sqlite3.Connection) -> bool:
    """Rewrites the file without what was deleted, and empties the log; whether nothing of it is left in either.

    Another process that reads the file may stand in the way; then the mark `untidy` stays, and it is done the next time.

    Raises:
      sqlite3.Error: there is no room for it.
    """
    connection.execute("VACUUM")
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if not busy:
        with connection:
            connection.execute("DELETE FROM marks WHERE name = 'untidy'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return not busy


def mark_untidy(connection: sqlite3.Connection) -> None:
    """To be called in the transaction that deletes."""
    connection.execute("INSERT OR REPLACE INTO marks VALUES ('untidy', x'')")


def untidy(connection: sqlite3.Connection) -> bool:
    """Whether deleted content may still be in the file or its log."""
    return connection.execute("SELECT count(*) FROM marks WHERE name = 'untidy'").fetchone()[0] > 0


def _upgrade(connection: sqlite3.Connection, version: int, vault: Vault) -> None:
    """Brings a file up to date in one transaction: a kill in the middle leaves it as it was."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _LACKING.get(version, ()):
            connection.execute(statement)
        if version == 0:
            connection.execute(_LEARNINGS)
            connection.execute(_JUDGEMENTS)
        else:
            connection.execute("ALTER TABLE messages RENAME TO plain_messages")
        for statement in _SEALED:
            connection.execute(statement)
        if version > 0:
            _seal_all(connection, vault)
        connection.execute("INSERT INTO marks VALUES ('key', ?)", (vault.seal(b"", _KEY_CHECK),))
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _seal_all(connection: sqlite3.Connection, vault: Vault) -> None:
    """Moves the plain messages of an older file over; pages and log have them until `tidy` has been there, kill or no kill."""
    ranks: dict[int, list[tuple[int | None, int | None]]] = {}
    for message, *pair in connection.execute(
        "SELECT message, rank, global_rank FROM predictions ORDER BY message, position"
    ):
        ranks.setdefault(message, []).append((pair[0], pair[1]))
    rows = connection.execute("SELECT id, time, text, learning FROM plain_messages ORDER BY id").fetchall()
    connection.executemany(
        "INSERT INTO messages VALUES (?, ?, ?, ?, ?, 0, ?)",
        [(id_, *seal_message(vault, text, ranks.get(id_, []), time), learning) for id_, time, text, learning in rows],
    )
    connection.execute("DROP TABLE predictions")
    connection.execute("DROP TABLE plain_messages")
    mark_untidy(connection)
