"""The app's background tasks for a federation: taking part in a round, joining, and leaving.

A newer global model from the coordinator is put into the mailbox. The keyboard installs it from there like a model released by a
desktop on the same machine (`keyboard_app.federating.local_rounds.TakingOver`).
"""

import shutil
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from data.errors import UserFacingError
from federation.protocol import api_messages
from federation.protocol.join_link import JoinLink
from keyboard_app.federating.membership import Joined, Membership
from keyboard_app.federating.model_history import NO
from keyboard_app.federating.received_models import load_received
from keyboard_app.federating.steps import STEPS, place
from keyboard_app.federating.word_offers import WordSource, shares_words
from keyboard_app.learning.background import Step, reason
from keyboard_app.learning.models import Models
from keyboard_app.recording.database.records import FORGOTTEN
from keyboard_app.recording.database.store import Store
from keyboard_app.recording.user_profile import RELEASING, STORE, Profile
from model.device.folder import Model, save_model
from model.device.learning.finetuning import Progress

if TYPE_CHECKING:
    from keyboard_app.federating.participant import Participant

_WAIT_SECONDS = 1.0  # for the answer to a check-in; stopping when the keyboard is used again may take as long
_PAUSE_SECONDS = 0.1  # between two turns in a round
_PATIENCE_SECONDS = 60.0  # in a round, for a coordinator that does not answer
_RETRY_SECONDS = 1.0  # between two attempts to reach a coordinator that does not answer


class TakingPart:
    """The task of asking for a round and taking part in it. It does nothing if the keyboard belongs to no federation.

    `title` is empty while the task only asks, which is not worth showing. Other threads may read `step`, `waiting` and `line` to
    show its progress.
    """

    def __init__(
        self, profile: Profile, models: Models, idle: Callable[[], bool], enough: bool = False, pause: float = 0.0
    ) -> None:
        """Starts from the newest global model.

        Args:
          profile: the person's profile.
          models: the keyboard's models.
          idle: returns whether the device is not in use.
          enough: whether the recorded messages are known to be enough to train on.
          pause: what the coordinator asked for last, in seconds, which holds until it answers again.
        """
        self.title = ""
        self.step = ""  # of `steps.STEPS`; empty outside of rounds
        self.waiting = False  # whether it waits for the other keyboards
        self.line = ""  # the latest event, in words for people
        self.failed = False  # whether it ended in an error, which `line` describes
        self.enough = enough  # whether the recorded messages are enough to train on, as far as it is known
        self.removed = False  # whether the federation has removed this keyboard
        # Seconds after which the coordinator wants to be asked again; 0: at this keyboard's own pace.
        self.pause = pause
        self._profile, self._model, self._idle = profile, models.global_model, idle

    def work(self) -> Generator[Progress | Step]:
        """Asks for a round, and takes part in it.

        Raises:
          RefusedError: the coordinator refuses this device.
          UnreachableError: the coordinator stopped answering during a round.
          DataError: the file of the membership cannot be read or written.
        """
        try:
            with Membership.open(self._profile.path, self._profile.vault) as membership:
                if (joined := membership.joined) is not None and not joined.leaving:
                    yield from self._take_part(membership, joined)
        except Exception as error:
            self.failed, self.line, self.step = True, reason(error), ""
            raise

    def _take_part(self, membership: Membership, joined: Joined) -> Generator[Progress | Step]:
        # Imported here, in the task's own thread: the HTTP client takes longer to import than a key press may take.
        from keyboard_app.federating.client import FederationClient, RefusedError
        from keyboard_app.federating.participant import Participant

        with FederationClient(joined.url, joined.certificate, joined.key) as client:
            needs = client, membership, self._newest_model(), self._messages, self._release, self._idle
            participant = Participant(*needs, enough=self.enough, words=self._words())
            participant.pause = self.pause
            try:
                yield from self._turns(participant)
            except RefusedError as error:
                self.removed = error.status == api_messages.REMOVED
                raise
            finally:
                self.enough, self.pause = participant.enough, participant.pause
                participant.withdraw()  # does nothing unless the task was stopped during a round

    def _turns(self, participant: "Participant") -> Generator[Progress | Step]:
        from keyboard_app.federating.client import UnreachableError

        answered = time.monotonic()
        while True:
            try:
                turn = participant.turn(_WAIT_SECONDS)
                while True:
                    try:
                        progress: Progress | Step = next(turn)
                    except StopIteration as done:
                        self.line = done.value or participant.note or self.line
                        break
                    self._show(participant)
                    yield progress
                if (question := participant.question) is not None and question.answer == NO:
                    self.line = "your keyboard waits for a newer version of the shared model"
                elif question is not None:
                    if self.line:  # the question is new, so it is worth showing
                        self.title = "your federation has a question"
                    self.line = "your federation has a question: answer it on the Federation page"
                answered, pause = time.monotonic(), _PAUSE_SECONDS
            except UnreachableError as error:
                self.line, pause = reason(error), _RETRY_SECONDS
                if not participant.busy:  # a later task asks again
                    self.failed = True
                    return
                if time.monotonic() - answered > _PATIENCE_SECONDS:
                    raise
            self._show(participant)
            if not participant.busy:
                return
            yield Step(place(self.step) - 1, len(STEPS))  # here the task can be stopped
            time.sleep(pause)

    def _show(self, participant: "Participant") -> None:
        self.step, self.waiting = participant.step, participant.waiting
        if self.step:
            self.title = "taking part in a round of your federation"

    def _newest_model(self) -> Model:
        """Returns the shared model that waits to be installed, which need not be fetched again; else the one in use."""
        waiting = self._profile.mailbox.waiting_release()
        if waiting is not None:
            # It may be damaged, or be installed or replaced at this moment.
            with suppress(UserFacingError, OSError, RuntimeError):
                return load_received(waiting, self._model)
        return self._model

    def _messages(self, model: Model) -> list[list[int]]:
        """Reads the recorded messages, in the task's own thread and only for a round: there may be many."""
        return [model.vocabulary.encode(text) for text in self._texts()]

    def _words(self) -> WordSource:
        def forgotten() -> frozenset[str]:
            with self._store() as store:
                return frozenset(store.words.marked(FORGOTTEN))

        return WordSource(lambda: shares_words(self._profile.settings), self._texts, forgotten)

    def _texts(self) -> list[str]:
        with self._store() as store:
            return [message.text for message in store.learnable()]

    def _store(self) -> "closing[Store]":
        return closing(Store.read(self._profile.path / STORE, self._profile.vault))

    def _release(self, model: Model) -> None:
        folder = self._profile.path / RELEASING
        save_model(folder, model, with_program=False)
        self._profile.mailbox.release(folder)
        shutil.rmtree(folder, ignore_errors=True)

    def finish(self) -> str:
        """Returns a line for people. There is nothing to install: a newer model waits in the mailbox."""
        return self.line if self.title else ""


