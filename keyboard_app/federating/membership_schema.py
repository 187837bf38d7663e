"""The tables of `federation.sqlite`, the identities that its rows are encrypted with, and the upgrade of older files."""

import json
import sqlite3
from pathlib import Path

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
    name TEXT PRIMARY KEY,       -- `key`: an encrypted value, to check a key with
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
      sqlite3.Error: it is damaged, or cannot be written.
    """
    connection = sqlite3.connect(path, isolation_level=None)  # transactions begin explicitly
    try:
        connection.execute("PRAGMA secure_delete = ON")  # deleted content is overwritten
        connection.execute("PRAGMA temp_store = MEMORY")
        if _version(connection) > VERSION:
            raise DataError(f"{path} was written by a newer keyboard: update this one")
        if _version(connection) < VERSION:
            _upgrade(connection, vault)
        row = connection.execute("SELECT value FROM marks WHERE name = 'key'").fetchone()
        if row is None:
            raise UnsealError("the file has no value to check its key with")
        vault.open(row[0], _KEY_CHECK)
    except BaseException:
        connection.close()
        raise
    return connection


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
