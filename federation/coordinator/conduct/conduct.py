"""The record of the devices' conduct, and of those that are left out of rounds because of it; kept in the coordinator's store.

- A device that the protocol convicts is left out at once: it announced another secret than it split, or sent a message that no
  honest device sends and no valid one in its place.
- Other devices are left out when the observations of rounds convict them (`suspicion`). Until then `group` decides who takes part.

The first time a device is left out for a day, then for twice as long each time, up to thirty days. Its owner can let it back in
earlier. A device that has returned starts afresh: bad observations of the time before no longer count, for it and for the others.
"""

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from sqlalchemy import delete, insert, select, update

from federation.coordinator.conduct.groups import choose_group
from federation.coordinator.conduct.suspicion import Observation, chances_of_spoiling, convicted, suspicions
from federation.coordinator.storage.tables import left_out, observations
from federation.coordinator.store import CoordinatorStore

HOUR, DAY = 3_600.0, 86_400.0
_LONGEST_SECONDS = 30 * DAY
_KEPT = 200  # newest observations
_INEVITABLE = 0.5  # chance of a spoiled round from which on one is to be expected

FALSE_SHARES = "it announced other secrets than it shared, so that the sum could not be unmasked"
SPOILER = "rounds with it failed because of a false update or false shares, and rounds without it did not"


@dataclass(frozen=True)
class LeftOut:
    """A device that is left out of rounds, or was."""

    device: str
    since: float  # seconds since 1970
    until: float
    reason: str
    times: int  # how often it has been left out


class Conduct:
    """The observations of devices, and who is left out. Times are in seconds since 1970, as they outlast the process."""

    def __init__(self, store: CoordinatorStore) -> None:
        self._store = store
        self._rng = Random(secrets.randbits(64))
        self._left_out = {row.device: LeftOut(*row) for row in store.rows(select(left_out))}
        self._version = 0  # grows with each observation
        self._computed: tuple[tuple[object, ...], dict[str, float]] = (
            (),
            {},
        )  # the newest suspicions, and what they depend on

    def suspicion(self, now: float) -> Mapping[str, float]:
        """Returns the suspicion of each device that has one."""
        returned = self._returned(now)
        basis = self._version, frozenset(returned.items())
        if self._computed[0] != basis:
            self._computed = basis, suspicions(self._observations(returned))
        return self._computed[1]

    def left_out(self, device: str, now: float) -> LeftOut | None:
        """Returns since when, until when and why a device is left out; None if it is not."""
        found = self._left_out.get(device)
        return found if found is not None and now < found.until else None

    @property
    def most_left_out(self) -> int:
        """The number of devices that are or were left out: no more are left out now."""
        return len(self._left_out)

    @property
    def version(self) -> tuple[int, frozenset[LeftOut]]:
        """A value that changes with the observations and with the devices that are left out."""
        return self._version, frozenset(self._left_out.values())

    def convict(self, device: str, reason: str, now: float, first_seconds: float = DAY) -> LeftOut:
        """Leaves a device out of rounds from now on, the first time for `first_seconds`."""
        before = self._left_out.get(device)
        times = 1 if before is None else before.times + 1
        seconds = min(first_seconds * 2 ** (times - 1), _LONGEST_SECONDS)
        found = LeftOut(device, now, now + seconds, reason, times)
        with self._store.transaction() as db:
            db.execute(delete(left_out).where(left_out.c.device == device))
            db.execute(insert(left_out).values(**vars(found)))
        self._left_out[device] = found
        return found

    def let_back(self, device: str, now: float) -> None:
        """Lets a device that was left out take part again."""
        if self.left_out(device, now) is not None:
            with self._store.transaction() as db:
                db.execute(update(left_out).where(left_out.c.device == device).values(until=now))
            self._left_out[device] = replace(self._left_out[device], until=now)

    def observe(self, observed: Iterable[Observation], now: float) -> list[LeftOut]:
        """Takes observations of a round that has ended; returns the devices that they convict."""
        with self._store.transaction() as db:
            newest = 0
            for o in observed:
                row = {"time": now, "good": int(o.good), "devices": json.dumps(sorted(o.devices))}
                newest = self._store.database.add(insert(observations).values(**row))
            db.execute(delete(observations).where(observations.c.id <= newest - _KEPT))
        self._version += 1
        guilty = convicted(self._observations(self._returned(now)), self.suspicion(now))
        return [self.convict(device, SPOILER, now) for device in sorted(guilty) if self.left_out(device, now) is None]

    def group(self, present: Sequence[str], minimum: int, now: float) -> frozenset[str] | None:
        """Returns which of the devices that are there may take part in the next round; None if all may."""
        bad = [o.devices for o in self._observations(self._returned(now)) if not o.good]
        return choose_group(present, self.suspicion(now), bad, minimum, self._rng)

    def too_few(self, members: Collection[str], minimum: int, now: float) -> bool:
        """Returns whether too few of these members may take part because others are left out."""
        out = sum(self.left_out(device, now) is not None for device in members)
        return out > 0 and len(members) - out < minimum

    def obstacle(self, members: Collection[str], minimum: int, now: float) -> str:
        """Returns why no round can succeed with these members of the federation, and what its owner can do; empty if one can."""
        out = [device for device in members if self.left_out(device, now) is not None]
        free = [device for device in members if self.left_out(device, now) is None]
        if self.too_few(members, minimum, now):
            return (
                f"{_devices(len(free))} may take part, and a round needs {minimum}: {_devices(len(out))} "
                f"{'is' if len(out) == 1 else 'are'} left out. Invite more devices, or let one back in"
            )
        if (
            len(free) == minimum
            and chances_of_spoiling([self.suspicion(now).get(d, 0.0) for d in free])[-1] > _INEVITABLE
        ):
            return (
                f"one of the {minimum} devices makes the rounds fail. With only {minimum} devices it cannot be found out which: "
                "invite one more device, or remove the one that you do not trust"
            )
        return ""

    def _returned(self, now: float) -> dict[str, float]:
        return {device: out.until for device, out in self._left_out.items() if out.until <= now}

    def _observations(self, returned: Mapping[str, float]) -> list[Observation]:
        """Returns the observations that count: no bad ones with a device that has returned since."""
        found = []
        for _, time, good, content in self._store.rows(select(observations).order_by(observations.c.id)):
            devices = frozenset[str](json.loads(content))
            if good or not any(time < returned.get(device, time) for device in devices):
                found.append(Observation(devices, bool(good)))
        return found


def _devices(count: int) -> str:
    return f"{count} device{'s' * (count != 1)}"
