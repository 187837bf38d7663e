"""A round that several processes run together: each has it in memory, and all change it by the same events in the same order.

`Round` has no clock and no randomness of its own, so that the same events give the same state (state machine replication;
Schneider 1990, ACM Computing Surveys 22(4)). A change is made in this order, in one transaction:

1. The round is locked, and the events of other processes that are not known yet are applied.
2. The change is made in memory. What it did becomes an event: its time, the device's message, and a seed that was drawn.
3. The event is added, and the transaction ends.

A masked update is no part of its event: it is added to the process's own sum (`partial_sums`) in the same transaction, before the
lock, so that processes write their sums at the same time. If the transaction fails, the state in memory is worth nothing: the
round is `broken`, and its process reads it anew. Requests that change nothing take no lock.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from data.errors import DataError
from federation.coordinator.cluster.journal import Event, Journal, Opening
from federation.coordinator.cluster.partial_sums import PartialSum, SharedSummation
from federation.coordinator.round_machine import MessageRefusedError, RefusalKind, Round, Stage

_TICK, _CHECK_IN, _RESTRICT, _GIVE = "tick", "check-in", "restrict", "give"
_INVALID, _WITHDRAW, _HURRY = "invalid", "withdraw", "hurry"


class ReplicatedRound(Round):
    """One process's copy of the open round."""

    def __init__(self, opening: Opening, journal: Journal, partial: PartialSum) -> None:
        self.shared = SharedSummation(opening.plan, opening.rules, partial, self._draw)
        super().__init__(opening.plan.round_name, opening.rules, self.shared, opening.opened)
        self.group = opening.devices
        self.broken = False
        self.place = 0  # of the newest event that was applied
        self._number, self._journal = opening.number, journal
        self._time = opening.opened  # of that event
        self._replayed: Event | None = None  # the event of another process that is being applied
        self._drawn: int | None = None  # seed of the change that is being made
        self._depth = 0  # of changes within changes
        self.catch_up()

    def catch_up(self) -> None:
        """Applies the events of other processes. They report their own lines of history."""
        own = self.history
        self.history = []
        for event in self._journal.after(self._number, self.place):
            self._replayed = event
            try:
                self._apply(event)
            finally:
                self._replayed = None
            self.place, self._time = event.place, event.time
        self.history = own

    def tick(self, now: float) -> None:
        """Ends stages whose deadline has passed."""
        if self._replayed is not None:
            super().tick(now)
        elif not self.over and now >= self.deadline:
            try:
                with self._changing(now) as at:
                    if not self.over and at >= self.deadline:
                        super().tick(at)
                        self._add(_TICK, at)
            except MessageRefusedError:  # the leader has closed the round
                return

    def check_in(self, device: str, now: float) -> bool:
        """Selects a free device if there is room; returns whether the device is in the round."""
        if self._replayed is not None:
            return super().check_in(device, now)
        self.tick(now)
        full = self.stage != Stage.SELECTION or len(self.cohort) >= self._room
        if full or device in self.cohort or not self.admits(device):
            return device in self.expected
        with self._changing(now) as at:
            known = device in self.cohort
            selected = super().check_in(device, at)
            if not known and device in self.cohort:
                self._add(_CHECK_IN, at, device)
        return selected

    def restrict(self, group: frozenset[str], now: float) -> None:
        """Selects no other devices than these; the decision of the first process counts."""
        if self._replayed is not None:
            super().restrict(group, now)
            return
        with self._changing(now) as at:
            if self.stage == Stage.SELECTION and self.group is None:
                super().restrict(group, at)
                self._add(_RESTRICT, at, message=json.dumps(sorted(group)).encode())

    def give(self, stage: Stage, device: str, message: bytes, now: float) -> None:
        """Takes a device's message of a stage. Raises a MessageRefusedError, as `Round.give`, or a StoreError."""
        if self._replayed is not None:
            super().give(stage, device, message, now)
        elif stage == self.stage == Stage.REPORTING and device in self.expected - self.given:
            self._give_update(device, message, now)
        else:
            refused: MessageRefusedError | None = None
            with self._changing(now) as at:
                try:
                    if stage == self.stage == Stage.REPORTING and device in self.expected - self.given:
                        raise MessageRefusedError("too early for reporting: send it again", RefusalKind.EARLY)
                    super().give(stage, device, message, at)
                except MessageRefusedError as error:  # it may have ended a stage or left a note, which stays
                    refused = error
                else:
                    self._add(_GIVE, at, device, stage, message)
            if refused is not None:
                raise refused

    def _give_update(self, device: str, message: bytes, now: float) -> None:
        partial = self.shared.partial
        try:
            with self._journal.transaction():
                total = partial.with_update(message)
                with self._changing(now) as at:
                    super().give(Stage.REPORTING, device, b"", at)
                    self._add(_GIVE, at, device, Stage.REPORTING)
        except DataError as error:
            self.found_invalid(device, str(error))
            raise MessageRefusedError(str(error)) from error
        except BaseException:
            self.broken = True  # the end of the transaction may have failed as well
            raise
        partial.keep(total)

    def found_invalid(self, device: str, reason: str) -> None:
        """Notes that a device's message of the current stage was not valid."""
        if self._replayed is not None:
            super().found_invalid(device, reason)
            return
        with self._changing(self._time) as at:
            if device in self.expected - self.given - self._invalid.keys():  # once, so that nobody fills the database
                super().found_invalid(device, reason)
                self._add(_INVALID, at, device, message=reason.encode())

    def withdraw(self, device: str, now: float) -> None:
        """Stops waiting for a device that cannot continue. The messages that it has sent stay valid."""
        if self._replayed is not None:
            super().withdraw(device, now)
            return
        self.tick(now)
        if self.over or device not in self.expected:
            return
        with self._changing(now) as at:
            super().withdraw(device, at)
            self._add(_WITHDRAW, at, device)

    def hurry(self, now: float, why: str = "it was started now") -> int:
        """Ends the selection as soon as the minimum is there; returns how many devices are missing for that."""
        if self._replayed is not None or self._why_hurried or self.stage != Stage.SELECTION:
            return super().hurry(now, why)
        missing = 0
        with self._changing(now) as at:
            self.tick(at)
            if self.stage == Stage.SELECTION:
                missing = super().hurry(at, why)
                self._add(_HURRY, at, message=why.encode())
        return missing

    @contextmanager
    def _changing(self, now: float) -> Iterator[float]:
        """Locks the round and applies what others did before; yields the time of the change, never before theirs."""
        if self.broken:
            raise MessageRefusedError("the round is being read again: repeat the request", RefusalKind.EARLY)
        if self._depth:
            yield max(now, self._time)
            return
        self._depth += 1
        try:
            with self._journal.locked(self._number):
                self.catch_up()
                yield max(now, self._time)
        except BaseException:
            self.broken = True
            raise
        finally:
            self._depth -= 1

    def _add(self, kind: str, at: float, device: str = "", stage: str = "", message: bytes = b"") -> None:
        event = Event(self.place + 1, at, kind, device, stage, message, self._drawn)
        self._journal.add(self._number, event)
        self.place, self._time, self._drawn = event.place, at, None

    def _draw(self) -> int:
        if self._replayed is not None:
            if self._replayed.seed is None:
                raise RuntimeError(f"event {self._replayed.place} of round {self._number} has no seed")
            return self._replayed.seed
        self._drawn = secrets.randbits(63)
        return self._drawn

    def _apply(self, event: Event) -> None:
        match event.kind:
            case "tick":
                self.tick(event.time)
            case "check-in":
                self.check_in(event.device, event.time)
            case "restrict":
                self.restrict(frozenset(json.loads(event.message)), event.time)
            case "give":
                self.give(Stage(event.stage), event.device, event.message, event.time)
            case "invalid":
                self.found_invalid(event.device, event.message.decode())
            case "withdraw":
                self.withdraw(event.device, event.time)
            case "hurry":
                self.hurry(event.time, event.message.decode())
            case _:
                raise DataError(
                    f"event {event.place} of round {self._number} is of an unknown kind: update this coordinator"
                )
