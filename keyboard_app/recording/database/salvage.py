"""Rescues what can still be read of a damaged store.

SQLite stops at a damaged page. Each table is therefore read from its first row forward, from its last row backward, and, between
the two, row by row. A message counts as read if it can be decrypted: its encryption also shows every change of it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from data.errors import UserFacingError
from keyboard_app.recording.database import schema
from keyboard_app.recording.vault import Vault

_MOST_SINGLE = 100_000  # rows asked for one by one
_NOT_COPIED = "name NOT IN ('key', 'version')"  # the new file has its own


def salvage(damaged: Path, fresh: sqlite3.Connection, vault: Vault) -> int:
    """Copies what can be read of a damaged file into a new and empty store; returns the number of messages."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    with closing(_open(damaged)) as connection:
        newest = 0
        for row in _until_damage(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'messages'"):
            newest = row[0] if isinstance(row[0], int) and 0 < row[0] < schema.LARGEST else 0
        for table in schema.TABLES:
            rows[table] = list(_rows(connection, table, fresh, newest))
    fresh.execute("PRAGMA foreign_keys = OFF")
    try:
        with fresh:
            for table, found in rows.items():
                if found:
                    places = ", ".join("?" * len(found[0]))
                    where = f" WHERE {_NOT_COPIED}" if table == "marks" else ""
                    fresh.execute(f"CREATE TEMP TABLE found AS SELECT * FROM main.{table} LIMIT 0")  # noqa: S608
                    fresh.executemany(f"INSERT INTO temp.found VALUES ({places})", found)  # noqa: S608
                    fresh.execute(f"INSERT OR IGNORE INTO main.{table} SELECT * FROM temp.found{where}")  # noqa: S608
                    fresh.execute("DROP TABLE temp.found")
                fresh.execute(f"DELETE FROM {table} WHERE ({schema.sound(table)}) IS NOT TRUE")  # noqa: S608
            for row in fresh.execute("SELECT id, time, record, text, ranks FROM messages").fetchall():
                if not _opens(vault, *row[1:]):
                    fresh.execute("DELETE FROM messages WHERE id = ?", row[:1])
            fresh.execute("UPDATE messages SET learning = NULL WHERE learning NOT IN (SELECT id FROM learnings)")
            fresh.execute("DELETE FROM judgements WHERE learning NOT IN (SELECT id FROM learnings)")
            # No id is ever used again.
            fresh.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'messages'", (newest,))
            return int(fresh.execute("SELECT count(*) FROM messages").fetchone()[0])
    finally:
        fresh.execute("PRAGMA foreign_keys = ON")


def has_messages_of(vault: Vault, path: Path) -> bool:
    """Returns whether the vault opens a message of a file, damaged or not, whose record of its key does not fit the vault."""
    with closing(_open(path)) as connection:
        query = "SELECT time, record, text, ranks FROM messages ORDER BY rowid"
        return any(_opens(vault, *row) for row in _until_damage(connection, query))


def _open(path: Path) -> sqlite3.Connection:
    connection = schema.connect_to_read(path)
    connection.text_factory = schema.readable
    # The first makes SQLite ignore damaged definitions.
    for statement in ("PRAGMA writable_schema = ON", "PRAGMA cell_size_check = ON"):
        list(_until_damage(connection, statement))
    return connection


def _opens(vault: Vault, time: object, record: object, text: object, ranks: object) -> bool:
    if not isinstance(time, str) or not all(isinstance(value, bytes) for value in (record, text, ranks)):
        return False
    try:
        vault.open(bytes(text), schema.identity("text", time, bytes(record)))  # type: ignore[call-overload]
        vault.open(bytes(ranks), schema.identity("ranks", time, bytes(record)))  # type: ignore[call-overload]
    except UserFacingError:
        return False
    return True


def _rows(
    connection: sqlite3.Connection, table: str, fresh: sqlite3.Connection, newest: int
) -> Iterator[tuple[Any, ...]]:
    """Yields the readable rows of a table, with the columns of the new file's table, in no particular order."""
    columns = fresh.execute(f"PRAGMA table_info({table})").fetchall()
    by_id = columns[0][2] == "INTEGER"
    key = "rowid" if by_id else columns[0][1]
    seen = set[Any]()
    for order in ("ASC", "DESC"):
        for row in _until_damage(connection, f"SELECT * FROM {table} ORDER BY {key} {order}"):  # noqa: S608
            identity = row[0] if by_id else row[:2]
            if identity in seen:
                break
            seen.add(identity)
            if len(row) == len(columns):
                yield row
    if not by_id:
        return
    known = {number for number in seen if isinstance(number, int)}
    ids = sorted({0, *known, max(newest, *known, 0) + 1})
    for low, high in pairwise(ids):
        for number in range(low + 1, min(high, low + _MOST_SINGLE)):
            for row in _until_damage(connection, f"SELECT * FROM {table} WHERE rowid = {number}"):  # noqa: S608
                if len(row) == len(columns):
                    yield row


def _until_damage(connection: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from connection.execute(query)
    except (*schema.DAMAGE, OverflowError):
        return
