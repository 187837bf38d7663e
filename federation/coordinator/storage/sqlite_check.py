"""The check of a coordinator's store at its start: damage is named at once, not in the middle of a round.

The file cannot be replaced as a keyboard's can: it says who belongs to the federation and how much privacy is spent. Its operator
has to decide.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping

_TYPES = {"TEXT": "text", "INTEGER": "integer", "REAL": "real", "BLOB": "blob"}


def damage_in(
    connection: sqlite3.Connection, expected: Collection[str], columns: Mapping[str, Collection[str]]
) -> str | None:
    """Returns what is damaged in a store with the `expected` tables, for people, or None if nothing is.

    `columns` has the columns of all tables, those that the store may lack among them.

    SQLite checks its structure, and here each value is compared with the type of its column, each text with UTF-8.
    """
    # A description of damage may quote bytes that are not UTF-8.
    factory, connection.text_factory = connection.text_factory, bytes
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != b"ok":
            return " ".join(found.decode("utf-8", "replace").split())
    finally:
        connection.text_factory = factory
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    tables = [name for (name,) in connection.execute(query).fetchall()]
    if missing := sorted(set(expected) - set(tables)):
        return f"the table {missing[0]} is missing"
    for table in tables:
        described = connection.execute(f"PRAGMA table_info({table})").fetchall()
        if lost := sorted(set(columns.get(table, ())) - {column for _, column, *_ in described}):
            return f"the column {lost[0]} of the table {table} is missing"
        for _, column, kind, required, _, key in described:
            if kind not in _TYPES:
                continue
            empty = "" if required or key else f" AND {column} IS NOT NULL"
            # An index holds a copy of its columns, which may be whole while the table's own are not: read the table.
            rows = f"{table} NOT INDEXED"
            query = f"SELECT EXISTS (SELECT 1 FROM {rows} WHERE typeof({column}) <> '{_TYPES[kind]}'{empty})"  # noqa: S608
            if connection.execute(query).fetchone() != (0,):
                return f"the column {column} of the table {table} holds a value of the wrong type"
            if kind == "TEXT":
                try:
                    for _ in connection.execute(f"SELECT DISTINCT {column} FROM {rows}"):  # noqa: S608
                        pass
                except (sqlite3.OperationalError, UnicodeDecodeError):
                    return f"the column {column} of the table {table} holds text that is not UTF-8"
    for (report,) in connection.execute("SELECT report FROM rounds"):
        try:
            json.loads(report)  # SQLite's own check refuses the infinite epsilon of rounds without differential privacy
        except ValueError:
            return "the report of a round is not JSON"
    if connection.execute("SELECT count(*) FROM wishes").fetchone() != (1,):
        return "the schedule of rounds is missing"
    return None
