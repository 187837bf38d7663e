"""The coordinator's store, one SQLite file: devices, codes, rounds and errors. It survives SIGKILL at any moment.

A round is a row: `open` from its selection on, `summed` once the sum of its updates is stored, `committed` once the next model is.
Rounds that were open when the coordinator ended are aborted when it restarts; a summed one continues from its sum. No update is
therefore counted twice, and the newest committed round always has its model. A round with participations had enough shares to
unmask its sum, whatever happened next: its devices took part, and the privacy that this costs them is spent. No message of a
device is kept, masked or not.
"""

import hashlib
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from data.errors import DataError, UserFacingError
from federation.coordinator.event_log import EventLog
from federation.coordinator.store_check import damage_in

FILE = "coordinator.sqlite"  # in a coordinator's folder
_VERSION = 2
_SCHEMA = """
CREATE TABLE devices (
    id TEXT PRIMARY KEY,         -- its public key, Ed25519, in hex
    enrolled REAL NOT NULL,      -- seconds since 1970, as all times here
    seen REAL NOT NULL,
    gone REAL                    -- when it left; NULL while it belongs to the federation
);
CREATE TABLE codes (
    sha256 TEXT PRIMARY KEY,     -- of the code, which itself is not kept
    made REAL NOT NULL,
    device TEXT REFERENCES devices (id)  -- the device that enrolled with it; NULL while unused
);
CREATE TABLE rounds (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('open', 'summed', 'committed', 'aborted')),
    started REAL NOT NULL,
    ended REAL,
    reason TEXT NOT NULL DEFAULT '',  -- why it was aborted
    model TEXT NOT NULL,         -- digest of the global model it started from
    cohort INTEGER NOT NULL DEFAULT 0,
    sum BLOB,                    -- of the counted devices' updates, until a model is made of it
    report TEXT NOT NULL DEFAULT '{}'  -- JSON: `RoundReport`
);
CREATE TABLE participations (    -- devices in the sum of a round, recorded before it is unmasked
    round INTEGER NOT NULL REFERENCES rounds (number),
    device TEXT NOT NULL REFERENCES devices (id),
    PRIMARY KEY (round, device)
) WITHOUT ROWID;
CREATE TABLE wishes (            -- the schedule: one row
    only INTEGER PRIMARY KEY CHECK (only = 1),
    rounds INTEGER NOT NULL,     -- rounds still to run
    paused INTEGER NOT NULL      -- 1 while no round may open
);
INSERT INTO wishes VALUES (1, 0, 0);
CREATE TABLE errors (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    text TEXT NOT NULL
);
"""
_FROM_1 = "CREATE INDEX rounds_of_a_device ON participations (device, round);"
# Tables that older versions lack and do not need: they are added to any file.
_LATER = """
CREATE TABLE IF NOT EXISTS device_details (
    device TEXT PRIMARY KEY REFERENCES devices (id),
    name TEXT NOT NULL DEFAULT '',        -- given by the owner
    removed INTEGER NOT NULL DEFAULT 0,   -- 1 if the owner removed it
    sent INTEGER NOT NULL DEFAULT 0,      -- bytes of its requests' bodies
    received INTEGER NOT NULL DEFAULT 0,  -- bytes of the models and messages sent to it
    error TEXT NOT NULL DEFAULT '',       -- the last one, for people
    erred REAL                            -- its time
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS code_details (
    sha256 TEXT PRIMARY KEY REFERENCES codes (sha256),
    name TEXT NOT NULL,                   -- of the device that it is meant for
    expires REAL NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS left_out (     -- devices that are or were left out (`federation.coordinator.conduct`)
    device TEXT PRIMARY KEY REFERENCES devices (id),
    since REAL NOT NULL,
    until REAL NOT NULL,                  -- the time of its return
    reason TEXT NOT NULL,
    times INTEGER NOT NULL                -- how often it has been left out
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS observations ( -- of conduct (`federation.coordinator.conduct.suspicion`), the newest ones
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    good INTEGER NOT NULL,
    devices TEXT NOT NULL                 -- JSON: a list of ids
);
CREATE TABLE IF NOT EXISTS takeovers (    -- models that took the place of the newest one; each has a row in `rounds` too
    round INTEGER PRIMARY KEY REFERENCES rounds (number),
    before INTEGER NOT NULL               -- rounds before it, as the privacy spent counts them
);
CREATE TABLE IF NOT EXISTS discoveries (  -- word discoveries (`federation.coordinator.words.discovery_store`)
    id INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('count', 'reveal', 'found', 'failed')),
    started REAL NOT NULL,
    ended REAL,
    vocabulary TEXT NOT NULL,             -- digest of the vocabulary that lacks the words
    terms TEXT NOT NULL,                  -- JSON: k, the limits of a device's offer, the terms of the first sum
    counted TEXT NOT NULL DEFAULT '{}',   -- JSON: of the first sum, its round, devices, and published buckets with their counts
    words TEXT NOT NULL DEFAULT '[]',     -- JSON: the words found, with their devices, and whether the owner struck them out
    note TEXT NOT NULL DEFAULT ''         -- why it failed, or what was left out
);
CREATE TABLE IF NOT EXISTS word_rounds (  -- rounds of word discoveries; each has a row in `rounds` too
    round INTEGER PRIMARY KEY REFERENCES rounds (number),
    discovery INTEGER NOT NULL REFERENCES discoveries (id),
    kind TEXT NOT NULL,                   -- count or reveal
    plan TEXT NOT NULL                    -- JSON, as devices receive it
);
CREATE VIEW IF NOT EXISTS model_rounds AS SELECT * FROM rounds WHERE number NOT IN (SELECT round FROM word_rounds);
CREATE VIEW IF NOT EXISTS model_participations AS
    SELECT * FROM participations WHERE round NOT IN (SELECT round FROM word_rounds);
INSERT OR IGNORE INTO device_details (device) SELECT id FROM devices;
INSERT OR IGNORE INTO code_details (sha256, name, expires) SELECT sha256, '', made + 7 * 86400 FROM codes;
"""
_ERRORS_KEPT = 1_000
_WHAT_TO_DO = (
    "stop here, and restore the folder from a copy; without one, begin a new federation in another --folder, which every device "
    "has to join again"
)


