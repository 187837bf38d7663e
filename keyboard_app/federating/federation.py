"""The federation that a keyboard may belong to: joining and leaving it, taking part in its rounds, and the shared updates."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from data.errors import UserFacingError
from federation.protocol.join_link import JoinLink
from keyboard_app.federating.membership import FILE, Joined, Membership, SharedUpdate, record_of
from keyboard_app.federating.model_history import Question
from keyboard_app.federating.tasks import Joining, Leaving, TakingPart
from keyboard_app.learning.background import BackgroundTasks
from keyboard_app.learning.models import Models
from keyboard_app.recording.user_profile import Profile

REST_SECONDS = 60.0  # time without use before the keyboard takes part in a round
ASK_SECONDS = 60.0  # time between two requests for a round
_REMOVED_SECONDS = 3_600.0  # the same, once the federation has removed this keyboard
_PATIENCE = 5.0  # seconds that closing waits for a coordinator that does not answer


@dataclass(frozen=True)
class Pace:
    """When a keyboard asks for rounds by itself."""

    rest: float = REST_SECONDS  # seconds without use before
    ask: float = ASK_SECONDS  # seconds between two requests
    on_battery: bool = False  # whether it does so while the machine runs on its battery


@dataclass(frozen=True)
class Standing:
    """The keyboard's membership of a federation, and the updates that it has shared."""

    joined: Joined | None = None
    joining: JoinLink | None = None  # the link of a federation that has not yet answered the request to join
    shared: list[SharedUpdate] = field(default_factory=list)  # every update that left the device, oldest first
    question: Question | None = None  # the latest one to the person that was not answered with yes


