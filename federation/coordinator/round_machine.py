"""A round over real devices, from the first check-in to the unmasked sum: its stages, and what ends each of them.

    selection   free devices check in                                until the target and the over-selection are reached, or the
                                                                     minimum is there and no other device has come for a while
    keys        each device sends its keys for this round            until all have, or the deadline
    shares      each sends the others shares of its secrets          until all have, or the deadline
    reporting   each trains, and sends its masked update             until the target has, or all have, or the deadline
    consistency the devices that reported sign who is in the sum     until all have, or the deadline
    unmasking   the devices that reported send shares of secrets     until the sum can be unmasked, or the deadline
    commit      the sum is unmasked and becomes the next model       until that is done
    committed, aborted: the round is over

After a deadline the round continues with the devices that sent something in time, if they are at least `minimum`. With fewer it is
aborted, and nothing is revealed. A device that misses a stage is out of the round. One that sent an invalid message in a stage and
no valid one in its place is in `culprits`: no honest device does that. The stages are those of Bonawitz et al. 2017
(CCS), Figure 4, after the selection of Bonawitz et al. 2019 (arXiv 1902.01046), Section 2.2, with its over-selection; the
cryptography is in `federation.protocol`.

A `Round` has no clock and no network: messages and the time are passed in.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Protocol

from data.errors import DataError, UserFacingError
from federation.protocol.secure_aggregation.neighbours import COMPLETE_UP_TO, MIN_DEVICES

_HURRIED_SECONDS = 2.0  # for which a hurried selection waits for more devices than the minimum


class Stage(StrEnum):
    """The stages of a round, in order."""

    SELECTION = "selection"
    KEYS = "keys"
    SHARES = "shares"
    REPORTING = "reporting"
    CONSISTENCY = "consistency"
    UNMASKING = "unmasking"
    COMMIT = "commit"
    COMMITTED = "committed"
    ABORTED = "aborted"

    @property
    def place(self) -> int:
        """The stage's place in the order, from 0."""
        return list(Stage).index(self)


# The stages in which devices send something.
GIVING = (Stage.KEYS, Stage.SHARES, Stage.REPORTING, Stage.CONSISTENCY, Stage.UNMASKING)

# The largest share of the selected devices that a round does not need. With few neighbours each, more missing devices could leave
# one of them without enough neighbours to recover its masks (`neighbours.Assumptions.dropout`).
_MOST_SPARE = 0.1


class RefusalKind(Enum):
    """Why a round refuses a message."""

    INVALID = auto()  # the message, or its sender, is wrong
    LATE = auto()  # the round continued without the device
    REPEATED = auto()  # the device has sent it before
    EARLY = auto()  # the round has not reached the stage


class MessageRefusedError(UserFacingError):
    """A message that the round cannot accept; the round is unharmed."""

    def __init__(self, reason: str, kind: RefusalKind = RefusalKind.INVALID) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class Rules:
    """How many devices a round needs, and how many seconds its stages last at most.

    Raises:
      DataError: the numbers contradict each other.
    """

    minimum: int = 3  # devices; with fewer there is no sum
    target: int = 20  # devices in a sum at most
    over_selection: float = 1.3  # devices selected for each in the target, since some drop out
    selection_seconds: float = 600.0
    keys_seconds: float = 60.0
    shares_seconds: float = 60.0
    reporting_seconds: float = 600.0
    consistency_seconds: float = 60.0
    unmasking_seconds: float = 60.0
    settle_seconds: float = 15.0  # without another device, after which a selection with the minimum ends

    def __post_init__(self) -> None:
        if self.minimum < MIN_DEVICES:
            raise DataError(
                f"the minimum is at least {MIN_DEVICES} devices, not {self.minimum}: "
                "a sum over fewer would show what a single device learned"
            )
        if self.minimum > self.target:
            raise DataError(
                f"the minimum of {self.minimum} devices is above the target of {self.target}: "
                "raise the target or lower the minimum"
            )
        if not self.over_selection >= 1:
            raise DataError(f"over-selection is at least 1, not {self.over_selection}")

    @property
    def selected(self) -> int:
        """The number of devices to select. Of more than 100, at most a tenth is not needed for the target."""
        wanted = math.ceil(self.target * self.over_selection)
        return min(wanted, max(COMPLETE_UP_TO, math.floor(self.target / (1 - _MOST_SPARE))))

    def seconds(self, stage: Stage) -> float:
        """Returns how long a stage lasts at most; the commit has no limit."""
        limits = {
            Stage.SELECTION: self.selection_seconds,
            Stage.KEYS: self.keys_seconds,
            Stage.SHARES: self.shares_seconds,
            Stage.REPORTING: self.reporting_seconds,
            Stage.CONSISTENCY: self.consistency_seconds,
            Stage.UNMASKING: self.unmasking_seconds,
        }
        return limits.get(stage, math.inf)


