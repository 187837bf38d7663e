"""The coordinator's store: its rounds, in a SQLite file or PostgreSQL. It survives SIGKILL at any moment.

The devices and the log have files of their own in `federation.coordinator.storage`: `members` and `event_log`.

A round is a row: `open` from its selection on, `summed` once the sum of its updates is stored, `committed` once the next model is.
Rounds that were open when the coordinator ended are aborted when it restarts; a summed one continues from its sum. No update is
therefore counted twice, and the newest committed round always has its model. A round with participations had enough shares to
unmask its sum, whatever happened next: its devices took part, and the privacy that this costs them is spent. No message of a
device is kept, masked or not, except by a cluster while the round is open (`federation.coordinator.cluster`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    Connection,
    Executable,
    Update,
    bindparam,
    case,
    exists,
    func,
    insert,
    select,
    update,
)

from data.errors import DataError
from federation.coordinator.storage.database import Database, StoreError
from federation.coordinator.storage.event_log import EventLog
from federation.coordinator.storage.members import Members
from federation.coordinator.storage.place import check_place, remember_place
from federation.coordinator.storage.schema import federation_in, prepare_file, prepare_server
from federation.coordinator.storage.tables import (
    WITH_A_MODEL,
    participations,
    rounds,
    takeovers,
    wishes,
    word_rounds,
)

__all__ = ["FILE", "CoordinatorStore", "RoundRow", "StoreError", "SummedRound"]

FILE = "coordinator.sqlite"  # in a coordinator's folder

# Queries of several methods, or of many requests: SQLAlchemy takes longer to build a statement than SQLite to answer it. Rounds of
# word discoveries make no models.
_OF_WORDS = select(word_rounds.c.round)
_MODEL_ROUNDS = select(rounds).where(rounds.c.number.not_in(_OF_WORDS)).subquery()
_SCHEDULE = select(wishes.c.rounds, wishes.c.paused)
_SUMMED = (
    select(rounds.c.number, rounds.c.sum, func.coalesce(word_rounds.c.kind, ""))
    .join_from(rounds, word_rounds, word_rounds.c.round == rounds.c.number, isouter=True)
    .where(rounds.c.state == "summed")
)
_NEXT_NUMBER = select(func.coalesce(func.max(rounds.c.number), 0) + 1)
_NEWEST_COMMITTED = select(func.coalesce(func.max(_MODEL_ROUNDS.c.number), 0)).where(
    _MODEL_ROUNDS.c.state == "committed"
)
_TAKEOVERS = select(takeovers.c.round, takeovers.c.before).order_by(takeovers.c.round.desc()).limit(1)
_EARLIER_TAKEOVERS = _TAKEOVERS.where(takeovers.c.round < bindparam("number"))
_MADE = (
    select(func.count())
    .select_from(_MODEL_ROUNDS)
    .where(_MODEL_ROUNDS.c.state.in_(WITH_A_MODEL), _MODEL_ROUNDS.c.number > bindparam("first"))
)
_MADE_BEFORE = _MADE.where(_MODEL_ROUNDS.c.number < bindparam("number"))
_NEWEST_PARTICIPATION = select(func.max(participations.c.round)).where(participations.c.round.not_in(_OF_WORDS))
_LAST_PARTICIPATION = _NEWEST_PARTICIPATION.where(participations.c.device == bindparam("device"))
_COUNTED = (
    select(participations.c.device)
    .where(participations.c.round == bindparam("round"))
    .order_by(participations.c.device)
)
_STATE_FOR = select(
    rounds.c.state,
    exists().where(participations.c.round == rounds.c.number, participations.c.device == bindparam("device")),
).where(rounds.c.name == bindparam("name"))


@dataclass(frozen=True)
class RoundRow:
    """A round as stored; `counted` is the number of devices in its sum, if that could be unmasked."""

    number: int
    name: str
    state: str
    started: float
    ended: float | None
    reason: str
    model: str
    cohort: int
    counted: int
    report: str


@dataclass(frozen=True)
class SummedRound:
    """A round that has its sum but not yet its model, or, in a word discovery, its buckets or words."""

    number: int
    total: bytes  # the summed vectors of the round's layout, packed
    kind: str = ""  # in a word discovery, COUNT or REVEAL of `federation.protocol.discovery.round_plans`


class CoordinatorStore:
    """The store, for use by one thread. Each change is one transaction, so an error changes nothing.

    Every method raises a StoreError if the database cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.events = EventLog(database)
        self.members = Members(database)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the file, or creates it.

        Raises:
          DataError: a newer version of the coordinator wrote it.
          StoreError: it is damaged.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        database = Database.file(path)
        try:
            prepare_file(database, path)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @classmethod
    def connect(cls, url: str) -> Self:
        """Opens the store in a PostgreSQL database, or creates it there.

        Raises:
          DataError: the address is not one of PostgreSQL, or a newer version of the coordinator wrote the store.
        """
        database = Database.server(url)
        try:
            prepare_server(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @classmethod
    def of(cls, folder: Path, url: str | None) -> Self:
        """Opens the store of the federation in a folder: the file there, or the database at an address.

        Raises:
          DataError: the federation in the folder keeps its store elsewhere (`federation.coordinator.storage.place`); otherwise as
            `open` and `connect`.
        """
        check_place(folder, folder / FILE, url)
        if url is None:
            return cls.open(folder / FILE)
        store = cls.connect(url)
        try:
            remember_place(folder, url, federation_in(store.database))
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Closes the connection."""
        self.database.close()

    def start_round(self, name: str, model: str, now: float) -> int:
        """Adds an open round; returns its number."""
        with self.transaction() as db:
            number = int(db.execute(_NEXT_NUMBER).scalar_one())
            db.execute(insert(rounds).values(number=number, name=name, state="open", started=now, model=model))
            return number

    def begin_unmasking(self, number: int, cohort: int, counted: Collection[str]) -> None:
        """Records that a round's sum is about to be unmasked, and that exactly these devices are in it.

        Raises:
          DataError: the round is not open.
          StoreError: this was recorded before.
        """
        with self.transaction() as db:
            if db.execute(_in_state(number, "open").values(cohort=cohort)).rowcount != 1:
                raise DataError(f"round {number} is not open: its sum cannot be unmasked")
            db.execute(insert(participations), [{"round": number, "device": device} for device in sorted(counted)])

    def keep_sum(self, number: int, total: bytes) -> None:
        """Stores the unmasked sum of a round.

        Raises:
          DataError: the round is not open.
        """
        if self.database.change(_in_state(number, "open").values(state="summed", sum=total)) != 1:
            raise DataError(f"round {number} is not open: its sum cannot be kept")

    def commit_round(self, number: int, report: str, now: float) -> None:
        """Makes the model of a round, already on the disk, the newest; drops the sum and one scheduled round.

        Raises:
          DataError: the round has no sum.
        """
        committed = _in_state(number, "summed").values(state="committed", sum=None, report=report, ended=now)
        with self.transaction() as db:
            if db.execute(committed).rowcount != 1:
                raise DataError(f"round {number} has no sum to commit")
            db.execute(update(wishes).values(rounds=case((wishes.c.rounds > 0, wishes.c.rounds - 1), else_=0)))

    def abort_round(self, number: int, reason: str, cohort: int, now: float) -> None:
        """Ends a round without a model; drops its sum if it has one."""
        aborted = {"state": "aborted", "sum": None, "reason": reason, "cohort": cohort, "ended": now}
        self.database.change(_in_state(number, "open", "summed").values(**aborted))

    def abort_open_rounds(self, reason: str, now: float, but: int | None = None) -> int:
        """Ends the rounds that an earlier process left open, except the one with this number; returns how many there were."""
        ended = update(rounds).where(rounds.c.state == "open").values(state="aborted", reason=reason, ended=now)
        return self.database.change(ended if but is None else ended.where(rounds.c.number != but))

    def summed(self) -> SummedRound | None:
        """Returns the round whose sum waits to become a model, or to be read in a word discovery."""
        found = self.rows(_SUMMED)
        return SummedRound(*found[0]) if found else None

    def rounds(self, newest: int | None = None) -> list[RoundRow]:
        """Returns the newest rounds that make models, or all, oldest first."""
        r = _MODEL_ROUNDS.c
        counted = select(func.count()).select_from(participations).where(participations.c.round == r.number)
        query = (
            select(
                *(r.number, r.name, r.state, r.started, r.ended, r.reason, r.model, r.cohort),
                *(counted.scalar_subquery(), r.report),
            )
            .where(r.number.not_in(select(takeovers.c.round)))
            .order_by(r.number.desc())
            .limit(newest)
        )
        return [RoundRow(*row) for row in reversed(self.rows(query))]

    def state_for(self, name: str, device: str) -> tuple[str, bool]:
        """Returns the state of the round with a name (empty if there is none), and whether this device is in its sum."""
        found = self.rows(_STATE_FOR, {"name": name, "device": device})
        return (found[0][0], bool(found[0][1])) if found else ("", False)

    def counted(self, number: int) -> list[str]:
        """Returns the devices whose updates are in a round's sum, whether or not a model was made from it."""
        return [row.device for row in self.rows(_COUNTED, {"round": number})]

    def next_number(self) -> int:
        """Returns the number that the next round, or the next model taken over, will have."""
        return self.database.number(_NEXT_NUMBER)

    def take_over(self, number: int, name: str, model: str, before: int, now: float) -> None:
        """Makes a model, already on the disk, the newest, as if a round of this number without devices had made it.

        Args:
          number: `next_number`.
          name: a new name, as a round has one.
          model: digest of the model whose place it takes.
          before: the number of rounds before it, as the privacy spent counts them.
          now: seconds since 1970.
        """
        row = {"number": number, "name": name, "state": "committed", "started": now, "ended": now, "model": model}
        with self.transaction() as db:
            db.execute(insert(rounds).values(**row))
            db.execute(insert(takeovers).values(round=number, before=before))

    def newest_takeover(self) -> tuple[int, int]:
        """Returns the number of the newest model taken over and the number of rounds before it; two zeros if there is none."""
        found = self.rows(_TAKEOVERS)
        return (int(found[0].round), int(found[0].before)) if found else (0, 0)

    def newest_committed(self) -> int:
        """Returns the number of the round that made the newest model; 0 before any."""
        return self.database.number(_NEWEST_COMMITTED)

    def last_participation(self, device: str) -> tuple[int | None, int]:
        """Returns the place of the newest round whose sum this device is in, or None, and the number of rounds with a model.

        Places count the rounds that made a model, from 1. A round whose sum was unmasked but made no model has the place of the
        next that does: both belong to the same period. After a model was taken over, they go on with a new period.
        """
        last = self.rows(_LAST_PARTICIPATION, {"device": device})[0][0]
        return (None if last is None else self._made_before(last) + 1), self.made()

    def made(self) -> int:
        """Returns the place of the newest round that made a model; 0 before any."""
        first, before = self.newest_takeover()
        return before + self.database.number(_MADE, {"first": first})

    def newest_unmasked(self) -> int:
        """Returns the place (see `last_participation`) of the newest round whose sum could be unmasked; 0 before any."""
        newest = self.rows(_NEWEST_PARTICIPATION)[0][0]
        return 0 if newest is None else self._made_before(newest) + 1

    def _made_before(self, number: int) -> int:
        earlier = self.rows(_EARLIER_TAKEOVERS, {"number": number})
        first, before = earlier[0] if earlier else (0, 0)
        return int(before) + self.database.number(_MADE_BEFORE, {"first": first, "number": number})

    def schedule(self) -> tuple[int, bool]:
        """Returns the number of rounds still to run, and whether they are paused."""
        scheduled, paused = self.rows(_SCHEDULE)[0]
        return scheduled, bool(paused)

    def set_schedule(self, rounds: int, paused: bool) -> None:
        """Stores the number of rounds still to run, and whether they are paused."""
        self.database.change(update(wishes).values(rounds=rounds, paused=int(paused)))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Makes the changes within the context one transaction."""
        with self.database.transaction() as db:
            yield db

    def rows(self, query: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Returns the rows of a query: tuples, of which the columns have names too."""
        return self.database.rows(query, parameters)


def _in_state(number: int, *states: str) -> Update:
    """Returns the beginning of a change of a round that is in one of these states."""
    return update(rounds).where(rounds.c.number == number, rounds.c.state.in_(states))
