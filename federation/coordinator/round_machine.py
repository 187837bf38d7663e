"""A round over real devices, from the first that checks in to the sum of what they learned: its stages, and what ends each.

    selection   devices that are free check in                       until as many as the target asks for, and some more
    keys        each gives its keys of this round                    until all have, or the deadline
    shares      each gives the shares of its secrets to the others   until all have, or the deadline
    reporting   each trains, and gives its masked update             until the target has, or all, or the deadline
    unmasking   those that reported give shares of secrets           until the sum can be unmasked
    commit      the sum is unmasked and becomes the next model       until that is done
    committed, aborted: the round is over

A stage that its deadline ends goes on with the devices that gave something in time, if they are at least `minimum`; with fewer the
round is aborted, and nothing was revealed. A device that misses a stage is out of the round. The stages are those of Bonawitz
et al. 2017 (CCS), Figure 4, after the selection of Bonawitz et al. 2019 (arXiv 1902.01046), Section 2.2, with its over-selection;
the cryptography is `federation.protocol`'s.

This object is pure: messages and the time come in from outside, and it does nothing by itself.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from data.errors import DataError, UserFacingError
from federation.protocol.secure_aggregation.neighbours import MIN_DEVICES


class Stage(StrEnum):
    """Where a round is."""

    SELECTION = "selection"
    KEYS = "keys"
    SHARES = "shares"
    REPORTING = "reporting"
    UNMASKING = "unmasking"
    COMMIT = "commit"
    COMMITTED = "committed"
    ABORTED = "aborted"


GIVING = (Stage.KEYS, Stage.SHARES, Stage.REPORTING, Stage.UNMASKING)  # the stages in which devices give something


class MessageRefusedError(UserFacingError):
    """A message that the round cannot take: it came late (the round went on without the device), twice, early, or is not right."""

    def __init__(self, reason: str, *, late: bool = False, repeated: bool = False, early: bool = False) -> None:
        super().__init__(reason)
        self.late, self.repeated, self.early = late, repeated, early


@dataclass(frozen=True)
class Rules:
    """How many devices a round needs, and how many seconds its stages last at most."""

    minimum: int = 3  # with fewer there is no sum
    target: int = 20
    over_selection: float = 1.3  # devices called for each that is hoped for: some drop out
    selection_seconds: float = 600.0
    keys_seconds: float = 60.0
    shares_seconds: float = 60.0
    reporting_seconds: float = 600.0
    unmasking_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not MIN_DEVICES <= self.minimum <= self.target:
            raise DataError(
                f"a round needs at least {MIN_DEVICES} devices and no more than its target, not {self.minimum} of {self.target}"
            )
        if not self.over_selection >= 1:
            raise DataError(f"over-selection is at least 1, not {self.over_selection}")

    @property
    def called(self) -> int:
        """How many devices are selected."""
        return math.ceil(self.target * self.over_selection)

    def seconds(self, stage: Stage) -> float:
        """How long a stage lasts at most; the commit takes what it takes."""
        return math.inf if stage == Stage.COMMIT else getattr(self, f"{stage}_seconds")


class Summation(Protocol):
    """What a round asks of the server's side of secure aggregation (`federation.coordinator.secure_sum`)."""

    def open(self, devices: Collection[str]) -> None:
        """The devices are selected; their keys are next. Raises a DataError if they are too few."""

    def receive(self, stage: str, device: str, message: bytes) -> None:
        """Takes a device's message of a stage; whatever is wrong with it raises a DataError and changes nothing."""

    def close(self, stage: str) -> set[str]:
        """The stage is over; returns the devices that go on. Raises a DataError if they are too few."""

    def message(self, device: str) -> bytes:
        """What a device needs of the others for its part in the stage that goes on."""

    def largest(self, stage: str) -> int:
        """The most bytes that a message of a stage may have."""

    def can_unmask(self) -> bool:
        """Whether the shares that came in are enough."""

    def unmask(self) -> bytes:
        """The sum of those that reported. Raises a DataError where it cannot be had."""


