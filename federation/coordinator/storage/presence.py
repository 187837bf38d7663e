"""The state that devices reported at their last check-in, shared by a cluster: whether they are ready, and share words."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from federation.coordinator.storage.database import Database
from federation.coordinator.storage.tables import presence

CheckedIn = tuple[float, bool, bool]  # the time, in seconds since 1970; whether it is ready; whether it shares words

_OVERLAP_SECONDS = 10.0  # clocks of several machines differ, and a process writes what it heard a little later
_row = insert(presence)
_WRITE = _row.on_conflict_do_update(
    index_elements=[presence.c.device],
    set_={name: _row.excluded[name] for name in ("time", "ready", "words")},
    where=presence.c.time < _row.excluded.time,
)


class Presence:
    """The table of the devices that checked in with any process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_until = 0.0

    def write(self, checked_in: Mapping[str, CheckedIn]) -> None:
        """Tells the other processes of devices."""
        # In one order everywhere, so that processes never wait for each other.
        rows = [
            {"device": device, "time": time, "ready": int(ready), "words": int(words)}
            for device, (time, ready, words) in sorted(checked_in.items())
        ]
        if rows:
            with self._database.transaction() as db:
                db.execute(_WRITE, rows)

    def read(self, since: float) -> dict[str, CheckedIn]:
        """Returns the devices that checked in lately: since a time, or since the last call."""
        after = max(since, self._read_until - _OVERLAP_SECONDS)
        found = self._database.rows(select(presence).where(presence.c.time >= after))
        self._read_until = max((row.time for row in found), default=self._read_until)
        return {row.device: (row.time, bool(row.ready), bool(row.words)) for row in found}
