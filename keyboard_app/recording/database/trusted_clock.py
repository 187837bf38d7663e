"""The time that may decide which messages are old: no single reading of the machine's clock, which may be wrong, decides it.

A clock is wrong for a start or a day: a battery is empty, the time was set by hand, the network's time comes late. A reading is
therefore believed at once only if it is near the last one believed. Any other is doubted until readings on three different days
agree with it, as they do when a person comes back after a year.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

_NEAR = timedelta(days=7)  # between two readings that confirm each other at once
_CHAIN = timedelta(days=92)  # between two doubted readings that confirm each other
_DAYS = 3  # different days on which a doubted time has to be read


@dataclass(frozen=True)
class TrustedClock:
    """The time that the readings so far support. Times are in UTC."""

    believed: datetime  # the last reading that was believed
    doubted: tuple[datetime, ...] = ()  # readings since then, each on another day, that are far from it; oldest first

    def read(self, now: datetime) -> tuple[Self, datetime]:
        """Takes a reading; returns the clock after it, and a time that has come by at least two readings."""
        if abs(now - self.believed) <= _NEAR:
            return type(self)(now), min(self.believed, now)
        doubted = self.doubted
        if doubted and not timedelta(0) <= now - doubted[-1] <= _CHAIN:
            doubted = ()
        if not doubted or now.date() != doubted[-1].date():
            doubted = (*doubted, now)
        if len(doubted) == _DAYS:
            return type(self)(now), doubted[0]
        return type(self)(self.believed, doubted), min(self.believed, now)

    def to_json(self) -> bytes:
        """Returns the times as JSON."""
        return json.dumps([time.isoformat() for time in (self.believed, *self.doubted)]).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self | None:
        """Reads the output of `to_json`; returns None if it is damaged."""
        try:
            believed, *doubted = (datetime.fromisoformat(time) for time in json.loads(content))
        except (ValueError, TypeError, RecursionError):
            return None
        return None if any(time.tzinfo is None for time in (believed, *doubted)) else cls(believed, tuple(doubted))