class Joining:
    """The task of joining the federation of a link."""

    def __init__(self, profile: Profile, link: str) -> None:
        """Reads the link.

        Raises:
          DataError: the text is not a join link.
        """
        self.title = "joining the federation"
        self.error = ""  # why joining failed
        self._profile, self._link = profile, JoinLink.parse(link)

    def work(self) -> Generator[Step]:
        """Enrols with the coordinator.

        Raises:
          DataError: the coordinator's certificate is not the link's, or the keyboard belongs to a federation already.
          RefusedError: the link's code is not valid.
          UnreachableError: the coordinator does not answer.
        """
        from keyboard_app.federating.headless import join  # imported here because of the HTTP client, as above

        yield Step(0, 1)
        try:
            with Membership.open(self._profile.path, self._profile.vault) as membership:
                join(membership, self._link)
        except Exception as error:
            self.error = reason(error)
            raise

    def finish(self) -> str:
        """Returns a line for people."""
        return f"you have joined the federation at {self._link.host}:{self._link.port}"


class Leaving:
    """The task of leaving the federation."""

    def __init__(self, profile: Profile) -> None:
        self.title = "leaving the federation"
        self._profile, self._line = profile, ""

    def work(self) -> Generator[Step]:
        """Tells the coordinator, and deletes the key even if the coordinator does not answer.

        Raises:
          DataError: the file of the membership cannot be written.
        """
        from keyboard_app.federating.headless import leave  # imported here because of the HTTP client, as above

        with Membership.open(self._profile.path, self._profile.vault) as membership:
            if membership.joined is not None:
                self._line = leave(membership)
        yield Step(1, 1)

    def finish(self) -> str:
        """Returns a line for people."""
        return self._line
