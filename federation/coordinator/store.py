"""What the coordinator keeps: devices, codes, rounds and what went wrong, in one SQLite file that survives SIGKILL at any moment.

A round is a row: `open` from its selection on, `summed` when the sum of its updates is kept here, `committed` when the next model
is. Those that were open when the coordinator ended are aborted when it starts again, and one that was summed goes on from its sum;
so no update is counted twice, and the newest committed round names the model there is. A round with participations had all that
unmasks its sum, whatever became of it then: its devices took part, and what that spends of their privacy is spent. No message of a
device is kept, masked or not.
"""

import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from data.errors import DataError, UserFacingError

_VERSION = 2
_SCHEMA = """
CREATE TABLE devices (
    id TEXT PRIMARY KEY,         -- its public key, Ed25519, in hex
    enrolled REAL NOT NULL,      -- seconds since 1970, as all times here
    seen REAL NOT NULL,
    gone REAL                    -- when it left; NULL while it belongs to the federation
);
CREATE TABLE codes (
    sha256 TEXT PRIMARY KEY,     -- of the code, which is not kept
    made REAL NOT NULL,
    device TEXT REFERENCES devices (id)  -- that enrolled with it; NULL while it is good
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
    sum BLOB,                    -- of the updates of all that counted, while it is no model yet
    report TEXT NOT NULL DEFAULT '{}'  -- JSON: what the learner says of the sum, and the privacy spent
);
CREATE TABLE participations (    -- in the sum of a round, noted before it is unmasked
    round INTEGER NOT NULL REFERENCES rounds (number),
    device TEXT NOT NULL REFERENCES devices (id),
    PRIMARY KEY (round, device)
) WITHOUT ROWID;
CREATE TABLE wishes (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    rounds INTEGER NOT NULL,     -- how many more whoever runs the coordinator wants
    paused INTEGER NOT NULL      -- 1 if none is to begin for now
);
INSERT INTO wishes VALUES (1, 0, 0);
CREATE TABLE errors (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    text TEXT NOT NULL
);
"""
_FROM_1 = "CREATE INDEX rounds_of_a_device ON participations (device, round);"
_ERRORS_KEPT = 1_000


class StoreError(UserFacingError):
    """The disk, or what is on it, fails: nothing that a request could help."""


@dataclass(frozen=True)
class DeviceRow:
    """A device that enrolled; `rounds` counts those that its updates are in."""

    id: str
    enrolled: float
    seen: float
    gone: float | None
    rounds: int


@dataclass(frozen=True)
class RoundRow:
    """A round, as the table has it; `counted` devices are in its sum, if that could be unmasked."""

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


