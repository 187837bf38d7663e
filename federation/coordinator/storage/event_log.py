"""The event log of a federation: what happened and when, and which errors there were, in the coordinator's database, bounded.

An event that cannot be written, for example because the disk is full, is still told to `listener`: it never stops a round.
"""

import logging
from collections.abc import Callable

from sqlalchemy import delete, insert, literal, select

from federation.coordinator.storage.database import Database, StoreError
from federation.coordinator.storage.tables import errors, event_log

_KEPT = 2_000  # newest events
_ERRORS_KEPT = 1_000  # newest errors

_log = logging.getLogger("federation")


def _tell_nobody(text: str, now: float) -> None:
    del text, now


class EventLog:
    """The events and errors; `listener` hears each one as it happens."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.listener: Callable[[str, float], None] = _tell_nobody

    def add(self, text: str, now: float) -> None:
        """Adds an event, and drops the oldest beyond two thousand."""
        self.listener(text, now)
        try:
            with self._database.transaction() as db:
                newest = self._database.add(insert(event_log).values(time=now, text=text.replace("\0", " ")))
                db.execute(delete(event_log).where(event_log.c.id <= newest - _KEPT))
        except StoreError as error:
            _log.error("the event log could not be written: %s", error)

    def newest(self, count: int) -> list[tuple[float, str]]:
        """Returns the times and texts of the newest events and errors, newest first. Raises a StoreError if that fails."""
        of_events = select(event_log.c.time, event_log.c.text, event_log.c.id, literal(0).label("failed"))
        of_errors = select(errors.c.time, errors.c.text, errors.c.id, literal(1).label("failed"))
        both = of_events.union_all(of_errors).subquery()
        order = both.c.time.desc(), both.c.failed.desc(), both.c.id.desc()
        query = select(both.c.time, both.c.text).order_by(*order).limit(count)
        return [(row.time, row.text) for row in self._database.rows(query)]

    def add_error(self, text: str, now: float) -> None:
        """Adds an error for the operator; drops the oldest beyond a thousand. Raises a StoreError if that fails."""
        self.listener(text, now)
        with self._database.transaction() as db:
            newest = self._database.add(insert(errors).values(time=now, text=text.replace("\0", " ")))
            db.execute(delete(errors).where(errors.c.id <= newest - _ERRORS_KEPT))

    def errors(self, newest: int) -> list[tuple[float, str]]:
        """Returns the times and texts of the newest errors, newest first."""
        query = select(errors.c.time, errors.c.text).order_by(errors.c.id.desc()).limit(newest)
        return [(row.time, row.text) for row in self._database.rows(query)]
