"""The tables of `federation.sqlite`, the identities that its rows are encrypted with, and the upgrade of older files."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import UnionType
from typing import Any

from data.errors import DataError
from federation.protocol import api_messages
from keyboard_app.recording.database.schema import DAMAGE, told
from keyboard_app.recording.vault import UnsealError, Vault

VERSION = 3
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
    sealed BLOB NOT NULL,        -- JSON: url, round, and digest of the global weights that the update starts from;
                                 -- of a word discovery, the words too (`word_record.OfferedWords`)
    words INTEGER NOT NULL,      -- targets trained on, or words offered
    bytes INTEGER NOT NULL,      -- of the masked update
    clipped INTEGER,             -- 1 if the update was clipped to the round's norm; NULL if not recorded
    outcome TEXT NOT NULL        -- sent; counted: it is in the model that the round made; not counted; unknown
)""",
    """CREATE TABLE marks (
    name TEXT PRIMARY KEY,       -- `key`: an encrypted value, to check a key with; `version`: VERSION once more, in digits
    value BLOB NOT NULL
) WITHOUT ROWID""",
)
_FROM_2 = (
    """CREATE TABLE met (            -- the global models that this keyboard has accepted, in this order
    id INTEGER PRIMARY KEY,
    tag BLOB NOT NULL UNIQUE,    -- of federation and model (Vault.tag)
    sealed BLOB NOT NULL         -- JSON: federation, digest of the weights, and number of the round that made them
)""",
    """CREATE TABLE questions (      -- to the person, about models that this keyboard does not accept by itself
    id INTEGER PRIMARY KEY,
    tag BLOB NOT NULL UNIQUE,    -- of federation, model and kind (Vault.tag)
    sealed BLOB NOT NULL,        -- JSON: federation, kind, digest of the weights, and two round numbers
    answer TEXT NOT NULL         -- yes, no, or empty
)""",
)
MEMBERSHIP, JOINING = "membership", "joining"  # the identities of these tables' rows
SENT, UNKNOWN = "sent", api_messages.UNKNOWN  # outcomes: not known yet, and never to be known
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
    except BaseException:
        connection.close()
        raise
    return connection


def salvage(damaged: Path, fresh: sqlite3.Connection, vault: Vault) -> tuple[bool, int]:
    """Copies every row that can be read and decrypted into a new and empty file.

    If the membership cannot be read, the outcomes that are not known yet become `unknown`, as after leaving.

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
        if not found["membership"]:
            fresh.execute("UPDATE shared SET outcome = ? WHERE outcome = ?", (UNKNOWN, SENT))
    return bool(found["membership"] or found["joining"]), len(found["shared"])


_KINDS: dict[str, tuple[type | UnionType, ...]] = {  # of the columns of each table
    "membership": (int, bytes, str, int),
    "joining": (int, bytes),
    "shared": (int, str, bytes, bytes, int, int, int | None, str),
    "met": (int, bytes, bytes),
    "questions": (int, bytes, bytes, str),
}
_IDENTITIES: dict[str, Callable[[tuple[Any, ...]], tuple[bytes, str]]] = {  # a row's encrypted column, and its identity
    "membership": lambda row: (row[1], MEMBERSHIP),
    "joining": lambda row: (row[1], JOINING),
    "shared": lambda row: (row[3], round_identity(row[2])),
    "met": lambda row: (row[2], met_identity(row[1])),
    "questions": lambda row: (row[2], question_identity(row[1])),
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


def federation_of(certificate: str) -> str:
    """Returns the name by which a federation is recognized, whatever its address: a digest of its coordinator's certificate."""
    return hashlib.sha256(certificate.strip().encode()).hexdigest()


def round_tag(vault: Vault, url: str, round_name: str) -> bytes:
    """Returns the tag by which the row of a round is found."""
    return vault.tag(f"round\n{url}\n{round_name}")


def round_identity(tag: bytes) -> str:
    """Returns the identity that the row of a round is encrypted with."""
    return f"shared {tag.hex()}"


def met_tag(vault: Vault, federation: str, model: str) -> bytes:
    """Returns the tag by which the row of an accepted model is found."""
    return vault.tag(f"model\n{federation}\n{model}")


def met_identity(tag: bytes) -> str:
    """Returns the identity that the row of an accepted model is encrypted with."""
    return f"met {tag.hex()}"


def question_tag(vault: Vault, federation: str, model: str, kind: str) -> bytes:
    """Returns the tag by which the row of a question is found."""
    return vault.tag(f"question\n{federation}\n{model}\n{kind}")


def question_identity(tag: bytes) -> str:
    """Returns the identity that the row of a question is encrypted with."""
    return f"question {tag.hex()}"


def _noted_version(connection: sqlite3.Connection) -> int | None:
    """Returns the version in the table `marks`: with the one in the header of the file, damage to either of them shows."""
    try:
        row = connection.execute("SELECT value FROM marks WHERE name = 'version'").fetchone()
        return None if row is None else int(row[0])
    except (sqlite3.DatabaseError, ValueError, TypeError):
        return None


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def sqlite_errors_as_data_errors() -> Iterator[None]:
    """Raises an error of SQLite within the context as a DataError."""
    try:
        yield
    except DAMAGE as error:
        raise DataError(f"the file of this keyboard's federation cannot be read or written: {told(error)}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Makes one transaction of the changes within the context; an error undoes them."""
    with sqlite_errors_as_data_errors():
        connection.execute("BEGIN IMMEDIATE")
        with connection as db:
            yield db


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
        for statement in (*(_SCHEMA if version < 2 else ()), *_FROM_2):
            connection.execute(statement)
        if version == 1:
            _seal_all(connection, vault)
        if version < 2:
            connection.execute("INSERT INTO marks VALUES ('key', ?)", (vault.seal(b"", _KEY_CHECK),))
        connection.execute("INSERT OR REPLACE INTO marks VALUES ('version', ?)", (b"%d" % VERSION,))
        _meet_models_of_shared_updates(connection, vault)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _meet_models_of_shared_updates(connection: sqlite3.Connection, vault: Vault) -> None:
    """Adds the models of earlier updates as accepted; the numbers of their rounds were not recorded.

    An update without an outcome belongs to an earlier membership if the keyboard has left since: no coordinator can be asked.
    """
    row = connection.execute("SELECT sealed, joined FROM membership").fetchone()
    joined = None if row is None else unseal(vault, MEMBERSHIP, row[0])
    for time, tag, sealed in connection.execute("SELECT time, tag, sealed FROM shared ORDER BY id").fetchall():
        origin = unseal(vault, round_identity(tag), sealed)
        if joined is None or origin["url"] != joined["url"] or time < row[1]:
            connection.execute("UPDATE shared SET outcome = ? WHERE tag = ? AND outcome = ?", (UNKNOWN, tag, SENT))
            continue
        federation, model = federation_of(joined["certificate"]), origin["model"]
        met = met_tag(vault, federation, model)
        content = seal(vault, met_identity(met), federation=federation, model=model, round="-1")
        connection.execute("INSERT OR REPLACE INTO met (tag, sealed) VALUES (?, ?)", (met, content))


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
