"""The tables of the store, the upgrade of older files, and the ways to open a file.

Messages are encrypted (`keyboard_app.recording.vault`), and so are the ranks of their words, which together with the model would
reveal them. Times, word counts and the results of learning are not encrypted.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
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
    name TEXT PRIMARY KEY,       -- key: encrypted, to check a key with; untidy: deleted content may be left;
                                 -- version: VERSION once more, in digits; clock: JSON of a TrustedClock
    value BLOB NOT NULL
) WITHOUT ROWID""",
)
_LACKING = {  # by version, the statements that bring an older file to version 3
    1: (_JUDGEMENTS,),
    2: (f"ALTER TABLE judgements ADD COLUMN ngram_trust REAL NOT NULL DEFAULT {USUAL_TRUST}",),
}
_KEY_CHECK = "the key of a keyboard's store"

# ASCII without control characters, which Python can decode whatever happened to the file; `length` stops at a NUL.
_TEXT = "(typeof({0}) = 'text' AND {0} NOT GLOB '*[^ -~]*' AND length({0}) = length(CAST({0} AS BLOB)))"
LARGEST = 2**53  # of any number in the file
_COUNT = f"(typeof({{0}}) = 'integer' AND {{0}} BETWEEN 0 AND {LARGEST})"
_REAL = "(typeof({0}) = 'real')"
_BLOB = "(typeof({0}) = 'blob')"
_FLAG = "(typeof({0}) = 'integer' AND {0} IN (0, 1))"
_OPTIONAL = f"({{0}} IS NULL OR {_COUNT})"
_KINDS = {  # by table, the condition that each column of an undamaged row meets
    "learnings": {"id": _COUNT, "time": _TEXT, "words": _COUNT, "loss_before": _REAL, "loss_after": _REAL},
    "judgements": {
        **dict.fromkeys(("learning", "words"), _COUNT),
        **dict.fromkeys(("global_model", "kept"), _TEXT),
        "personal": _FLAG,
        **dict.fromkeys(("old_perplexity", "new_perplexity", "old_recall_at_3", "new_recall_at_3"), _REAL),
        "ngram_trust": "(typeof({0}) = 'real' AND {0} BETWEEN 0 AND 1e6)",
    },
    "messages": {
        "id": _COUNT,
        "time": _TEXT,
        **dict.fromkeys(("record", "text", "ranks"), _BLOB),
        "imported": _FLAG,
        "learning": _OPTIONAL,
    },
    "deletions": {"id": _COUNT, "message": _COUNT},
    "words": {"kind": _TEXT, "tag": _BLOB, "sealed": _BLOB},
    "days": {"day": _TEXT, "keystrokes": _COUNT, "characters": _COUNT},
    "changes": {
        **dict.fromkeys(("time", "what"), _TEXT),
        "personal": _FLAG,
        **dict.fromkeys(("id", "learning", "message"), _COUNT),
    },
    "marks": {"name": _TEXT, "value": _BLOB},
}
TABLES = tuple(_KINDS)
# The primary result codes of SQLite that do not mean damage: permissions, other processes, memory, and the disk.
_OUTSIDE = frozenset((3, 5, 6, 7, 8, 10, 13, 14))
_SHORT_READ = 522  # the file ends within a page
_FULL = frozenset((10, 13))  # a failed write, or a full disk
DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)  # SQLite's own message may quote bytes that are not UTF-8


def sound(table: str) -> str:
    """Returns the SQL condition that every undamaged row of a table meets."""
    return " AND ".join(kind.format(column) for column, kind in _KINDS[table].items())


def is_damage(error: Exception) -> bool:
    """Returns whether an error of `DAMAGE` means that the file is damaged; else the disk or another process is the reason."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code == _SHORT_READ or code & 0xFF not in _OUTSIDE


def told(error: Exception) -> str:
    """Returns an error of `DAMAGE` in one line: SQLite quotes damaged definitions of tables, which have several."""
    return " ".join(str(error).split())[:200] if isinstance(error, sqlite3.Error) else "text that is not UTF-8"


def is_full(error: Exception) -> bool:
    """Returns whether an error may mean that the disk is full: a full disk also shows as a failed write."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _FULL and not is_damage(error)


