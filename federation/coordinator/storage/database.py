"""One connection to the coordinator's database, SQLite's file or a PostgreSQL server, and its transactions.

Statements are SQLAlchemy's, the same for both. Reads stand alone; changes are in explicit transactions. A statement that fails for
good raises a StoreError; a server that was away is connected to again by the next statement.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Executable, Insert, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from data.errors import DataError, UserFacingError

WHAT_TO_DO = (
    "stop here, and restore the folder from a copy; without one, begin a new federation in another --folder, which every device "
    "has to join again"
)
_Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class StoreError(UserFacingError):
    """A failure of the disk or of the database's server, or a damaged file. No other request would succeed."""


class Database:
    """A connection for use by one thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._depth = 0  # of `transaction` contexts
        self.changes = 0  # number of transactions so far: what was read is still true while it stays the same
        self.guard: Callable[[Connection], None] | None = None  # called in each transaction; may raise a StoreError

    @classmethod
    def file(cls, path: Path) -> Self:
        """Opens a SQLite file, or creates it; what it holds is not looked at. Raises a StoreError if that fails."""

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(path, isolation_level=None)  # transactions are begun by hand

        with store_errors(path):
            engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, isolation_level="AUTOCOMMIT")
            connection = engine.connect()
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.exec_driver_sql("PRAGMA synchronous = FULL")  # a commit that was reported is on the disk
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
            return cls(connection)

    @classmethod
    def server(cls, url: str) -> Self:
        """Connects to a PostgreSQL database.

        Raises:
          DataError: the address is not one of PostgreSQL.
          StoreError: the server does not answer, or refuses.
        """
        try:
            address = make_url(url)
        except ArgumentError as error:
            raise _no_address(url) from error
        if address.drivername not in ("postgresql", "postgresql+psycopg"):
            raise _no_address(url)
        address = address.set(drivername="postgresql+psycopg")
        with store_errors():
            engine = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
            event.listen(engine, "connect", _bound_transactions)
            return cls(engine.connect())

    @property
    def is_file(self) -> bool:
        """Whether it is SQLite's."""
        return self._connection.dialect.name == "sqlite"

    @property
    def connection(self) -> Connection:
        """The connection itself, for statements that only one of the two databases knows."""
        return self._connection

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def rows(self, statement: Executable, parameters: _Parameters | None = None) -> Sequence[Any]:
        """Returns the rows of a query: tuples, of which the columns have names too."""
        with self._errors():
            return self._connection.execute(statement, parameters).fetchall()

    def number(self, query: Executable, parameters: _Parameters | None = None) -> int:
        """Returns the number in the first row of a query."""
        return int(self.rows(query, parameters)[0][0])

    def change(self, statement: Executable, parameters: _Parameters | None = None) -> int:
        """Changes rows in a transaction of its own, or in the one that is open; returns their number."""
        with self.transaction() as db:
            return db.execute(statement, parameters).rowcount

    def add(self, statement: Insert) -> int:
        """Inserts a row, likewise; returns its new number."""
        with self.transaction() as db:
            key = db.execute(statement).inserted_primary_key
            return int(key[0]) if key else 0

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Makes the changes within the context one transaction; one within another belongs to the outer one."""
        with self._errors():
            if self._depth == 0:
                self._connection.exec_driver_sql("BEGIN IMMEDIATE" if self.is_file else "BEGIN")
            self._depth += 1
            self.changes += 1
            try:
                if self._depth == 1 and self.guard is not None:
                    self.guard(self._connection)
                yield self._connection
                if self._depth == 1:
                    self._connection.exec_driver_sql("COMMIT")
            except BaseException:
                if self._depth == 1:
                    with suppress(SQLAlchemyError):  # the connection may be lost, and the transaction with it
                        self._connection.exec_driver_sql("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with store_errors():
            try:
                yield
            except SQLAlchemyError:
                if self._connection.invalidated:
                    self._connection.rollback()  # of SQLAlchemy's own books: the next statement connects again
                raise


@contextmanager
def store_errors(path: Path | None = None) -> Iterator[None]:
    """Raises errors of the database as a StoreError."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        # SQLite quotes damaged definitions of tables, which have several lines; so do messages of PostgreSQL.
        told = (
            "it holds text that is not UTF-8"
            if isinstance(cause, UnicodeDecodeError)
            else " ".join(str(cause).split())[:200]
        )
        passing = isinstance(error, OperationalError | sqlite3.OperationalError)
        what = f": {WHAT_TO_DO}" if path and not passing else ""
        raise StoreError(
            f"the coordinator's store{f' {path}' if path else ''} cannot be read or written: {told}{what}"
        ) from error


def _bound_transactions(connection: Any, _record: object) -> None:
    """Lets the server end a transaction of which the process sleeps: others may wait for its locks."""
    connection.execute("SET idle_in_transaction_session_timeout = '10s'")
    connection.commit()


def _no_address(url: str) -> DataError:
    shown = url.rpartition("@")[2] if url.isprintable() else ascii(url)  # without a password
    return DataError(f"--database {shown}: give the address of a PostgreSQL database, as postgresql://user@host/name")
