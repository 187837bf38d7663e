"""The devices of a federation: the codes that they enrol with, and who belongs to it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, func, insert, select, update

from data.errors import DataError
from federation.coordinator.storage.database import Database
from federation.coordinator.storage.tables import (
    WITH_A_MODEL,
    code_details,
    codes,
    device_details,
    devices,
    participations,
    rounds,
)

# Queries of many requests: SQLAlchemy takes longer to build a statement than SQLite to answer it.
_BELONGS = select(devices.c.id).where(devices.c.id == bindparam("device"), devices.c.gone.is_(None))
_WAS_REMOVED = select(device_details.c.device).where(
    device_details.c.device == bindparam("device"), device_details.c.removed != 0
)
_NUMBER = select(func.count()).select_from(devices).where(devices.c.gone.is_(None))
_NUMBER_SEEN = _NUMBER.where(devices.c.seen > bindparam("since"))
_SEEN = update(devices).where(devices.c.id == bindparam("device")).values(seen=bindparam("time"))
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


class Members:
    """The devices that enrolled, in the coordinator's database. Each change is one transaction.

    Every method raises a StoreError if the database cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_code(self, code: str, now: float, expires: float, name: str = "") -> None:
        """Adds a code with which one device, of this name, may enrol until it expires."""
        with self._database.transaction() as db:
            db.execute(insert(codes).values(sha256=_sha256(code), made=now))
            db.execute(insert(code_details).values(sha256=_sha256(code), name=name, expires=expires))

    def enrol(self, code: str, device: str, now: float) -> None:
        """Enrols a device with a code, which is used up. The same device may repeat this, since the answer may have been lost.

        Raises:
          DataError: the code is unknown, used, revoked or expired, or the device enrolled with another code or has left.
        """
        with self._database.transaction() as db:
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
        with self._database.transaction() as db:
            left = db.execute(update(devices).where(member).values(gone=now)).rowcount
            if left and removed:
                db.execute(update(device_details).where(device_details.c.device == device).values(removed=1))

    def was_removed(self, device: str) -> bool:
        """Returns whether the owner has removed a device."""
        return bool(self._database.rows(_WAS_REMOVED, {"device": device}))

    def record_seen(self, times: Mapping[str, float]) -> None:
        """Stores when devices were last seen; many in one transaction, as each transaction waits for the disk."""
        if times:
            with self._database.transaction() as db:
                db.execute(_SEEN, [{"device": device, "time": time} for device, time in sorted(times.items())])

    def belongs(self, device: str) -> bool:
        """Returns whether a device has enrolled and not left."""
        return bool(self._database.rows(_BELONGS, {"device": device}))

    def devices(self, latest: int | None = None) -> list[DeviceRow]:
        """Returns all devices that ever enrolled, or the members that were seen latest, in the order of their enrolment."""
        d, details = devices.c, device_details.c
        taken = (
            select(func.count())
            .select_from(participations.join(rounds, rounds.c.number == participations.c.round))
            .where(rounds.c.state.in_(WITH_A_MODEL), participations.c.device == d.id)
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
        return [
            replace(row, removed=bool(row.removed))
            for row in (DeviceRow(*found) for found in self._database.rows(query))
        ]

    def name_of(self, device: str) -> str:
        """Returns how lines for people name a device (`shown_name`)."""
        found = self._database.rows(_NAME_OF, {"device": device})
        return shown_name(device, found[0].name if found else "")

    def ids(self) -> list[str]:
        """Returns the devices that have enrolled and not left."""
        return [row.id for row in self._database.rows(_MEMBERS)]

    def count(self) -> int:
        """Returns the number of devices that have enrolled and not left."""
        return self._database.number(_NUMBER)

    def number_seen(self, since: float) -> int:
        """Returns the number of devices that belong to the federation and were seen since a time."""
        return self._database.number(_NUMBER_SEEN, {"since": since})

    def open_codes(self, now: float) -> int:
        """Returns the number of codes with which a device may still enrol."""
        return self._database.number(_OPEN_CODES, {"now": now})


def shown_name(device: str, name: str) -> str:
    """Returns how lines for people name a device: by the name that its owner gave it, or by the first digits of its id."""
    return name or f"{device[:12]}…"


def _sha256(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
