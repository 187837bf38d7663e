"""Queries and transactions on the connection to the recording's database, with errors that are for people."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from data.errors import DataError
from keyboard_app.recording.database import schema


@contextmanager
def data_errors() -> Iterator[None]:
    """Turns errors of SQLite into DataErrors."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            raise DataError(
                "the disk is full: nothing was recorded or changed; free some space and try again"
            ) from error
        raise DataError(
            f"the recorded messages cannot be read or written ({schema.told(error)}): check that the disk is neither full nor "
            "write-protected"
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Makes the changes within the context one transaction, so that an error, raised as a DataError, changes nothing."""
    with data_errors(), connection:
        yield connection


def rows(connection: sqlite3.Connection, query: str, *parameters: int | str) -> list[tuple[Any, ...]]:
    """Returns the rows of a query. Raises a DataError if the file cannot be read."""
    with data_errors():
        return connection.execute(query, parameters).fetchall()


def number(connection: sqlite3.Connection, query: str, *parameters: int | str) -> int:
    """Returns the number that a query finds. Raises a DataError if the file cannot be read."""
    return int(rows(connection, query, *parameters)[0][0])


def newest_message(connection: sqlite3.Connection) -> int:
    """Returns the highest id of a message given so far; 0 before any message. Raises a DataError if the file cannot be read."""
    found = rows(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'messages'")
    return int(found[0][0]) if found else 0


def now() -> str:
    """Returns the time, in UTC, as records have it: ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
