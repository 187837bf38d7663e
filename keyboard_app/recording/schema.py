"""The tables of the store, the upgrade of older files, and the ways to open a file.

Messages are encrypted (`keyboard_app.recording.vault`), and so are the ranks of their words, which together with the model would
reveal them. Times, word counts and the results of learning are not encrypted.
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
_PATIENCE = 0.5  # seconds to wait for another process, which can only be a reader
_JUDGEMENTS = """CREATE TABLE judgements (
    learning INTEGER PRIMARY KEY REFERENCES learnings (id),
    global_model TEXT NOT NULL,  -- digest of the global weights that learning started from
    kept TEXT NOT NULL,          -- new, or old: the network in use before
    personal INTEGER NOT NULL,   -- 1 if a personal network was in use afterwards, 0 for the global one
    words INTEGER NOT NULL,      -- number of held-out vocabulary words that both were compared on
    old_perplexity REAL NOT NULL,
    new_perplexity REAL NOT NULL,
    old_recall_at_3 REAL NOT NULL,
    new_recall_at_3 REAL NOT NULL,
    ngram_trust REAL NOT NULL    -- weight of the person's n-grams relative to the network in use afterwards
)"""
_LEARNINGS = """CREATE TABLE learnings (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,          -- UTC, ISO 8601
    words INTEGER NOT NULL,      -- targets learned from, ends of messages included, each counted once
    loss_before REAL NOT NULL,   -- mean loss of the global model on the newest of them, in nats
    loss_after REAL NOT NULL     -- mean loss of the personal model on the same targets
)"""
_SEALED = (
    """CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused
    time TEXT NOT NULL,
    record BLOB NOT NULL,        -- 16 random bytes: part of the identity, with the time, of the encrypted columns
    text BLOB NOT NULL,          -- encrypted, UTF-8
    ranks BLOB NOT NULL,         -- encrypted, packed by pack_ranks
    imported INTEGER NOT NULL,   -- 1 if it was not typed here
    learning INTEGER REFERENCES learnings (id)  -- the first that trained on it or held it out
)""",
    """CREATE TABLE deletions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message INTEGER NOT NULL     -- id of the deleted message
)""",
    """CREATE TABLE words (
    kind TEXT NOT NULL,          -- the reason for the mark: forgotten, insisted, emoji
    tag BLOB NOT NULL,           -- of kind and word (Vault.tag)
    sealed BLOB NOT NULL,        -- encrypted: the word, a tab, and its count
    PRIMARY KEY (kind, tag)
) WITHOUT ROWID""",
    """CREATE TABLE days (
    day TEXT PRIMARY KEY,        -- local date, ISO 8601
    keystrokes INTEGER NOT NULL,
    characters INTEGER NOT NULL  -- in messages sent
) WITHOUT ROWID""",
    """CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    what TEXT NOT NULL,          -- rolled back, reset
    personal INTEGER NOT NULL,   -- 1 if a personal network was in use afterwards
    learning INTEGER NOT NULL,   -- the last learning before it; 0 if there was none
    message INTEGER NOT NULL     -- the newest message before it; 0 if there was none
)""",
    """CREATE TABLE marks (
    name TEXT PRIMARY KEY,       -- key: encrypted, to check a key with; untidy: deleted content may be left
    value BLOB NOT NULL
) WITHOUT ROWID""",
)
_LACKING = {  # by version, the statements that bring an older file to version 3
    1: (_JUDGEMENTS,),
    2: (f"ALTER TABLE judgements ADD COLUMN ngram_trust REAL NOT NULL DEFAULT {USUAL_TRUST}",),
}
_KEY_CHECK = "the key of a keyboard's store"


def connect(path: Path, vault: Vault) -> sqlite3.Connection:
    """Opens the file for reading and writing, or creates it; upgrades and encrypts an older one.

    Raises:
      DataError: a newer version of the keyboard wrote it.
      UnsealError: it was encrypted with another key.
      sqlite3.Error: it is damaged, or cannot be written.
    """
    connection = sqlite3.connect(path, timeout=_PATIENCE)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # Killing the process loses nothing; a power cut may lose the last messages: no key press waits for the disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # overwrites deleted content instead of only freeing its pages
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
    """Checks that the vault has the key that the file was encrypted with.

    Raises:
      UnsealError: the file was encrypted with another key.
    """
    row = connection.execute("SELECT value FROM marks WHERE name = 'key'").fetchone()
    if row is None:
        raise UnsealError("the file has no record to check its key with")
    vault.open(row[0], _KEY_CHECK)


def check_whole(path: Path) -> None:
    """Checks the file for damage as a reader: a writer would merge the log into the damaged file and delete the log.

    Raises:
      sqlite3.DatabaseError: the file is damaged.
    """
    if not path.exists():
        return
    with closing(connect_to_read(path)) as connection:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("quick_check found damage")


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Opens the file read-only."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def may_be_plain(path: Path) -> bool:
    """Returns whether a file that was set aside may hold unencrypted messages: it is of an older keyboard, or is not SQLite."""
    with path.open("rb") as file:
        # https://www.sqlite.org/fileformat.html, Section 1.3: the bytes from 60 on are `user_version`
        header = file.read(64)
    return not header.startswith(b"SQLite format 3\0") or int.from_bytes(header[60:64], "big") < VERSION


def pack_ranks(ranks: Sequence[tuple[int | None, int | None]]) -> bytes:
    """Packs the ranks of a message's words by the model in use and the global one: pairs of little-endian int32, -1 for None."""
    return np.array([[-1 if r is None else r for r in pair] for pair in ranks], "<i4").tobytes()


