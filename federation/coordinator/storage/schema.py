"""Makes and checks the tables of a coordinator's database: in a new or older SQLite file, or on a PostgreSQL server."""

import secrets
import sqlite3
from pathlib import Path

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, func, insert, select, text

from data.errors import DataError
from federation.coordinator.storage.database import WHAT_TO_DO, Database, StoreError, store_errors
from federation.coordinator.storage.sqlite_check import damage_in
from federation.coordinator.storage.tables import (
    FIRST,
    cluster,
    cluster_metadata,
    code_details,
    codes,
    device_details,
    devices,
    lease,
    metadata,
    rounds_of_a_device,
    wishes,
)

_VERSION = 2
_LOCK = 0x6B6579626F617264  # of PostgreSQL, while the tables are made
_server_version = Table(
    "coordinator_version",
    MetaData(),
    Column("version", BigInteger, nullable=False),
    Column("federation", Text, nullable=False),  # a name drawn when the tables were made
)


def prepare_file(database: Database, path: Path) -> None:
    """Makes the tables that a SQLite file lacks.

    Raises:
      DataError: a newer version of the coordinator wrote it.
      StoreError: it is damaged.
    """
    connection = database.connection
    with store_errors(path):
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version > _VERSION:
            raise _newer(str(path))
        if version < _VERSION:
            with database.transaction() as db:
                if version == 0:
                    metadata.create_all(db, tables=FIRST)
                    db.execute(insert(wishes).values(only=1, rounds=0, paused=0))
                rounds_of_a_device.create(db, checkfirst=True)
                db.exec_driver_sql(f"PRAGMA user_version = {_VERSION}")
        opened = connection.connection.driver_connection
        if not isinstance(opened, sqlite3.Connection):
            raise TypeError(f"{type(opened).__name__} is no connection to SQLite")
        columns = {name: table.columns.keys() for name, table in metadata.tables.items()}
        if (damage := damage_in(opened, [table.name for table in FIRST], columns)) is not None:
            raise StoreError(f"{path} is damaged: {damage}: {WHAT_TO_DO}")
        with database.transaction() as db:
            metadata.create_all(db)
            without = devices.c.id.not_in(select(device_details.c.device))
            db.execute(insert(device_details).from_select(["device"], select(devices.c.id).where(without)))
            week = select(codes.c.sha256, text("''"), codes.c.made + 7 * 86_400.0)
            unknown = codes.c.sha256.not_in(select(code_details.c.sha256))
            db.execute(insert(code_details).from_select(["sha256", "name", "expires"], week.where(unknown)))


def prepare_server(database: Database) -> None:
    """Makes the tables on a PostgreSQL server unless they are there.

    Raises:
      DataError: a newer version of the coordinator wrote them.
      StoreError: the server refuses.
    """
    with database.transaction() as db:
        db.execute(select(func.pg_advisory_xact_lock(_LOCK)))  # several coordinators may start at the same time
        _server_version.create(db, checkfirst=True)
        version = db.execute(select(func.max(_server_version.c.version))).scalar_one()
        if version is None:
            metadata.create_all(db)
            cluster_metadata.create_all(db)
            db.execute(insert(wishes).values(only=1, rounds=0, paused=0))
            db.execute(insert(cluster).values(only=1, version=0))
            db.execute(insert(lease).values(token=0, holder="", until=0.0))
            # Sums of encrypted numbers cannot be compressed.
            db.exec_driver_sql("ALTER TABLE partial_sums ALTER COLUMN sum SET STORAGE EXTERNAL")
            db.execute(insert(_server_version).values(version=_VERSION, federation=secrets.token_hex(8)))
        elif version > _VERSION:
            raise _newer("the database")


def federation_in(database: Database) -> str:
    """Returns the name that a federation was given when its tables were made on a PostgreSQL server."""
    return str(database.rows(select(_server_version.c.federation))[0][0])


def _newer(what: str) -> DataError:
    return DataError(f"{what} was written by a newer version: update this coordinator")
