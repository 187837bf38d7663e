"""The lease of the process that leads a cluster: it opens and closes rounds, and has models made, as long as it renews the lease.

Each leader has a token, one above that of the leader before. All its transactions check that the token is still the newest
(fencing): a process that slept through the end of its lease can change nothing any more. Time is that of the database's server.
"""

import secrets
import threading
from typing import Self

from sqlalchemy import Connection, bindparam, extract, func, select, update

from data.errors import UserFacingError
from federation.coordinator.storage.database import Database, StoreError
from federation.coordinator.storage.tables import lease

LEASE_SECONDS = (
    15.0  # without a renewal, after which another process leads: a busy machine may let one wait for seconds
)
_RENEWALS = 15  # in that time

_NOW = extract("epoch", func.clock_timestamp())
_CLOCK = select(_NOW)
_TAKE = (
    update(lease)
    .where(lease.c.until < _NOW)
    .values(token=lease.c.token + 1, holder=bindparam("me"), until=_NOW + bindparam("seconds"))
    .returning(lease.c.token)
)
_RENEW = update(lease).where(lease.c.token == bindparam("mine")).values(until=_NOW + bindparam("seconds"))
# Others may renew the lease meanwhile, but nobody can take it: that changes the key.
_CHECK = select(lease.c.token).where(lease.c.token == bindparam("mine")).with_for_update(read=True, key_share=True)


def seconds_ahead(database: Database, now: float) -> float:
    """Returns the number of seconds by which `now` is ahead of the clock of the database's server."""
    return now - float(database.rows(_CLOCK)[0][0])


class LeaseLostError(StoreError):
    """Another process leads the cluster by now."""


class Lease:
    """A lease that this process has."""

    def __init__(self, token: int, seconds: float) -> None:
        self.token, self.seconds = token, seconds
        self.lost = threading.Event()
        self._stopped = threading.Event()

    @classmethod
    def take(cls, database: Database, seconds: float = LEASE_SECONDS) -> Self | None:
        """Takes the lease if nobody has it."""
        with database.transaction() as db:
            values = {"me": secrets.token_hex(4), "seconds": seconds}
            found = db.execute(_TAKE, values).fetchall()
        return cls(int(found[0].token), seconds) if found else None

    def check(self, db: Connection) -> None:
        """Raises a LeaseLostError if another process has taken the lease; holds it until the transaction ends."""
        if not db.execute(_CHECK, {"mine": self.token}).fetchall():
            self.lost.set()
        self.check_lost()

    def check_lost(self) -> None:
        """Raises a LeaseLostError if it is known that another process has taken the lease."""
        if self.lost.is_set():
            raise LeaseLostError("another process leads this federation by now: this one goes on answering devices")

    def renew(self, database: Database, seconds: float | None = None) -> bool:
        """Renews the lease, or ends it with `seconds` 0; returns whether this process had it still."""
        length = self.seconds if seconds is None else seconds
        return database.change(_RENEW, {"mine": self.token, "seconds": length}) == 1

    def keep(self, url: str) -> None:
        """Renews the lease from a thread with a connection of its own, until `end`."""
        threading.Thread(target=self._renew_until_stopped, args=(url,), daemon=True).start()

    def end(self, database: Database) -> None:
        """Lets another process lead at once."""
        self._stopped.set()
        self.renew(database, seconds=0.0)

    def _renew_until_stopped(self, url: str) -> None:
        database: Database | None = None
        while not self._stopped.wait(self.seconds / _RENEWALS):
            try:
                database = database or Database.server(url)
                if not self.renew(database):
                    self.lost.set()
                    return
            except UserFacingError:  # the server is away; if it was for too long, the next renewal says so
                continue
        if database is not None:
            database.close()