def connect(path: Path, vault: Vault, alone: bool = False) -> sqlite3.Connection:
    """Opens the file for reading and writing, or creates it; upgrades and encrypts an older one.

    Args:
      path: the file.
      vault: encrypts and decrypts its content.
      alone: whether to keep all other connections out. SQLite then needs no file of shared memory, for which a full disk has no
        room.

    Raises:
      DataError: a newer version of the keyboard wrote it.
      UnsealError: it was encrypted with another key.
      sqlite3.Error: it is damaged, or cannot be written.
      UnicodeDecodeError: it is damaged.
    """
    connection = sqlite3.connect(path, timeout=_PATIENCE)
    try:
        if alone:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        # Killing the process loses nothing; a power cut may lose the last messages: no key press waits for the disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # overwrites deleted content instead of only freeing its pages
        connection.execute("PRAGMA temp_store = MEMORY")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            noted = _noted_version(connection)
            if noted == VERSION:
                raise sqlite3.DatabaseError("the version of the file is damaged")
            if version > VERSION:
                raise DataError(f"{path} was written by a newer keyboard: update this one")
            _upgrade(connection, version, vault)
        check_key(connection, vault)
        check_rows(connection)
        if _noted_version(connection) != VERSION:  # written by a keyboard before versions were noted twice
            _note_version(connection)
    except BaseException:
        connection.close()
        raise
    connection.text_factory = readable
    return connection


def readable(text: bytes) -> str:
    """Decodes text of the file; damage during the session must not make other rows unreadable."""
    return text.decode("utf-8", "replace")


def _noted_version(connection: sqlite3.Connection) -> int | None:
    """Returns the version in the table `marks`: with the one in the header of the file, damage to either of them shows."""
    try:
        row = connection.execute("SELECT value FROM marks WHERE name = 'version'").fetchone()
        return None if row is None else int(row[0])
    except (*DAMAGE, ValueError, TypeError):
        return None


def _note_version(connection: sqlite3.Connection) -> None:
    try:
        with connection:
            connection.execute("INSERT OR REPLACE INTO marks VALUES ('version', ?)", (b"%d" % VERSION,))
    except sqlite3.OperationalError as error:
        if not is_full(error):  # a later opening tries again
            raise


def check_rows(connection: sqlite3.Connection) -> None:
    """Checks that every value has the type of its column, which SQLite itself does not demand.

    Raises:
      sqlite3.DatabaseError: a value has another type.
    """
    for table in TABLES:
        query = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE ({sound(table)}) IS NOT TRUE)"  # noqa: S608
        if connection.execute(query).fetchone() != (0,):
            raise sqlite3.DatabaseError(f"the table {table} holds a value of the wrong type")
    newest = "SELECT coalesce(max(id), 0) FROM messages"
    query = f"SELECT 1 FROM sqlite_sequence WHERE name = 'messages' AND ({_COUNT.format('seq')} AND seq >= ({newest})) IS NOT TRUE"  # noqa: S608
    if connection.execute(query).fetchone() is not None:
        raise sqlite3.DatabaseError("the newest number of a message is damaged")


def check_key(connection: sqlite3.Connection, vault: Vault) -> None:
    """Checks that the vault has the key that the file was encrypted with.

    Raises:
      UnsealError: the file was encrypted with another key.
    """
    row = connection.execute("SELECT value FROM marks WHERE name = 'key'").fetchone()
    if row is None or not isinstance(row[0], bytes):
        raise UnsealError("the file has no record to check its key with")
    vault.open(row[0], _KEY_CHECK)


def check_whole(path: Path) -> None:
    """Checks the file for damage as a reader: a writer would merge the log into the damaged file and delete the log.

    Raises:
      sqlite3.DatabaseError, UnicodeDecodeError: the file is damaged.
    """
    if not path.exists():
        return
    if not path.stat().st_size:
        raise sqlite3.DatabaseError("the file is empty")
    with closing(connect_to_read(path)) as connection:
        connection.text_factory = bytes  # the description of damage may quote bytes that are not UTF-8
        if connection.execute("PRAGMA quick_check(1)").fetchone() != (b"ok",):
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

    Another process that reads the file prevents that, and so may a full disk: deleted messages are then overwritten where they
    were, but copies that SQLite made while moving rows may be left. The mark `untidy` stays, and the next call tries again.

    Raises:
      sqlite3.Error: the file cannot be written.
    """
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError as error:
        if not is_full(error):
            raise
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return False
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
        connection.execute("INSERT INTO marks VALUES ('version', ?)", (b"%d" % VERSION,))
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