class Federation:
    """The keyboard's federation: starts the background tasks that talk to the coordinator. For the typing thread."""

    def __init__(self, profile: Profile, models: Models) -> None:
        self.pace = Pace()
        self.latest: TakingPart | None = None  # the latest request for a round, and its result
        # Of its own, because a round may wait for other keyboards for minutes while the person learns, forgets or imports here.
        self.background = BackgroundTasks()
        self._profile, self._models = profile, models
        self._asked = -math.inf
        # The numbers of deletions and resets when the messages were found to be enough.
        self._enough_since: tuple[int, int] | None = None
        self._next_words: tuple[object, list[str]] = None, []  # the state that they belong to
        self._leaving = False
        try:
            joined = self.standing().joined
            self._leaving = joined is not None and joined.leaving
        except UserFacingError as error:  # shown as a notice: typing must go on
            profile.notices.append(str(error))

    def standing(self) -> Standing:
        """Reads the membership and the shared updates from their file.

        Raises:
          DataError: the file of the membership cannot be read.
        """
        if not (self._profile.path / FILE).exists():
            return Standing()
        with self._membership() as membership:
            joined = membership.joined
            questions = membership.history().questions() if joined is not None else []
            return Standing(joined, membership.joining, membership.shared(), questions[-1] if questions else None)

    def next_words(self) -> list[str]:
        """Returns the words that this keyboard would offer in the next word discovery; none if the person shares no new words.

        Raises:
          DataError: the file of the membership or the messages cannot be read.
        """
        from keyboard_app.federating.word_offers import next_words, recorded_words, shares_words

        settings, store, model = self._profile.settings, self._profile.store, self._models.global_model
        if not shares_words(settings):
            return []
        shared = self.standing().shared
        outcomes = [(one.round_name, one.outcome) for one in shared if one.offered is not None]
        changes = store.newest_message(), store.last_deletion(), len(store.history.changes())
        state = changes, model.vocabulary.sha256, outcomes
        if self._next_words[0] != state:
            source = recorded_words(store, lambda: True)
            self._next_words = state, next_words(source, record_of(shared), model)
        return self._next_words[1]

    def join(self, link: str) -> Joining:
        """Starts joining the federation of a link. The task returned says why if joining fails.

        Raises:
          DataError: the text is not a join link, or another task of the federation is running.
        """
        task = Joining(self._profile, link)
        self.background.start(task)
        # A federation that the keyboard was in before may have removed it or asked it to stay away: this one has not.
        self.latest, self._asked = None, -math.inf
        return task

    def give_up_joining(self) -> None:
        """Stops trying to join.

        Raises:
          DataError: the file of the membership cannot be written.
        """
        with self._membership() as membership:
            membership.give_up()

    def answer(self, question: Question, yes: bool) -> str:
        """Stores the person's answer to a question; returns a line for people.

        Raises:
          DataError: the file of the membership cannot be written, or the keyboard has left the federation.
        """
        with self._membership() as membership:
            membership.history().answer(question, yes)
        if self.latest is not None:
            self.latest.line = ""  # it said that there is a question
        return (
            "your keyboard takes part again" if yes else "your keyboard waits for a newer version of the shared model"
        )

    def leave(self) -> None:
        """Stops taking part at once, and tells the coordinator as soon as no other task of the federation is running.

        Raises:
          DataError: the file of the membership cannot be written.
        """
        with self._membership() as membership:
            membership.wish_to_leave()
        self._leaving = True
        self.leave_round()
        self.attend()

    def attend(self) -> None:
        """Starts telling the coordinator that the keyboard leaves, if it does not know yet and no other task is running."""
        if self._leaving and self.background.task is None:
            self._leaving = False
            self.background.start(Leaving(self._profile))

    def take_part(self, idle: Callable[[], bool] = lambda: True) -> None:
        """Starts the task of asking for a round and taking part in it.

        Args:
          idle: returns whether the device is not in use; called during the task, in its thread.

        Raises:
          DataError: another task of the federation is running.
        """
        store = self._profile.store
        state = store.last_deletion(), len(store.history.changes())
        if self.latest is not None and not self.latest.enough:
            self._enough_since = None
        pause = 0.0 if self.latest is None else self.latest.pause
        task = TakingPart(self._profile, self._models, idle, self._enough_since == state, pause)
        self.background.start(task)
        self.latest, self._enough_since = task, state

    def take_part_if_due(
        self,
        rested: Callable[[], float],
        charging: bool | None,
        now: float,
        since_typing: Callable[[], float] | None = None,
    ) -> None:
        """Starts the task of `take_part` if it is due, the keyboard is at rest, and no other task of the federation is running.

        Args:
          rested: returns the seconds since the keyboard was used in any way.
          charging: whether the machine is charging; None if it has no battery or the system does not say.
          now: seconds of a monotonic clock.
          since_typing: returns the seconds since the last key; called during the task, in its thread. Only typing makes the
            keyboard leave a round: looking at a page or changing a setting does not. `rested` if not given.
        """
        pause = self.pace.ask
        if self.latest is not None:
            pause = max(pause, _REMOVED_SECONDS if self.latest.removed else self.latest.pause)
        powered = charging is not False or self.pace.on_battery
        due = now - self._asked >= pause and rested() >= self.pace.rest and powered
        if due and self.background.task is None and (self._profile.path / FILE).exists():
            self._asked = now
            idle, rest = since_typing or rested, self.pace.rest
            self.take_part(lambda: idle() >= rest)

    def leave_round(self) -> None:
        """Leaves the current round, if there is one."""
        if isinstance(self.background.task, TakingPart):
            self.background.stop()

    @property
    def round_going_on(self) -> TakingPart | None:
        """The task of the round that this keyboard is in, or None."""
        task = self.background.task
        return task if isinstance(task, TakingPart) and task.step else None

    def close(self) -> None:
        """Stops the running task. A coordinator that does not answer is not waited for: cutting off such a call does no harm."""
        self.background.cancel(_PATIENCE)

    def _membership(self) -> Membership:
        return Membership.open(self._profile.path, self._profile.vault, self._profile.notices)
