"""The consequences of failed rounds: which devices are left out, how long the next one waits, and when the owner has to look.

- Devices that the protocol convicts are left out, and so are those that `conduct` finds out. Why is in the errors for the owner.
- A device that dropped out of three failed rounds in a row is left out for an hour, if a round can do without it.
- The next round begins after a wait that doubles with each failure in a row (`backoff`).
- After five failures in a row that helped to find nobody, or twenty in all, rounds are paused until the owner resumes them. A
  federation that fewer devices have joined than a round needs is neither paused nor made to wait.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from federation.coordinator.conduct.backoff import Backoff
from federation.coordinator.conduct.conduct import HOUR, Conduct, LeftOut
from federation.coordinator.conduct.suspicion import Observation
from federation.coordinator.round_machine import Round
from federation.coordinator.store import CoordinatorStore

_MOST_FRUITLESS, _MOST = 5, 20  # failures in a row before a pause
_MOST_DROPOUTS = 3  # failed rounds in a row that a device may drop out of


class Failures:
    """The failures since the last success. Times are those of `Rounds`."""

    def __init__(self, store: CoordinatorStore, backoff_seconds: float) -> None:
        self.conduct, self.backoff = Conduct(store), Backoff(backoff_seconds)
        self.obstacle = ""  # why no round can begin or succeed, and what the owner can do; empty if one can
        self._store = store
        self._fruitless = 0  # failures in a row that helped to find nobody
        self._dropouts = Counter[str]()  # by device: failed rounds in a row that it dropped out of

    def restart(self) -> None:
        """Ends the wait, and forgets the failures in a row."""
        self._fruitless = 0
        self.backoff.reset()

    def convict_culprits(self, machine: Round, now: float) -> list[LeftOut]:
        """Leaves out the devices that broke the protocol in a round; returns them."""
        found = []
        while machine.culprits:
            device, reason = machine.culprits.popitem()
            if self.conduct.left_out(device, now) is None:  # otherwise by a process that led before this one
                found.append(self.conduct.convict(device, reason, now))
        return self._told(found, now)

    def succeeded(self, counted: Collection[str], now: float) -> None:
        """Notes that a model was made of the sum over these devices."""
        self._fruitless, self.obstacle = 0, ""
        self.backoff.reset()
        for device in counted:
            self._dropouts.pop(device, None)
        self._told(self.conduct.observe([Observation(frozenset(counted), good=True)], now), now)

    def failed(
        self, number: int, reason: str, machine: Round | None, spoiled: Collection[str], minimum: int, now: float
    ) -> bool:
        """Notes that a round failed; returns whether rounds have to be paused.

        Args:
          number: the round's number.
          reason: why it failed, for people.
          machine: the round; None if an earlier coordinator ran it.
          spoiled: the devices in its sum if honest devices cannot have that sum; otherwise empty.
          minimum: the minimum number of devices in a round.
          now: seconds since 1970.
        """
        seconds, scheduled = self.backoff.fail(f"round {number} failed: {reason}", now), self._store.schedule()[0]
        self._store.events.add_error(f"round {number} was aborted: {reason}", now)
        bad = [Observation(frozenset(spoiled), good=False)] if spoiled else []
        found = []
        if machine is not None:
            found += self.convict_culprits(machine, now)
            bad += [Observation(pair, good=False) for pair in machine.disputes]
        if bad:
            found += self._told(self.conduct.observe(bad, now), now)
        if machine is not None:
            found += self._leave_out_dropouts(machine.dropouts, minimum, now)
        members = self._store.members.ids()
        self._look_for_obstacle(members, minimum, now)
        free = sum(self.conduct.left_out(device, now) is None for device in members)
        tests_on = bool(bad) and free > minimum  # the next round tests another group
        self._fruitless = 0 if found else self._fruitless + (not tests_on)
        if len(members) < minimum:  # too few have joined so far: rounds go on waiting for them
            self.restart()
            return False
        if scheduled and (self._fruitless >= _MOST_FRUITLESS or self.backoff.failures >= _MOST):
            self._store.events.add_error(
                f"rounds are paused after {self.backoff.failures} failures in a row: look at the reasons, then press "
                "Resume on the dashboard, or run federate start",
                now,
            )
            return True
        if scheduled:
            self._store.events.add(f"the next round begins in {seconds:g} seconds at the earliest", now)
        return False

    def may_begin(self, minimum: int, now: float) -> bool:
        """Returns whether the wait is over and enough devices may take part; `obstacle` says why not."""
        if self.backoff.left(now):
            return False
        if self._store.members.count() - self.conduct.most_left_out > minimum:  # as a rule: a list of all would be long
            self.obstacle = ""
            return True
        members = self._store.members.ids()
        self._look_for_obstacle(members, minimum, now)
        return not self.conduct.too_few(members, minimum, now)

    def _look_for_obstacle(self, members: Collection[str], minimum: int, now: float) -> None:
        before, self.obstacle = self.obstacle, self.conduct.obstacle(members, minimum, now)
        if self.obstacle and self.obstacle != before:
            self._store.events.add_error(self.obstacle, now)

    def _leave_out_dropouts(self, dropouts: Collection[str], minimum: int, now: float) -> list[LeftOut]:
        for device in [d for d in self._dropouts if d not in dropouts]:
            del self._dropouts[device]
        self._dropouts.update(dropouts)
        found: list[LeftOut] = []
        for device in sorted(dropouts):
            others = sum(d != device and self.conduct.left_out(d, now) is None for d in self._store.members.ids())
            if self._dropouts[device] >= _MOST_DROPOUTS and others >= minimum:
                reason = f"it dropped out of {self._dropouts.pop(device)} rounds in a row, and these failed"
                found.append(self.conduct.convict(device, reason, now, HOUR))
        return self._told(found, now)

    def _told(self, found: list[LeftOut], now: float) -> list[LeftOut]:
        for out in found:
            until = datetime.fromtimestamp(out.until).strftime("%d %B, %H:%M")
            name = self._store.members.name_of(out.device)
            self._store.events.add_error(f"device {name} is left out of rounds until {until}: {out.reason}", now)
        return found