class Round:
    """One round. `cohort` are the devices selected, `given` those that gave something in the stage that goes on."""

    def __init__(self, name: str, rules: Rules, secure: Summation, now: float) -> None:
        self.name, self.rules, self.secure = name, rules, secure
        self.stage, self.since = Stage.SELECTION, now
        self.reason = ""  # why it was aborted
        self.cohort: set[str] = set()
        self.expected: set[str] = set()  # the devices that are still in the round
        self.given: set[str] = set()
        self.counted: set[str] = set()  # those whose updates are in the sum

    @property
    def over(self) -> bool:
        """Whether nothing can happen in it any more."""
        return self.stage in (Stage.COMMITTED, Stage.ABORTED)

    @property
    def deadline(self) -> float:
        """When the stage ends at the latest."""
        return math.inf if self.over else self.since + self.rules.seconds(self.stage)

    def check_in(self, device: str, now: float) -> bool:
        """A device is free; returns whether it is in the round."""
        self.tick(now)
        if self.stage == Stage.SELECTION and len(self.cohort) < self.rules.called:
            self.cohort.add(device)
            self.expected.add(device)
            self._move_on(now)
        return device in self.expected

    def give(self, stage: Stage, device: str, message: bytes, now: float) -> None:
        """Takes a device's message of a stage.

        Raises:
          MessageRefusedError: the device is not in the round, or its message is early, late, there already, or not as it should be; the
            round stays as it was.
        """
        self.tick(now)
        if device not in self.cohort:
            raise MessageRefusedError("this device was not selected for the round")
        if self.over:
            raise MessageRefusedError(
                f"the round is {self.stage}{f': {self.reason}' if self.reason else ''}", late=True
            )
        order = list(Stage)
        if order.index(stage) < order.index(self.stage) or device not in self.expected:
            raise MessageRefusedError(
                f"too late for {stage}: the round went on to {self.stage} without this device", late=True
            )
        if stage != self.stage:
            raise MessageRefusedError(f"too early for {stage}: the round is at {self.stage}", early=True)
        if device in self.given:
            raise MessageRefusedError(f"this device has given what {stage} asks for already", repeated=True)
        try:
            self.secure.receive(stage, device, message)
        except UserFacingError as error:
            raise MessageRefusedError(str(error)) from error
        self.given.add(device)
        self._move_on(now)

    def gave(self, device: str) -> bool:
        """Whether the stage that goes on needs nothing more of a device."""
        return device in self.given

    def needs(self, device: str) -> bytes:
        """What a device needs for its part in the stage that goes on.

        Raises:
          MessageRefusedError: it has no part in it.
        """
        if self.stage not in GIVING or device not in self.expected:
            raise MessageRefusedError(f"this device has no part in {self.stage}", late=device in self.cohort)
        return self.secure.message(device)

    def withdraw(self, device: str, now: float) -> None:
        """A device says that it cannot go on; the others need not wait for it. What it gave before counts as far as it went."""
        self.tick(now)
        if not self.over and device not in self.given:
            self.expected.discard(device)
            if self.stage == Stage.SELECTION:
                self.cohort.discard(device)
            self._move_on(now)

    def tick(self, now: float) -> None:
        """Ends a stage whose deadline has passed."""
        while not self.over and now >= self.deadline:
            self._end_stage(self.deadline)

    def committed(self) -> None:
        """The next model is in its place."""
        assert self.stage == Stage.COMMIT  # noqa: S101
        self.stage = Stage.COMMITTED

    def abort(self, reason: str) -> None:
        """Ends the round without a result; nothing of it is kept."""
        if not self.over:
            self.stage, self.reason = Stage.ABORTED, reason

    def _move_on(self, now: float) -> None:
        """Ends the stage if it has all it can get, or all it wants."""
        if self.stage == Stage.SELECTION:
            done = len(self.cohort) >= self.rules.called
        elif self.stage == Stage.UNMASKING:
            done = self.secure.can_unmask() or self.given >= self.expected
        else:
            wanted = self.rules.target if self.stage == Stage.REPORTING else math.inf
            done = self.given >= self.expected or len(self.given) >= wanted
        if done and self.stage in (Stage.SELECTION, *GIVING):
            self._end_stage(now)

    def _end_stage(self, now: float) -> None:
        ended, left = self.stage, self.expected if self.stage == Stage.SELECTION else self.given
        try:
            if ended != Stage.UNMASKING and len(left) < self.rules.minimum:
                raise DataError(f"{len(left)} devices at the end of {ended}, and {self.rules.minimum} are needed")
            if ended == Stage.SELECTION:
                self.secure.open(left)
            elif ended != Stage.UNMASKING:
                left = self.secure.close(ended)
            elif not self.secure.can_unmask():
                raise DataError(f"the shares of the {len(left)} devices left do not unmask the sum")
        except UserFacingError as error:
            self.abort(str(error))
            return
        if ended == Stage.REPORTING:
            self.counted = set(left)
        order = list(Stage)
        self.stage, self.since = order[order.index(ended) + 1], now
        self.expected, self.given = set(left), set()
