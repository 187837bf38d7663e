"""The coordinator's store: devices, codes, rounds and errors, in a SQLite file or PostgreSQL. It survives SIGKILL at any moment.

A round is a row: `open` from its selection on, `summed` once the sum of its updates is stored, `committed` once the next model is.
Rounds that were open when the coordinator ended are aborted when it restarts; a summed one continues from its sum. No update is
therefore counted twice, and the newest committed round always has its model. A round with participations had enough shares to
unmask its sum, whatever happened next: its devices took part, and the privacy that this costs them is spent. No message of a
device is kept, masked or not, but by a cluster while the round is open (`federation.coordinator.cluster`).
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    Connection,
    Executable,
    Update,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from data.errors import DataError
from federation.coordinator.event_log import EventLog
from federation.coordinator.storage.database import Database, StoreError
from federation.coordinator.storage.place import check_place, remember_place
from federation.coordinator.storage.schema import federation_in, prepare_file, prepare_server
from federation.coordinator.storage.tables import (
    code_details,
    codes,
    device_details,
    devices,
    errors,
    participations,
    rounds,
    takeovers,
    wishes,
    word_rounds,
)

__all__ = ["FILE", "CoordinatorStore", "DeviceRow", "RoundRow", "StoreError", "SummedRound", "shown_name"]

FILE = "coordinator.sqlite"  # in a coordinator's folder
_ERRORS_KEPT = 1_000
_WITH_A_MODEL = ("summed", "committed")  # states of a round that has or gets a model

# Queries of several methods, or of many requests: SQLAlchemy takes longer to build a statement than SQLite to answer it. Rounds of
# word discoveries make no models.
_OF_WORDS = select(word_rounds.c.round)
_MODEL_ROUNDS = select(rounds).where(rounds.c.number.not_in(_OF_WORDS)).subquery()
_BELONGS = select(devices.c.id).where(devices.c.id == bindparam("device"), devices.c.gone.is_(None))
_WAS_REMOVED = select(device_details.c.device).where(
    device_details.c.device == bindparam("device"), device_details.c.removed != 0
)
_NUMBER_OF_MEMBERS = select(func.count()).select_from(devices).where(devices.c.gone.is_(None))
_NUMBER_SEEN = _NUMBER_OF_MEMBERS.where(devices.c.seen > bindparam("since"))
_SEEN = update(devices).where(devices.c.id == bindparam("device")).values(seen=bindparam("time"))
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
    .where(_MODEL_ROUNDS.c.state.in_(_WITH_A_MODEL), _MODEL_ROUNDS.c.number > bindparam("first"))
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
_NAME_OF = select(device_details.c.name).where(device_details.c.device == bindparam("device"))
_MEMBERS = select(devices.c.id).where(devices.c.gone.is_(None))
_OPEN_CODES = (
    select(func.count())
    .select_from(codes.join(code_details, codes.c.sha256 == code_details.c.sha256))
    .where(codes.c.device.is_(None), code_details.c.revoked == 0, code_details.c.expires > bindparam("now"))
)


@dataclass(frozen=True)
class DeviceRow:
    """A device that enrolled; `rounds` is the number of sums that its updates are in."""

    id: str
    enrolled: float
    seen: float
    gone: float | None
    rounds: int
    name: str
    removed: bool
    sent: int
    received: int
    error: str
    erred: float | None


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

    def add_code(self, code: str, now: float, expires: float, name: str = "") -> None:
        """Adds a code with which one device, of this name, may enrol until it expires."""
        with self.transaction() as db:
            db.execute(insert(codes).values(sha256=_sha256(code), made=now))
            db.execute(insert(code_details).values(sha256=_sha256(code), name=name, expires=expires))

    def enrol(self, code: str, device: str, now: float) -> None:
        """Enrols a device with a code, which is used up. The same device may repeat this, since the answer may have been lost.

        Raises:
          DataError: the code is unknown, used, revoked or expired, or the device enrolled with another code or has left.
        """
        with self.transaction() as db:
            chosen = codes.c.sha256 == _sha256(code)
            details = code_details.c
            # The row is locked, so that two devices cannot use it at the same time.
            query = (
                select(codes.c.device, details.name, details.expires, details.revoked)
                .join_from(codes, code_details, codes.c.sha256 == details.sha256)
                .where(chosen)
                .with_for_update()
            )
            found = db.execute(query).one_or_none()
            if found is None:
                raise DataError("this code is not one of the coordinator's: ask for a new join link")
            known = db.execute(select(devices.c.gone).where(devices.c.id == device)).one_or_none()
            used_by, name, expires, revoked = found
            if used_by is not None:
                if used_by == device and known is not None and known.gone is None:
                    return
                raise DataError("this code has been used: a join link is for one device, ask for a new one")
            if revoked:
                raise DataError("this join link was revoked by the federation's owner: ask for a new one")
            if now >= expires:
                raise DataError("this join link has expired: ask for a new one")
            if known is not None:
                raise DataError("this device has enrolled before: it needs a new key to join again")
            db.execute(insert(devices).values(id=device, enrolled=now, seen=now))
            db.execute(insert(device_details).values(device=device, name=name))
            db.execute(update(codes).where(chosen).values(device=device))

    def leave(self, device: str, now: float, removed: bool = False) -> None:
        """Ends a device's membership; its requests are refused from now on. `removed`: the owner has removed it."""
        member = (devices.c.id == device) & devices.c.gone.is_(None)
        with self.transaction() as db:
            left = db.execute(update(devices).where(member).values(gone=now)).rowcount
            if left and removed:
                db.execute(update(device_details).where(device_details.c.device == device).values(removed=1))

    def was_removed(self, device: str) -> bool:
        """Returns whether the owner has removed a device."""
        return bool(self.rows(_WAS_REMOVED, {"device": device}))

    def record_seen(self, times: Mapping[str, float]) -> None:
        """Stores when devices were last seen; many in one transaction, as each transaction waits for the disk."""
        if times:
            with self.transaction() as db:
                db.execute(_SEEN, [{"device": device, "time": time} for device, time in sorted(times.items())])

    def belongs(self, device: str) -> bool:
        """Returns whether a device has enrolled and not left."""
        return bool(self.rows(_BELONGS, {"device": device}))

    def devices(self, latest: int | None = None) -> list[DeviceRow]:
        """Returns all devices that ever enrolled, or the members that were seen latest, in the order of their enrolment."""
        d, details = devices.c, device_details.c
        taken = (
            select(func.count())
            .select_from(participations.join(rounds, rounds.c.number == participations.c.round))
            .where(rounds.c.state.in_(_WITH_A_MODEL), participations.c.device == d.id)
            .scalar_subquery()
        )
        query = (
            select(
                *(d.id, d.enrolled, d.seen, d.gone, taken, details.name, details.removed),
                *(details.sent, details.received, details.error, details.erred),
            )
            .join_from(devices, device_details, details.device == d.id)
            .order_by(d.enrolled, d.id)
        )
        if latest is not None:
            newest = select(devices.c.id).order_by(devices.c.gone.is_not(None), devices.c.seen.desc(), devices.c.id)
            query = query.where(d.id.in_(newest.limit(latest)))
        return [replace(row, removed=bool(row.removed)) for row in (DeviceRow(*found) for found in self.rows(query))]

    def name_of(self, device: str) -> str:
        """Returns how lines for people name a device (`shown_name`)."""
        found = self.rows(_NAME_OF, {"device": device})
        return shown_name(device, found[0].name if found else "")

    def members(self) -> list[str]:
        """Returns the devices that have enrolled and not left."""
        return [row.id for row in self.rows(_MEMBERS)]

    def number_of_members(self) -> int:
        """Returns the number of devices that have enrolled and not left."""
        return self.database.number(_NUMBER_OF_MEMBERS)

    def number_seen(self, since: float) -> int:
        """Returns the number of devices that belong to the federation and were seen since a time."""
        return self.database.number(_NUMBER_SEEN, {"since": since})

    def open_codes(self, now: float) -> int:
        """Returns the number of codes with which a device may still enrol."""
        return self.database.number(_OPEN_CODES, {"now": now})

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
        """Ends the rounds that an earlier process left open, but the one with this number; returns how many there were."""
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

    def add_error(self, text: str, now: float) -> None:
        """Adds an error for the operator; drops the oldest beyond a thousand."""
        self.events.listener(text, now)
        with self.transaction() as db:
            newest = self.database.add(insert(errors).values(time=now, text=text.replace("\0", " ")))
            db.execute(delete(errors).where(errors.c.id <= newest - _ERRORS_KEPT))

    def errors(self, newest: int) -> list[tuple[float, str]]:
        """Returns the times and texts of the newest errors, newest first."""
        query = select(errors.c.time, errors.c.text).order_by(errors.c.id.desc()).limit(newest)
        return [(row.time, row.text) for row in self.rows(query)]

    def newest_events(self, newest: int) -> list[tuple[float, str]]:
        """Returns the times and texts of the newest events and errors, newest first."""
        return self.events.newest(newest)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Makes the changes within the context one transaction."""
        with self.database.transaction() as db:
            yield db

    def rows(self, query: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Returns the rows of a query: tuples, of which the columns have names too."""
        return self.database.rows(query, parameters)


def shown_name(device: str, name: str) -> str:
    """Returns how lines for people name a device: by the name that its owner gave it, or by the first digits of its id."""
    return name or f"{device[:12]}…"


def _sha256(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _in_state(number: int, *states: str) -> Update:
    """Returns the beginning of a change of a round that is in one of these states."""
    return update(rounds).where(rounds.c.number == number, rounds.c.state.in_(states))
