"""The tables of `federation.sqlite`, the identities that its rows are encrypted with, and the upgrade of older files."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import UnionType
from typing import Any

from data.errors import DataError
from keyboard_app.recording.vault import UnsealError, Vault

VERSION = 2
_SCHEMA = (
    """CREATE TABLE membership (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    sealed BLOB NOT NULL,        -- JSON: url of the coordinator's API, certificate (PEM), key (Ed25519, hex)
    joined TEXT NOT NULL,        -- UTC, ISO 8601
    leaving INTEGER NOT NULL     -- 1 once the person has asked to leave
)""",
    """CREATE TABLE joining (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    sealed BLOB NOT NULL         -- JSON: the join link, and the key to enrol with
)""",
    """CREATE TABLE shared (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    tag BLOB NOT NULL UNIQUE,    -- of url and round (Vault.tag)
    sealed BLOB NOT NULL,        -- JSON: url, round, and digest of the global weights that the update starts from
    words INTEGER NOT NULL,      -- targets trained on
    bytes INTEGER NOT NULL,      -- of the masked update
    clipped INTEGER,             -- 1 if the update was clipped to the round's norm; NULL if not recorded
    outcome TEXT NOT NULL        -- sent; counted: part of a sum that was unmasked; not counted
)""",
    """CREATE TABLE marks (
    name TEXT PRIMARY KEY,       -- `key`: an encrypted value, to check a key with; `version`: VERSION once more, in digits
    value BLOB NOT NULL
) WITHOUT ROWID""",
)
MEMBERSHIP, JOINING = "membership", "joining"  # the identities of these tables' rows
_KEY_CHECK = "the key of a keyboard's federation"


def connect(path: Path, vault: Vault) -> sqlite3.Connection:
    """Opens the file and upgrades it in one transaction, so that a kill during the upgrade leaves it unchanged.

    Raises:
      DataError: a newer version of the keyboard wrote the file.
      UnsealError: it was encrypted with another key.
      sqlite3.Error, UnicodeDecodeError: it is damaged, or cannot be written.
    """
    connection = sqlite3.connect(path, isolation_level=None)  # transactions begin explicitly
    try:
        connection.execute("PRAGMA secure_delete = ON")  # deleted content is overwritten
        connection.execute("PRAGMA temp_store = MEMORY")
        version = _version(connection)
        if version != VERSION and _noted_version(connection) == VERSION:
            raise sqlite3.DatabaseError("the version of the file is damaged")
        if version > VERSION:
            raise DataError(f"{path} was written by a newer keyboard: update this one")
        if version < VERSION:
            _upgrade(connection, vault)
        row = connection.execute("SELECT value FROM marks WHERE name = 'key'").fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise UnsealError("the file has no value to check its key with")
        vault.open(row[0], _KEY_CHECK)
        _check(connection, vault)
        if _noted_version(connection) is None:  # written by a keyboard before versions were noted twice
            with suppress(sqlite3.OperationalError):  # a full disk, or a reader: a later opening tries again
                connection.execute("INSERT INTO marks VALUES ('version', ?)", (b"%d" % VERSION,))
    except BaseException:
        connection.close()
        raise
    return connection


def salvage(damaged: Path, fresh: sqlite3.Connection, vault: Vault) -> tuple[bool, int]:
    """Copies every row that can be read and decrypted into a new and empty file.

    Returns:
      Whether the membership or the link to join with is among them, and the number of shared updates.
    """
    found: dict[str, list[tuple[Any, ...]]] = {}
    with closing(sqlite3.connect(f"{damaged.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        for table, identify in _IDENTITIES.items():
            found[table] = []
            with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
                for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608
                    if _is_sound(table, row) and _opens(vault, row, identify):
                        found[table].append(row)
    fresh.execute("BEGIN IMMEDIATE")
    with fresh:
        for table, rows in found.items():
            for row in rows:
                fresh.execute(f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
    return bool(found["membership"] or found["joining"]), len(found["shared"])


_KINDS: dict[str, tuple[type | UnionType, ...]] = {  # of the columns of each table
    "membership": (int, bytes, str, int),
    "joining": (int, bytes),
    "shared": (int, str, bytes, bytes, int, int, int | None, str),
}
_IDENTITIES: dict[str, Callable[[tuple[Any, ...]], tuple[bytes, str]]] = {  # a row's encrypted column, and its identity
    "membership": lambda row: (row[1], MEMBERSHIP),
    "joining": lambda row: (row[1], JOINING),
    "shared": lambda row: (row[3], round_identity(row[2])),
}


def _is_sound(table: str, row: tuple[Any, ...]) -> bool:
    kinds = _KINDS[table]
    return len(row) == len(kinds) and all(isinstance(v, kind) for v, kind in zip(row, kinds, strict=True))


def _opens(vault: Vault, row: tuple[Any, ...], identify: Callable[[tuple[Any, ...]], tuple[bytes, str]]) -> bool:
    try:
        vault.open(*identify(row))
    except UnsealError:
        return False
    return True


def _check(connection: sqlite3.Connection, vault: Vault) -> None:
    """Checks the file and every row of it: it is small.

    Raises:
      sqlite3.DatabaseError, UnicodeDecodeError: something is damaged.
    """
    connection.text_factory = bytes  # the description of damage may quote bytes that are not UTF-8
    whole = connection.execute("PRAGMA quick_check(1)").fetchone() == (b"ok",)
    connection.text_factory = str
    for table, identify in _IDENTITIES.items():
        for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608
            whole = whole and _is_sound(table, row) and _opens(vault, row, identify)
    if not whole:
        raise sqlite3.DatabaseError("the file is damaged")


def seal(vault: Vault, identity: str, **content: str) -> bytes:
    """Encrypts the content of a row under its identity."""
    return vault.seal(json.dumps(content).encode(), identity)


def unseal(vault: Vault, identity: str, sealed: bytes) -> dict[str, str]:
    """Decrypts the content of a row.

    Raises:
      UnsealError: the content was altered, or belongs to another row.
    """
    content: dict[str, str] = json.loads(vault.open(sealed, identity))
    return content


def round_tag(vault: Vault, url: str, round_name: str) -> bytes:
    """Returns the tag by which the row of a round is found."""
    return vault.tag(f"round\n{url}\n{round_name}")


def round_identity(tag: bytes) -> str:
    """Returns the identity that the row of a round is encrypted with."""
    return f"shared {tag.hex()}"


def _noted_version(connection: sqlite3.Connection) -> int | None:
    """Returns the version in the table `marks`: with the one in the header of the file, damage to either of them shows."""
    try:
        row = connection.execute("SELECT value FROM marks WHERE name = 'version'").fetchone()
        return None if row is None else int(row[0])
    except (sqlite3.DatabaseError, ValueError, TypeError):
        return None


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _upgrade(connection: sqlite3.Connection, vault: Vault) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version == VERSION:  # another thread has upgraded it
            connection.execute("ROLLBACK")
            return
        if version == 1:  # without encryption
            connection.execute("ALTER TABLE membership RENAME TO plain_membership")
            connection.execute("ALTER TABLE shared RENAME TO plain_shared")
        for statement in _SCHEMA:
            connection.execute(statement)
        if version == 1:
            _seal_all(connection, vault)
        connection.execute("INSERT INTO marks VALUES ('key', ?)", (vault.seal(b"", _KEY_CHECK),))
        connection.execute("INSERT INTO marks VALUES ('version', ?)", (b"%d" % VERSION,))
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _seal_all(connection: sqlite3.Connection, vault: Vault) -> None:
    rows = connection.execute("SELECT url, certificate, key, joined FROM plain_membership").fetchall()
    for url, certificate, key, joined in rows:
        sealed = seal(vault, MEMBERSHIP, url=url, certificate=certificate, key=key.hex())
        connection.execute("INSERT INTO membership VALUES (1, ?, ?, 0)", (sealed, joined))
    query = "SELECT time, url, round, model, words, bytes, outcome FROM plain_shared ORDER BY id"
    for time, url, name, model, *figures in connection.execute(query).fetchall():
        tag = round_tag(vault, url, name)
        sealed = seal(vault, round_identity(tag), url=url, round=name, model=model)
        connection.execute(
            "INSERT INTO shared (time, tag, sealed, words, bytes, outcome) VALUES (?, ?, ?, ?, ?, ?)",
            (time, tag, sealed, *figures),
        )
    connection.execute("DROP TABLE plain_membership")
    connection.execute("DROP TABLE plain_shared")
