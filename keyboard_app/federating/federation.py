"""The federation that a person's keyboard may belong to: to join, leave, take part in its rounds, and see what was shared."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from data.errors import UserFacingError
from federation.protocol.join_link import JoinLink
from keyboard_app.federating.membership import FILE, Joined, Membership, SharedUpdate
from keyboard_app.federating.tasks import Joining, Leaving, TakingPart
from keyboard_app.learning.background import BackgroundTasks
from keyboard_app.learning.models import Models
from keyboard_app.recording.user_profile import Profile

REST_SECONDS = 60.0  # that the keyboard must have been left alone for
ASK_SECONDS = 60.0  # between two questions whether there is a round


@dataclass(frozen=True)
class Standing:
    """Where the keyboard stands."""

    joined: Joined | None = None
    joining: JoinLink | None = None  # a federation that it began to join and has not heard from
    shared: list[SharedUpdate] = field(default_factory=list)  # ever, oldest first


class Federation:
    """Speaks with the coordinator in the background, one thing at a time with all else there. For the typing thread."""

    def __init__(self, profile: Profile, models: Models, worker: BackgroundTasks) -> None:
        self.latest: TakingPart | None = None  # the newest question whether there is a round, and what came of it
        self._profile, self._models, self._worker = profile, models, worker
        self._asked = -math.inf
        self._leaving = False
        try:
            joined = self.standing().joined
            self._leaving = joined is not None and joined.leaving
        except UserFacingError as error:  # typing goes on
            profile.notices.append(str(error))

    def standing(self) -> Standing:
        """Where the keyboard stands.

        Raises:
          DataError: the file of the membership cannot be read.
        """
        if not (self._profile.path / FILE).exists():
            return Standing()
        with self._membership() as membership:
            return Standing(membership.joined, membership.joining, membership.shared())

    def join(self, link: str) -> Joining:
        """Begins to join the federation of a link; the task returned says why where it does not go well.

        Raises:
          DataError: it is no link, or something else goes on in the background.
        """
        task = Joining(self._profile, link)
        self._worker.start(task)
        return task

    def give_up_joining(self) -> None:
        """Does not join after all.

        Raises:
          DataError: that cannot be written.
        """
        with self._membership() as membership:
            membership.give_up()

    def leave(self) -> None:
        """Takes part in nothing from now on; the coordinator is told as soon as nothing else goes on in the background.

        Raises:
          DataError: that cannot be written.
        """
        with self._membership() as membership:
            membership.wish_to_leave()
        self._leaving = True
        self.leave_round()
        self.attend()

    def attend(self) -> None:
        """Begins what was left undone: to tell the coordinator that the keyboard leaves."""
        if self._leaving and self._worker.task is None:
            self._leaving = False
            self._worker.start(Leaving(self._profile))

    def take_part(self, idle: Callable[[], bool] = lambda: True) -> None:
        """Begins to ask for a round, and to go through it.

        Args:
          idle: whether the device has nothing better to do; looked at while the task goes on, in its thread.

        Raises:
          DataError: something else goes on in the background.
        """
        task = TakingPart(self._profile, self._models, idle)
        self._worker.start(task)
        self.latest = task

    def take_part_if_due(self, rested: Callable[[], float], charging: bool | None, now: float) -> None:
        """The same if the time has come, and nothing else goes on.

        Args:
          rested: seconds since the keyboard was used; looked at while the task goes on, too.
          charging: whether the machine is; None where there is no battery.
          now: seconds of a clock that does not go back.
        """
        due = now - self._asked >= ASK_SECONDS and rested() >= REST_SECONDS and charging is not False
        if due and self._worker.task is None and (self._profile.path / FILE).exists():
            self._asked = now
            self.take_part(lambda: rested() >= REST_SECONDS)

    def leave_round(self) -> None:
        """Takes no further part in the round that goes on, if one does."""
        if isinstance(self._worker.task, TakingPart):
            self._worker.stop()

    @property
    def round_going_on(self) -> TakingPart | None:
        """The task of a round that this keyboard is in the middle of."""
        task = self._worker.task
        return task if isinstance(task, TakingPart) and task.step else None

    @property
    def speaking(self) -> bool:
        """Whether the task that goes on waits for the coordinator now and then."""
        return isinstance(self._worker.task, TakingPart | Joining | Leaving)

    def _membership(self) -> Membership:
        return Membership.open(self._profile.path, self._profile.vault, self._profile.notices)