class StoreError(UserFacingError):
    """A failure of the disk, or a damaged file. No other request would succeed."""


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

    Every method raises a StoreError if the file cannot be read or written.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.events = EventLog(connection)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the file, or creates it.

        Raises:
          DataError: a newer version of the coordinator wrote it.
          StoreError: it is damaged.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path)
        try:
            with _sqlite_errors(path):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")  # a commit that was reported is on the disk
                connection.execute("PRAGMA foreign_keys = ON")
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version > _VERSION:
                    raise DataError(f"{path} was written by a newer version: update this coordinator")
                if version < _VERSION:
                    script = f"{'' if version else _SCHEMA} {_FROM_1}"
                    connection.executescript(f"BEGIN; {script} PRAGMA user_version = {_VERSION}; COMMIT;")
                if (damage := damage_in(connection, re.findall(r"CREATE TABLE (\w+)", _SCHEMA))) is not None:
                    raise StoreError(f"{path} is damaged: {damage}: {_WHAT_TO_DO}")
                connection.executescript(f"BEGIN; {_LATER} COMMIT;")
                return cls(connection)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def add_code(self, code: str, now: float, expires: float, name: str = "") -> None:
        """Adds a code with which one device, of this name, may enrol until it expires."""
        with _sqlite_errors(), self._connection as db:
            db.execute("INSERT INTO codes (sha256, made) VALUES (?, ?)", (_sha256(code), now))
            db.execute(
                "INSERT INTO code_details (sha256, name, expires) VALUES (?, ?, ?)", (_sha256(code), name, expires)
            )

    def enrol(self, code: str, device: str, now: float) -> None:
        """Enrols a device with a code, which is used up. The same device may repeat this, since the answer may have been lost.

        Raises:
          DataError: the code is unknown, used, revoked or expired, or the device enrolled with another code or has left.
        """
        with _sqlite_errors(), self._connection as db:
            query = "SELECT device, name, expires, revoked FROM codes JOIN code_details USING (sha256) WHERE sha256 = ?"
            found = db.execute(query, (_sha256(code),)).fetchone()
            if found is None:
                raise DataError("this code is not one of the coordinator's: ask for a new join link")
            known = db.execute("SELECT gone FROM devices WHERE id = ?", (device,)).fetchone()
            used_by, name, expires, revoked = found
            if used_by is not None:
                if used_by == device and known is not None and known[0] is None:
                    return
                raise DataError("this code has been used: a join link is for one device, ask for a new one")
            if revoked:
                raise DataError("this join link was revoked by the federation's owner: ask for a new one")
            if now >= expires:
                raise DataError("this join link has expired: ask for a new one")
            if known is not None:
                raise DataError("this device has enrolled before: it needs a new key to join again")
            db.execute("INSERT INTO devices (id, enrolled, seen) VALUES (?, ?, ?)", (device, now, now))
            db.execute("INSERT INTO device_details (device, name) VALUES (?, ?)", (device, name))
            db.execute("UPDATE codes SET device = ? WHERE sha256 = ?", (device, _sha256(code)))

    def leave(self, device: str, now: float, removed: bool = False) -> None:
        """Ends a device's membership; its requests are refused from now on. `removed`: the owner has removed it."""
        with _sqlite_errors(), self._connection as db:
            left = db.execute("UPDATE devices SET gone = ? WHERE id = ? AND gone IS NULL", (now, device)).rowcount
            if left and removed:
                db.execute("UPDATE device_details SET removed = 1 WHERE device = ?", (device,))

    def was_removed(self, device: str) -> bool:
        """Returns whether the owner has removed a device."""
        return bool(self._rows("SELECT 1 FROM device_details WHERE device = ? AND removed", device))

    def record_seen(self, times: Mapping[str, float]) -> None:
        """Stores when devices were last seen; many in one transaction, as each transaction waits for the disk."""
        with _sqlite_errors(), self._connection as db:
            db.executemany("UPDATE devices SET seen = ? WHERE id = ?", [(t, device) for device, t in times.items()])

    def belongs(self, device: str) -> bool:
        """Returns whether a device has enrolled and not left."""
        return bool(self._rows("SELECT 1 FROM devices WHERE id = ? AND gone IS NULL", device))

    def devices(self) -> list[DeviceRow]:
        """Returns all devices that ever enrolled, oldest first."""
        query = """
            SELECT id, enrolled, seen, gone, coalesce(rounds, 0), name, removed, sent, received, error, erred
            FROM devices JOIN device_details AS details ON details.device = id LEFT JOIN (
                SELECT device, count(*) AS rounds FROM participations JOIN rounds ON number = round
                WHERE state IN ('summed', 'committed') GROUP BY device
            ) AS taken ON taken.device = id
            ORDER BY enrolled, id
        """
        return [replace(row, removed=bool(row.removed)) for row in (DeviceRow(*found) for found in self._rows(query))]

    def name_of(self, device: str) -> str:
        """Returns how lines for people name a device (`shown_name`)."""
        rows = self._rows("SELECT name FROM device_details WHERE device = ?", device)
        return shown_name(device, rows[0][0] if rows else "")

    def members(self) -> list[str]:
        """Returns the devices that have enrolled and not left."""
        return [row[0] for row in self._rows("SELECT id FROM devices WHERE gone IS NULL")]

    def open_codes(self, now: float) -> int:
        """Returns the number of codes with which a device may still enrol."""
        query = """
            SELECT count(*) FROM codes JOIN code_details USING (sha256) WHERE device IS NULL AND NOT revoked AND expires > ?
        """
        return self._number(query, now)

    def start_round(self, name: str, model: str, now: float) -> int:
        """Adds an open round; returns its number."""
        with _sqlite_errors(), self._connection as db:
            db.execute("INSERT INTO rounds (name, state, started, model) VALUES (?, 'open', ?, ?)", (name, now, model))
            return int(db.execute("SELECT last_insert_rowid()").fetchone()[0])

    def begin_unmasking(self, number: int, cohort: int, counted: Collection[str]) -> None:
        """Records that a round's sum is about to be unmasked, and that exactly these devices are in it.

        Raises:
          DataError: the round is not open.
          StoreError: this was recorded before.
        """
        with _sqlite_errors(), self._connection as db:
            changed = db.execute(
                "UPDATE rounds SET cohort = ? WHERE number = ? AND state = 'open'", (cohort, number)
            ).rowcount
            if changed != 1:
                raise DataError(f"round {number} is not open: its sum cannot be unmasked")
            db.executemany("INSERT INTO participations VALUES (?, ?)", [(number, d) for d in sorted(counted)])

    def keep_sum(self, number: int, total: bytes) -> None:
        """Stores the unmasked sum of a round.

        Raises:
          DataError: the round is not open.
        """
        changed = self._change(
            "UPDATE rounds SET state = 'summed', sum = ? WHERE number = ? AND state = 'open'", total, number
        )
        if changed != 1:
            raise DataError(f"round {number} is not open: its sum cannot be kept")

    def commit_round(self, number: int, report: str, now: float) -> None:
        """Makes the model of a round, already on the disk, the newest; drops the sum and one scheduled round.

        Raises:
          DataError: the round has no sum.
        """
        with _sqlite_errors(), self._connection as db:
            changed = db.execute(
                "UPDATE rounds SET state = 'committed', sum = NULL, report = ?, ended = ? WHERE number = ? AND state = 'summed'",
                (report, now, number),
            ).rowcount
            if changed != 1:
                raise DataError(f"round {number} has no sum to commit")
            db.execute("UPDATE wishes SET rounds = max(rounds - 1, 0)")

    def abort_round(self, number: int, reason: str, cohort: int, now: float) -> None:
        """Ends a round without a model; drops its sum if it has one."""
        self._change(
            "UPDATE rounds SET state = 'aborted', sum = NULL, reason = ?, cohort = ?, ended = ? "
            "WHERE number = ? AND state IN ('open', 'summed')",
            *(reason, cohort, now, number),
        )

    def abort_open_rounds(self, reason: str, now: float) -> int:
        """Ends the rounds that an earlier process left open; returns their number."""
        return self._change(
            "UPDATE rounds SET state = 'aborted', reason = ?, ended = ? WHERE state = 'open'", reason, now
        )

    def summed(self) -> SummedRound | None:
        """Returns the round whose sum waits to become a model, or to be read in a word discovery."""
        query = """
            SELECT number, sum, coalesce(kind, '') FROM rounds LEFT JOIN word_rounds ON round = number WHERE state = 'summed'
        """
        rows = self._rows(query)
        return SummedRound(*rows[0]) if rows else None

    def rounds(self, newest: int = -1) -> list[RoundRow]:
        """Returns the newest rounds that make models, or all, oldest first."""
        query = """
            SELECT number, name, state, started, ended, reason, model, cohort,
                (SELECT count(*) FROM participations WHERE round = number), report
            FROM model_rounds WHERE number NOT IN (SELECT round FROM takeovers) ORDER BY number DESC LIMIT ?
        """
        return [RoundRow(*row) for row in reversed(self._rows(query, newest))]

    def state_for(self, name: str, device: str) -> tuple[str, bool]:
        """Returns the state of the round with a name (empty if there is none), and whether this device is in its sum."""
        query = """
            SELECT state, EXISTS (SELECT 1 FROM participations WHERE round = number AND device = ?) FROM rounds WHERE name = ?
        """
        rows = self._rows(query, device, name)
        return (rows[0][0], bool(rows[0][1])) if rows else ("", False)

    def counted(self, number: int) -> list[str]:
        """Returns the devices whose updates are in a round's sum, whether or not a model was made from it."""
        return [row[0] for row in self._rows("SELECT device FROM participations WHERE round = ?", number)]

    def next_number(self) -> int:
        """Returns the number that the next round, or the next model taken over, will have."""
        return self._number("SELECT coalesce(max(number), 0) + 1 FROM rounds")

    def take_over(self, number: int, name: str, model: str, before: int, now: float) -> None:
        """Makes a model, already on the disk, the newest, as if a round of this number without devices had made it.

        Args:
          number: `next_number`.
          name: a new name, as a round has one.
          model: digest of the model whose place it takes.
          before: the number of rounds before it, as the privacy spent counts them.
          now: seconds since 1970.
        """
        row = "INSERT INTO rounds (number, name, state, started, ended, model) VALUES (?, ?, 'committed', ?, ?, ?)"
        with _sqlite_errors(), self._connection as db:
            db.execute(row, (number, name, now, now, model))
            db.execute("INSERT INTO takeovers VALUES (?, ?)", (number, before))

    def newest_takeover(self) -> tuple[int, int]:
        """Returns the number of the newest model taken over and the number of rounds before it; two zeros if there is none."""
        rows = self._rows("SELECT round, before FROM takeovers ORDER BY round DESC LIMIT 1")
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    def newest_committed(self) -> int:
        """Returns the number of the round that made the newest model; 0 before any."""
        return self._number("SELECT coalesce(max(number), 0) FROM model_rounds WHERE state = 'committed'")

    def last_participation(self, device: str) -> tuple[int | None, int]:
        """Returns the place of the newest round whose sum this device is in, or None, and the number of rounds with a model.

        Places count the rounds that made a model, from 1. A round whose sum was unmasked but made no model has the place of the
        next that does: both belong to the same period. After a model was taken over, they go on with a new period.
        """
        last = self._rows("SELECT max(round) FROM model_participations WHERE device = ?", device)[0][0]
        return (None if last is None else self._made_before(last) + 1), self._made_before(None)

    def made(self) -> int:
        """Returns the place of the newest round that made a model; 0 before any."""
        return self._made_before(None)

    def newest_unmasked(self) -> int:
        """Returns the place (see `last_participation`) of the newest round whose sum could be unmasked; 0 before any."""
        newest = self._rows("SELECT max(round) FROM model_participations")[0][0]
        return 0 if newest is None else self._made_before(newest) + 1

    def _made_before(self, number: int | None) -> int:
        taken = self._rows(
            "SELECT round, before FROM takeovers WHERE ?1 IS NULL OR round < ?1 ORDER BY round DESC LIMIT 1", number
        )
        first, before = taken[0] if taken else (0, 0)
        query = """
            SELECT count(*) FROM model_rounds
            WHERE state IN ('summed', 'committed') AND number > ?1 AND (?2 IS NULL OR number < ?2)
        """
        return int(before) + self._number(query, first, number)

    def schedule(self) -> tuple[int, bool]:
        """Returns the number of rounds still to run, and whether they are paused."""
        rounds, paused = self._rows("SELECT rounds, paused FROM wishes")[0]
        return rounds, bool(paused)

    def set_schedule(self, rounds: int, paused: bool) -> None:
        """Stores the number of rounds still to run, and whether they are paused."""
        self._change("UPDATE wishes SET rounds = ?, paused = ?", rounds, int(paused))

    def add_error(self, text: str, now: float) -> None:
        """Adds an error for the operator; drops the oldest beyond a thousand."""
        self.events.listener(text, now)
        with _sqlite_errors(), self._connection as db:
            newest = db.execute("INSERT INTO errors (time, text) VALUES (?, ?)", (now, text)).lastrowid or 0
            db.execute("DELETE FROM errors WHERE id <= ?", (newest - _ERRORS_KEPT,))

    def errors(self, newest: int) -> list[tuple[float, str]]:
        """Returns the times and texts of the newest errors, newest first."""
        return self._rows("SELECT time, text FROM errors ORDER BY id DESC LIMIT ?", newest)

    def newest_events(self, newest: int) -> list[tuple[float, str]]:
        """Returns the times and texts of the newest events and errors, newest first."""
        with _sqlite_errors():
            return self.events.newest(newest)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Makes the changes within the context one transaction."""
        with _sqlite_errors(), self._connection as db:
            yield db

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        return self._rows(query, *parameters)

    def _change(self, statement: str, *parameters: Any) -> int:
        with _sqlite_errors(), self._connection as db:
            return db.execute(statement, parameters).rowcount

    def _number(self, query: str, *parameters: Any) -> int:
        return int(self._rows(query, *parameters)[0][0])

    def _rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with _sqlite_errors():
            return self._connection.execute(query, parameters).fetchall()


def shown_name(device: str, name: str) -> str:
    """Returns how lines for people name a device: by the name that its owner gave it, or by the first digits of its id."""
    return name or f"{device[:12]}…"


def _sha256(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


@contextmanager
def _sqlite_errors(path: Path | None = None) -> Iterator[None]:
    """Raises errors of SQLite as a StoreError."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # SQLite quotes damaged definitions of tables, which have several lines.
        told = (
            " ".join(str(error).split())[:200]
            if isinstance(error, sqlite3.Error)
            else "it holds text that is not UTF-8"
        )
        what = f": {_WHAT_TO_DO}" if path and not isinstance(error, sqlite3.OperationalError) else ""
        raise StoreError(
            f"the coordinator's store{f' {path}' if path else ''} cannot be read or written: {told}{what}"
        ) from error