class Summation(Protocol):
    """The server's side of secure aggregation for one round (implemented by `federation.coordinator.secure_sum`)."""

    def open(self, devices: Collection[str]) -> None:
        """Starts with the selected devices, whose keys come next. Raises a DataError if they are too few."""

    def receive(self, stage: Stage, device: str, message: bytes) -> None:
        """Takes a device's message of a stage. Raises a DataError, and changes nothing, if anything is wrong with it."""

    def close(self, stage: Stage) -> set[str]:
        """Ends a stage; returns the devices that continue. Raises a RoundAbortedError if they are too few."""

    def message(self, device: str) -> bytes:
        """Returns the coordinator's message to a device for the current stage."""

    def largest(self, stage: Stage) -> int:
        """Returns the most bytes that a message of a stage may have."""

    def can_unmask(self) -> bool:
        """Returns whether the shares received are enough to unmask the sum."""

    def disputes(self) -> set[frozenset[str]]:
        """Returns the pairs of devices of which one lies, because they contradict each other about a secret's shares."""

    def unmask(self) -> bytes:
        """Returns the sum over the devices that reported. Raises a RoundAbortedError if it cannot be recovered."""


class Round:
    """One round. `cohort` holds the selected devices, `given` those that have sent their message of the current stage."""

    def __init__(self, name: str, rules: Rules, secure: Summation, now: float) -> None:
        self.name, self.rules, self.secure = name, rules, secure
        self.stage, self.since = Stage.SELECTION, now
        self.reason = ""  # reason of an abort
        self.cohort: set[str] = set()
        self.expected: set[str] = set()  # devices still in the round
        self.given: set[str] = set()
        self.counted: set[str] = set()  # devices whose updates are in the sum
        self._hurried = math.inf  # when it was asked to end its selection as soon as the minimum is there, and why
        self._why_hurried = ""
        self.history: list[tuple[float, str]] = []  # when stages ended, and why, for people
        self._joined = now  # when the newest device was selected
        self.group: frozenset[str] | None = None  # the only devices that may be selected; None if all may
        self.culprits: dict[str, str] = {}  # devices that broke the protocol, and how
        self.disputes: set[frozenset[str]] = set()  # pairs of devices of which one lies
        self.dropouts: set[str] = set()  # devices of the cohort that were missing when the round was aborted
        self._invalid: dict[str, str] = {}  # reasons of refused messages, by devices that sent no valid one since
        self._leaving: set[str] = set()  # devices that take no part in the stages to come

    @property
    def over(self) -> bool:
        """Whether the round is committed or aborted."""
        return self.stage in (Stage.COMMITTED, Stage.ABORTED)

    @property
    def deadline(self) -> float:
        """The latest time at which the stage ends."""
        if self.over:
            return math.inf
        return min(self.since + self.rules.seconds(self.stage), self._settled)

    @property
    def _settled(self) -> float:
        """The time at which a selection with the minimum stops waiting for more devices."""
        if self.stage != Stage.SELECTION or len(self.cohort) < self.rules.minimum:
            return math.inf
        if self._hurried < math.inf:
            return max(self._hurried, self._joined + min(self.rules.settle_seconds, _HURRIED_SECONDS))
        return self._joined + self.rules.settle_seconds

    def hurry(self, now: float, why: str = "it was started now") -> int:
        """Ends the selection as soon as the minimum is there; returns how many devices are missing for that.

        It waits for a moment, so that devices which check in at the same time are selected as well.

        Raises:
          DataError: the selection is over.
        """
        self.tick(now)
        if self.stage != Stage.SELECTION:
            raise DataError(f"the round has begun already: it is at {self.stage}")
        if self._hurried == math.inf:
            self._hurried, self._why_hurried = now, why
        self.tick(now)
        return max(self.rules.minimum - len(self.cohort), 0) if self.stage == Stage.SELECTION else 0

    def check_in(self, device: str, now: float) -> bool:
        """Selects a free device if there is room; returns whether the device is in the round."""
        self.tick(now)
        if self.stage == Stage.SELECTION and len(self.cohort) < self._room and self.admits(device):
            if device not in self.cohort:
                self._joined = now
            self.cohort.add(device)
            self.expected.add(device)
            self._move_on(now)
        return device in self.expected

    @property
    def _room(self) -> int:
        return self.rules.selected if self.group is None else min(self.rules.selected, len(self.group))

    def admits(self, device: str) -> bool:
        """Returns whether a device may be selected."""
        return self.group is None or device in self.group

    def restrict(self, group: frozenset[str], now: float) -> None:
        """Selects no other devices than these, and lets go of others that have been selected; call it during the selection."""
        if self.stage == Stage.SELECTION:
            self.group = group
            self.cohort &= group
            self.expected &= group
            self._move_on(now)

    def give(self, stage: Stage, device: str, message: bytes, now: float) -> None:
        """Takes a device's message of a stage.

        Raises:
          MessageRefusedError: the device is not in the round, or its message is early, late, repeated or invalid; the round is
            unharmed.
        """
        self.tick(now)
        if device not in self.cohort:
            raise MessageRefusedError("this device was not selected for the round")
        if self.over:
            because = f": {self.reason}" if self.reason else ""
            raise MessageRefusedError(f"the round is {self.stage}{because}", RefusalKind.LATE)
        if stage.place < self.stage.place or device not in self.expected:
            raise MessageRefusedError(
                f"too late for {stage}: the round continued to {self.stage} without this device", RefusalKind.LATE
            )
        if stage != self.stage:
            raise MessageRefusedError(f"too early for {stage}: the round is at {self.stage}", RefusalKind.EARLY)
        if device in self.given:
            raise MessageRefusedError(f"this device has already sent its message for {stage}", RefusalKind.REPEATED)
        try:
            self.secure.receive(stage, device, message)
        except UserFacingError as error:
            self.found_invalid(device, str(error))
            raise MessageRefusedError(str(error)) from error
        self._invalid.pop(device, None)
        self.given.add(device)
        self._move_on(now)

    def found_invalid(self, device: str, reason: str) -> None:
        """Notes that a device's message of the current stage was not valid."""
        if device in self.expected and device not in self.given:
            self._invalid[device] = f"its message of {self.stage} was not valid: {reason}"

    def gave(self, device: str) -> bool:
        """Returns whether a device has sent its message of the current stage."""
        return device in self.given

    def needs(self, device: str) -> bytes:
        """Returns the coordinator's message to a device for the current stage.

        Raises:
          MessageRefusedError: the device takes no part in the stage.
        """
        if self.stage not in GIVING or device not in self.expected:
            kind = RefusalKind.LATE if device in self.cohort else RefusalKind.INVALID
            raise MessageRefusedError(f"this device takes no part in {self.stage}", kind)
        return self.secure.message(device)

    def withdraw(self, device: str, now: float) -> None:
        """Stops waiting for a device that cannot continue. The messages that it has sent stay valid."""
        self.tick(now)
        if self.over or device not in self.expected:
            return
        self._leaving.add(device)
        if device not in self.given:
            self._blame(device)
            self.expected.discard(device)
            if self.stage == Stage.SELECTION:
                self.cohort.discard(device)
                self._leaving.discard(device)
            self._move_on(now)

    def tick(self, now: float) -> None:
        """Ends stages whose deadline has passed."""
        while not self.over and now >= self.deadline:
            self._end_stage(self.deadline, self._why_at_deadline())

    def committed(self) -> None:
        """Ends the round with the next model in place; call it in the commit stage.

        Raises:
          RuntimeError: the round is at another stage.
        """
        if self.stage != Stage.COMMIT:
            raise RuntimeError(f"a round at {self.stage} cannot be committed")
        self.stage = Stage.COMMITTED

    def abort(self, reason: str) -> None:
        """Ends the round without a result; nothing of it is kept."""
        if not self.over:
            self.stage, self.reason = Stage.ABORTED, reason

    def _move_on(self, now: float) -> None:
        """Ends the stage if no more messages can arrive or are needed."""
        if self.stage == Stage.SELECTION:
            done = len(self.cohort) >= self._room
        elif self.stage == Stage.UNMASKING:
            done = self.secure.can_unmask() or self.given >= self.expected
        else:
            enough = self.rules.target if self.stage == Stage.REPORTING else math.inf
            done = self.given >= self.expected or len(self.given) >= enough
        if done and self.stage in (Stage.SELECTION, *GIVING):
            self._end_stage(now, self._why_done())

    def _why_done(self) -> str:
        if self.stage == Stage.SELECTION:
            return "every place is taken"
        if self.stage == Stage.UNMASKING and self.secure.can_unmask():
            return "the sum can be unmasked"
        if self.given >= self.expected:
            return "all devices have sent their part"
        return "enough devices have sent their part"

    def _why_at_deadline(self) -> str:
        if self._settled > self.deadline:
            return f"its {self.rules.seconds(self.stage):g} seconds are over"
        return self._why_hurried or f"no other device came for {self.rules.settle_seconds:g} seconds"

    def _end_stage(self, now: float, why: str) -> None:
        ended, left = self.stage, self.expected if self.stage == Stage.SELECTION else self.given
        for device in self.expected - left:
            self._blame(device)
        try:
            if ended not in (Stage.CONSISTENCY, Stage.UNMASKING) and len(left) < self.rules.minimum:
                raise DataError(
                    f"{len(left)} devices at the end of {ended}, fewer than the {self.rules.minimum} that are needed"
                )
            if ended == Stage.SELECTION:
                self.secure.open(left)
            elif ended != Stage.UNMASKING:
                left = self.secure.close(ended)
            elif not self.secure.can_unmask():
                raise DataError(f"the shares of the {len(left)} devices left do not unmask the sum")
        except UserFacingError as error:
            if ended == Stage.UNMASKING:
                self.disputes = self.secure.disputes()
            self.dropouts = self.cohort - left
            self.abort(str(error))
            return
        count = f"{len(left)} device{'s' * (len(left) != 1)}"
        lost = f" of {len(self.expected)}" if len(left) < len(self.expected) else ""
        if ended == Stage.REPORTING:
            self.counted = set(left)
        self.stage, self.since = list(Stage)[ended.place + 1], now
        self.history.append((now, f"{ended} ended with {count}{lost}: {why}; the next stage is {self.stage}"))
        self.expected, self.given = set(left) - self._leaving, set()
        if not self.expected:  # all have left: the deadline would only be waited for
            self._move_on(now)

    def _blame(self, device: str) -> None:
        """Notes that a device broke the protocol, if it sent an invalid message and no valid one in its place."""
        if (reason := self._invalid.pop(device, "")) and device not in self.culprits:
            self.culprits[device] = reason
