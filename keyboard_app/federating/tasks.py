"""Rounds of a federation in the app: a task that asks the coordinator whether there is one, and goes through it.

A newer global model that the coordinator has goes into the mailbox, where the keyboard finds and takes it over as one from a
desktop on the same machine (`keyboard_app.federating.local_rounds.TakingOver`).
"""

import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from federation.protocol.join_link import JoinLink
from keyboard_app.federating.membership import Joined, Membership
from keyboard_app.federating.steps import STEPS, place
from keyboard_app.learning.background import Step, reason
from keyboard_app.learning.models import Models
from keyboard_app.recording.store import Store
from keyboard_app.recording.user_profile import STORE, Profile
from model.device.folder import Model, save_model
from model.device.learning.finetuning import Progress

if TYPE_CHECKING:
    from keyboard_app.federating.participant import Participant

_WAIT_SECONDS = 1.0  # for each answer: how long it takes to stop when the keyboard is used again
_PAUSE_SECONDS = 0.1  # between two questions in the middle of a round
_PATIENCE = 60.0  # seconds in the middle of a round for a coordinator that does not answer
_RETRY_SECONDS = 1.0


class TakingPart:
    """The task of one round, if there is one; nothing where the keyboard belongs to no federation.

    `title` is empty while it only asks, which nobody need be told. `step`, `waiting` and `line` say, to other threads too, how far
    it is.
    """

    def __init__(self, profile: Profile, models: Models, idle: Callable[[], bool]) -> None:
        """Takes the newest global model; `idle` says whether the device has nothing better to do."""
        self.title = ""
        self.step = ""  # of `round_steps.STEPS`; empty outside of rounds
        self.waiting = False  # for the other devices
        self.line = ""  # the newest that there is to say
        self.failed = False  # whether it ended in an error, which `line` says
        self._profile, self._model, self._idle = profile, models.global_model, idle

    def work(self) -> Generator[Progress | Step]:
        """Asks, and goes through the round.

        Raises:
          DataError: the coordinator refuses this device, or goes away in the middle of a round.
        """
        try:
            with Membership.open(self._profile.path, self._profile.vault) as membership:
                if (joined := membership.joined) is not None and not joined.leaving:
                    yield from self._take_part(membership, joined)
        except Exception as error:
            self.failed, self.line, self.step = True, reason(error), ""
            raise

    def _take_part(self, membership: Membership, joined: Joined) -> Generator[Progress | Step]:
        # Imported here, in the task's own thread: what speaks HTTP takes longer to import than a key may wait.
        from keyboard_app.federating.client import FederationClient
        from keyboard_app.federating.participant import Participant

        with FederationClient(joined.url, joined.certificate, joined.key) as client:
            participant = Participant(client, membership, self._model, self._messages, self._release, self._idle)
            try:
                yield from self._turns(participant)
            finally:
                participant.withdraw()  # where it was stopped in the middle

    def _turns(self, participant: "Participant") -> Generator[Progress | Step]:
        from keyboard_app.federating.client import UnreachableError

        heard = time.monotonic()
        while True:
            try:
                turn = participant.turn(_WAIT_SECONDS)
                while True:
                    try:
                        progress: Progress | Step = next(turn)
                    except StopIteration as done:
                        self.line = done.value or self.line
                        break
                    self._show(participant)
                    yield progress
                heard, pause = time.monotonic(), _PAUSE_SECONDS
            except UnreachableError as error:
                self.line, pause = reason(error), _RETRY_SECONDS
                if not participant.busy:  # it is asked again later
                    self.failed = True
                    return
                if time.monotonic() - heard > _PATIENCE:
                    raise
            self._show(participant)
            if not participant.busy:
                return
            yield Step(place(self.step) - 1, len(STEPS))  # where it can be stopped
            time.sleep(pause)

    def _show(self, participant: "Participant") -> None:
        self.step, self.waiting = participant.step, participant.waiting
        if self.step:
            doing = "waiting for the other devices" if self.waiting else STEPS[self.step]
            self.title = f"a round of your federation: {doing}"

    def _messages(self, model: Model) -> list[list[int]]:
        """The recorded messages, read in the task's own thread once a round wants them: there may be many."""
        store = Store.read(self._profile.path / STORE, self._profile.vault)
        try:
            return [model.vocabulary.encode(message.text) for message in store.learnable()]
        finally:
            store.close()

    def _release(self, model: Model) -> None:
        with tempfile.TemporaryDirectory(prefix="keyboard-") as folder:
            save_model(Path(folder) / "model", model)
            self._profile.mailbox.release(Path(folder) / "model")

    def finish(self) -> str:
        """Nothing changes here; a newer model waits in the mailbox."""
        return self.line if self.title else ""


class Joining:
    """The task of joining the federation of a link."""

    def __init__(self, profile: Profile, link: str) -> None:
        """Takes the link.

        Raises:
          DataError: it is none.
        """
        self.title = "joining the federation"
        self.error = ""  # why it did not go well
        self._profile, self._link = profile, JoinLink.parse(link)

    def work(self) -> Generator[Step]:
        """Enrols with the coordinator.

        Raises:
          DataError: it is another than the link's, the code is not good, or nobody answers.
        """
        from keyboard_app.federating.headless import join  # here for the reason above

        yield Step(0, 1)
        try:
            with Membership.open(self._profile.path, self._profile.vault) as membership:
                join(membership, self._link)
        except Exception as error:
            self.error = reason(error)
            raise

    def finish(self) -> str:
        """Says so."""
        return f"you belong to the federation at {self._link.host}:{self._link.port} now"


class Leaving:
    """The task of leaving the federation."""

    def __init__(self, profile: Profile) -> None:
        self.title = "leaving the federation"
        self._profile, self._line = profile, ""

    def work(self) -> Generator[Step]:
        """Tells the coordinator, and forgets the key whether it answers or not.

        Raises:
          DataError: the file of the membership cannot be written.
        """
        from keyboard_app.federating.headless import leave  # here for the reason above

        with Membership.open(self._profile.path, self._profile.vault) as membership:
            if membership.joined is not None:
                self._line = leave(membership)
        yield Step(1, 1)

    def finish(self) -> str:
        """Says so."""
        return self._line