def unpack_ranks(packed: bytes) -> list[tuple[int | None, int | None]]:
    """Reverses `pack_ranks`."""
    pairs = np.frombuffer(packed, "<i4").reshape(-1, 2).tolist()
    return [(None if a < 0 else a, None if b < 0 else b) for a, b in pairs]


class SealedMessage(NamedTuple):
    """The columns of a message, by their names in the table."""

    time: str
    record: bytes
    text: bytes
    ranks: bytes


def seal_message(vault: Vault, text: str, ranks: Sequence[tuple[int | None, int | None]], time: str) -> SealedMessage:
    """Encrypts a message."""
    record = os.urandom(16)
    return SealedMessage(
        time,
        record,
        vault.seal(text.encode("utf-8", "replace"), identity("text", time, record)),
        vault.seal(pack_ranks(ranks), identity("ranks", time, record)),
    )


def identity(column: str, time: str, record: bytes) -> str:
    """Returns the identity that a message's column is encrypted with."""
    return f"messages {column} {time} {record.hex()}"


def tidy(connection: sqlite3.Connection) -> bool:
    """Rewrites the file without deleted content and empties the log; returns whether both are free of it.

    Another process that reads the file prevents that. The mark `untidy` then stays, and the next call tries again.

    Raises:
      sqlite3.Error: there is no room on the disk.
    """
    connection.execute("VACUUM")
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if not busy:
        with connection:
            connection.execute("DELETE FROM marks WHERE name = 'untidy'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return not busy


def mark_untidy(connection: sqlite3.Connection) -> None:
    """Marks the file as untidy. Call it in the transaction that deletes."""
    connection.execute("INSERT OR REPLACE INTO marks VALUES ('untidy', x'')")


def untidy(connection: sqlite3.Connection) -> bool:
    """Returns whether the file or its log may still contain deleted content."""
    return connection.execute("SELECT name FROM marks WHERE name = 'untidy'").fetchone() is not None


def _upgrade(connection: sqlite3.Connection, version: int, vault: Vault) -> None:
    """Upgrades a file in one transaction: killing the process leaves it as it was."""
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
    """Moves the messages of an older file into the encrypted table; until `tidy`, pages and log hold plain text."""
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
