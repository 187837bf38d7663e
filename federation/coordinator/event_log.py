"""The event log of a federation: what happened and when, in the coordinator's store, bounded.

A line that cannot be written, for example because the disk is full, is still told to `listener`: the log never stops a round.
"""

import logging
import sqlite3
from collections.abc import Callable

_KEPT = 2_000  # newest events
_SCHEMA = "CREATE TABLE IF NOT EXISTS event_log (id INTEGER PRIMARY KEY, time REAL NOT NULL, text TEXT NOT NULL)"

_log = logging.getLogger("federation")


def _tell_nobody(text: str, now: float) -> None:
    del text, now


class EventLog:
    """The events; `listener` hears each one, and each error that the store records, as it happens."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Continues the log in a database, or begins one. Raises `sqlite3.Error` if that fails."""
        self._connection = connection
        self.listener: Callable[[str, float], None] = _tell_nobody
        with connection as db:
            db.execute(_SCHEMA)

    def add(self, text: str, now: float) -> None:
        """Adds an event, and drops the oldest beyond two thousand."""
        self.listener(text, now)
        try:
            with self._connection as db:
                newest = db.execute("INSERT INTO event_log (time, text) VALUES (?, ?)", (now, text)).lastrowid or 0
                db.execute("DELETE FROM event_log WHERE id <= ?", (newest - _KEPT,))
        except sqlite3.Error as error:
            _log.error("the event log could not be written: %s", error)

    def newest(self, count: int) -> list[tuple[float, str]]:
        """Returns the times and texts of the newest events and errors, newest first. Raises `sqlite3.Error` if that fails."""
        query = """
            SELECT time, text FROM (
                SELECT time, text, id, 0 AS failed FROM event_log UNION ALL SELECT time, text, id, 1 FROM errors
            ) ORDER BY time DESC, failed DESC, id DESC LIMIT ?
        """
        return self._connection.execute(query, (count,)).fetchall()