class CoordinatorStore:
    """The file. For one thread; each change is one transaction. What it refuses is a DataError, and nothing was changed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the file, or makes it.

        Raises:
          DataError: it is damaged, or was written by a newer coordinator.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path)
        try:
            with _told(path):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")  # a commit that was told of is on the disk
                connection.execute("PRAGMA foreign_keys = ON")
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version > _VERSION:
                    raise DataError(f"{path} was written by a newer coordinator: update this one")
                if version < _VERSION:
                    script = f"{'' if version else _SCHEMA} {_FROM_1}"
                    connection.executescript(f"BEGIN; {script} PRAGMA user_version = {_VERSION}; COMMIT;")
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def add_code(self, code: str, now: float) -> None:
        """A code that one device may enrol with."""
        self._change("INSERT INTO codes (sha256, made) VALUES (?, ?)", _sha256(code), now)

    def enrol(self, code: str, device: str, now: float) -> None:
        """Uses a code up for a device; the same device may say the same again, since the answer may have been lost.

        Raises:
          DataError: the code is unknown or used up, or the device had enrolled with another or left.
        """
        with _told(), self._connection as db:
            found = db.execute("SELECT device FROM codes WHERE sha256 = ?", (_sha256(code),)).fetchone()
            if found is None:
                raise DataError("this code is not one of the coordinator's: ask for a new join link")
            known = db.execute("SELECT gone FROM devices WHERE id = ?", (device,)).fetchone()
            if found[0] is not None:
                if found[0] == device and known is not None and known[0] is None:
                    return
                raise DataError("this code has been used: a join link is good for one device, ask for a new one")
            if known is not None:
                raise DataError("this device has enrolled before: it needs a new key to join again")
            db.execute("INSERT INTO devices (id, enrolled, seen) VALUES (?, ?, ?)", (device, now, now))
            db.execute("UPDATE codes SET device = ? WHERE sha256 = ?", (device, _sha256(code)))

    def leave(self, device: str, now: float) -> None:
        """A device leaves; its requests are refused from now on."""
        self._change("UPDATE devices SET gone = ? WHERE id = ? AND gone IS NULL", now, device)

    def saw(self, times: Mapping[str, float]) -> None:
        """When devices were last heard of; many in one transaction, as each waits for the disk."""
        with _told(), self._connection as db:
            db.executemany("UPDATE devices SET seen = ? WHERE id = ?", [(t, device) for device, t in times.items()])

    def belongs(self, device: str) -> bool:
        """Whether a device has enrolled and not left."""
        return bool(self._rows("SELECT 1 FROM devices WHERE id = ? AND gone IS NULL", device))

    def devices(self) -> list[DeviceRow]:
        """All that ever enrolled, oldest first."""
        query = """
            SELECT id, enrolled, seen, gone, coalesce(rounds, 0)
            FROM devices LEFT JOIN (
                SELECT device, count(*) AS rounds FROM participations JOIN rounds ON number = round
                WHERE state IN ('summed', 'committed') GROUP BY device
            ) ON device = id
            ORDER BY enrolled, id
        """
        return [DeviceRow(*row) for row in self._rows(query)]

    def open_codes(self) -> int:
        """How many codes are good."""
        return self._rows("SELECT count(*) FROM codes WHERE device IS NULL")[0][0]

    def start_round(self, name: str, model: str, now: float) -> int:
        """A round begins; returns its number."""
        with _told(), self._connection as db:
            number = db.execute(
                "INSERT INTO rounds (name, state, started, model) VALUES (?, 'open', ?, ?)", (name, now, model)
            ).lastrowid
        assert number is not None  # noqa: S101 (sqlite3 types it for statements that insert nothing)
        return number

    def begin_unmasking(self, number: int, cohort: int, counted: Collection[str]) -> None:
        """The sum of a round's updates is about to be unmasked: it is that of these devices and of no others.

        Raises:
          DataError: the round is not open, or this has been said before.
        """
        with _told(), self._connection as db:
            changed = db.execute(
                "UPDATE rounds SET cohort = ? WHERE number = ? AND state = 'open'", (cohort, number)
            ).rowcount
            if changed != 1:
                raise DataError(f"round {number} is not open: its sum cannot be unmasked")
            db.executemany("INSERT INTO participations VALUES (?, ?)", [(number, d) for d in sorted(counted)])

    def keep_sum(self, number: int, total: bytes) -> None:
        """The sum of a round's updates, which is unmasked."""
        changed = self._change(
            "UPDATE rounds SET state = 'summed', sum = ? WHERE number = ? AND state = 'open'", total, number
        )
        if changed != 1:
            raise DataError(f"round {number} is not open: its sum cannot be kept")

    def commit_round(self, number: int, report: str, now: float) -> None:
        """The next model and the server's state are on the disk: they are the newest from here on, and the sum goes.

        One round less is wanted then.
        """
        with _told(), self._connection as db:
            changed = db.execute(
                "UPDATE rounds SET state = 'committed', sum = NULL, report = ?, ended = ? WHERE number = ? AND state = 'summed'",
                (report, now, number),
            ).rowcount
            if changed != 1:
                raise DataError(f"round {number} has no sum to be committed")
            db.execute("UPDATE wishes SET rounds = max(rounds - 1, 0)")

    def abort_round(self, number: int, reason: str, cohort: int, now: float) -> None:
        """A round ends without a model; a sum that it had goes."""
        self._change(
            "UPDATE rounds SET state = 'aborted', sum = NULL, reason = ?, cohort = ?, ended = ? "
            "WHERE number = ? AND state IN ('open', 'summed')",
            *(reason, cohort, now, number),
        )

    def abort_open_rounds(self, reason: str, now: float) -> int:
        """Ends the rounds that an earlier process left open; returns how many there were."""
        return self._change(
            "UPDATE rounds SET state = 'aborted', reason = ?, ended = ? WHERE state = 'open'", reason, now
        )

    def summed(self) -> tuple[int, bytes] | None:
        """The round whose sum waits to become a model: its number and the sum; None without one."""
        rows = self._rows("SELECT number, sum FROM rounds WHERE state = 'summed'")
        return rows[0] if rows else None

    def rounds(self, newest: int = -1) -> list[RoundRow]:
        """The newest rounds, or all, oldest first."""
        query = """
            SELECT number, name, state, started, ended, reason, model, cohort,
                (SELECT count(*) FROM participations WHERE round = number), report
            FROM rounds ORDER BY number DESC LIMIT ?
        """
        return [RoundRow(*row) for row in reversed(self._rows(query, newest))]

    def state_for(self, name: str, device: str) -> tuple[str, bool]:
        """The state of a round by its name, and whether this device counts in it; `aborted` where there is no such round."""
        query = """
            SELECT state, EXISTS (SELECT 1 FROM participations WHERE round = number AND device = ?) FROM rounds WHERE name = ?
        """
        rows = self._rows(query, device, name)
        return (rows[0][0], bool(rows[0][1])) if rows else ("aborted", False)

    def counted(self, number: int) -> list[str]:
        """The devices whose updates are in a round's sum, whatever became of it."""
        return [row[0] for row in self._rows("SELECT device FROM participations WHERE round = ?", number)]

    def newest_committed(self) -> int:
        """The number of the round that made the newest model; 0 where none did."""
        return self._rows("SELECT coalesce(max(number), 0) FROM rounds WHERE state = 'committed'")[0][0]

    def last_participation(self, device: str) -> tuple[int | None, int]:
        """The place of the newest round that this device is in the sum of (None: of none), and how many rounds made a model.

        Places count the rounds that made a model, from 1. One whose sum was unmasked and made none has the place of the next
        that does: it is of the same period.
        """
        last = self._rows("SELECT max(round) FROM participations WHERE device = ?", device)[0][0]
        return (None if last is None else self._made_before(last) + 1), self._made_before(None)

    def newest_unmasked(self) -> int:
        """The place of the newest round that had all that unmasks its sum, as `last_participation` counts; 0 where none had."""
        newest = self._rows("SELECT max(round) FROM participations")[0][0]
        return 0 if newest is None else self._made_before(newest) + 1

    def _made_before(self, number: int | None) -> int:
        query = "SELECT count(*) FROM rounds WHERE state IN ('summed', 'committed') AND (?1 IS NULL OR number < ?1)"
        return self._rows(query, number)[0][0]

    def wishes(self) -> tuple[int, bool]:
        """How many more rounds are wanted, and whether none is to begin for now."""
        rounds, paused = self._rows("SELECT rounds, paused FROM wishes")[0]
        return rounds, bool(paused)

    def wish(self, rounds: int, paused: bool) -> None:
        """Keeps what is wanted, for after a restart too."""
        self._change("UPDATE wishes SET rounds = ?, paused = ?", rounds, int(paused))

    def add_error(self, text: str, now: float) -> None:
        """Something went wrong that whoever runs the coordinator should see; the oldest go."""
        with _told(), self._connection as db:
            newest = db.execute("INSERT INTO errors (time, text) VALUES (?, ?)", (now, text)).lastrowid or 0
            db.execute("DELETE FROM errors WHERE id <= ?", (newest - _ERRORS_KEPT,))

    def errors(self, newest: int) -> list[tuple[float, str]]:
        """The newest errors and their times, newest first."""
        return self._rows("SELECT time, text FROM errors ORDER BY id DESC LIMIT ?", newest)

    def _change(self, statement: str, *parameters: Any) -> int:
        with _told(), self._connection as db:
            return db.execute(statement, parameters).rowcount

    def _rows(self, query: str, *parameters: Any) -> list[tuple]:
        with _told():
            return self._connection.execute(query, parameters).fetchall()


def _sha256(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


@contextmanager
def _told(path: Path | None = None) -> Iterator[None]:
    """Makes a DataError of whatever SQLite says."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the coordinator's store {path or ''} cannot be read or written: {error}") from error
