"""The open round of a cluster in the database: its plan, and everything that changed its state since, in one order for all.

A process that changes the round locks one row first, reads the events of the others, and adds its own; its transaction ends with
the lock. A process that is killed therefore leaves whole events only, and its lock is free at once.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update

from data.errors import DataError
from federation.coordinator.round_machine import MessageRefusedError, RefusalKind, Rules
from federation.coordinator.storage.database import Database
from federation.coordinator.storage.tables import cluster, open_rounds, partial_sums, round_events, rounds
from federation.protocol.discovery.round_plans import RoundPlan, read_plan

_LOCK = select(cluster.c.version).with_for_update()
_NEWEST = select(rounds.c.number).order_by(rounds.c.number.desc()).limit(1).scalar_subquery()
_NUMBER = select(rounds.c.number).where(rounds.c.number == _NEWEST, rounds.c.state == "open").scalar_subquery()
_LAST = select(func.max(round_events.c.place)).where(round_events.c.round == _NEWEST).scalar_subquery()
_POSITION = select(cluster.c.version, _NUMBER, func.coalesce(_LAST, 0))
_STILL_OPEN = select(rounds.c.number).where(rounds.c.number == bindparam("number"), rounds.c.state == "open")
_AFTER = (
    select(round_events)
    .where(round_events.c.round == bindparam("number"), round_events.c.place > bindparam("place"))
    .order_by(round_events.c.place)
)
_ADD = insert(round_events)


class Position(NamedTuple):
    """How far a cluster is: a process that is at another position has to read."""

    version: int  # of the model, the settings, and the devices that are left out
    number: int | None  # of the open round
    place: int  # of its newest event


@dataclass(frozen=True)
class Event:
    """A change of the state of a round, as in `round_events`."""

    place: int
    time: float
    kind: str
    device: str
    stage: str
    message: bytes
    seed: int | None


@dataclass(frozen=True)
class Opening:
    """How a round began."""

    number: int
    opened: float
    plan: RoundPlan
    rules: Rules
    devices: frozenset[str] | None  # the only ones that may be selected


class Journal:
    """The open round and its events. The store's errors pass through."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self) -> Position:
        """Returns how far the cluster is."""
        return Position(*self._database.rows(_POSITION)[0])

    def open(self, opening: Opening) -> None:
        """Tells the other processes of a round; its row is in the store already."""
        devices = None if opening.devices is None else json.dumps(sorted(opening.devices))
        row = {"round": opening.number, "opened": opening.opened, "plan": opening.plan.to_json(), "devices": devices}
        with self._database.transaction() as db:
            db.execute(insert(open_rounds).values(**row, rules=json.dumps(asdict(opening.rules))))

    def opening(self, number: int) -> Opening | None:
        """Returns how a round began; None if the process that opened it was killed before it could say so.

        Raises:
          DataError: another version of the coordinator opened it.
        """
        for row in self._database.rows(select(open_rounds).where(open_rounds.c.round == number)):
            devices = None if row.devices is None else frozenset[str](json.loads(row.devices))
            try:
                rules = Rules(**json.loads(row.rules))
                return Opening(number, row.opened, read_plan(row.plan), rules, devices)
            except (DataError, TypeError) as error:
                raise DataError(f"another version of the coordinator opened it ({error})") from error
        return None

    def after(self, number: int, place: int) -> Sequence[Event]:
        """Returns the events of a round after a place."""
        found = self._database.rows(_AFTER, {"number": number, "place": place})
        return [
            Event(row.place, row.time, row.kind, row.device, row.stage, row.message or b"", row.seed) for row in found
        ]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes the changes within the context one transaction."""
        with self._database.transaction():
            yield

    @contextmanager
    def locked(self, number: int) -> Iterator[None]:
        """Keeps all other processes from changing a round.

        Raises:
          MessageRefusedError: it is not open any more.
        """
        with self._database.transaction() as db:
            db.execute(_LOCK)
            if not db.execute(_STILL_OPEN, {"number": number}).fetchall():
                raise MessageRefusedError("the round is no longer under way", RefusalKind.LATE)
            yield

    def add(self, number: int, event: Event) -> None:
        """Adds an event; call it while the round is locked."""
        row: dict[str, Any] = {"round": number, **vars(event)}
        with self._database.transaction() as db:
            db.execute(_ADD, row)

    def tell(self) -> None:
        """Lets all processes look at the model, the settings, and the devices that are left out again."""
        with self._database.transaction() as db:
            db.execute(update(cluster).values(version=cluster.c.version + 1))

    def drop_closed(self) -> None:
        """Removes messages and partial sums of rounds that are not open any more."""
        still = select(rounds.c.number).where(rounds.c.state == "open")
        for table in (round_events, open_rounds, partial_sums):
            # One by one, and without the lock: a process that is about to find its upload late holds its own row.
            with self._database.transaction() as db:
                db.execute(delete(table).where(table.c.round.not_in(still)))
