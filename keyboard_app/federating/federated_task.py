"""Rounds of a federation in the app: a task that asks the coordinator whether there is one, and goes through it.

It runs when the keyboard has been left alone for a while and does not live off a battery. The window asks `take_part_if_due` every
second or so, as it does for learning. A newer global model that the coordinator has goes into the mailbox, where the keyboard
finds and takes it over as one from a desktop on the same machine (`keyboard_app.federating.rounds.TakingOver`).
"""

import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

from keyboard_app.device import Device
from keyboard_app.federating.federation_client import FederationClient
from keyboard_app.federating.headless import recorded_messages
from keyboard_app.federating.membership import FILE, Membership
from keyboard_app.federating.taking_part import Participant
from keyboard_app.learning.models import Models
from keyboard_app.recording.profile import Profile
from model.device.finetuning import Progress
from model.device.folder import Model, save_model

REST_SECONDS = 60.0  # that the keyboard must have been left alone for
ASK_SECONDS = 60.0  # between two questions whether there is a round
_WAIT_SECONDS = 1.0  # for each answer: how long it takes to stop when the keyboard is used again


def take_part_if_due(
    device: Device, asked: float, rested: Callable[[], float], charging: bool | None, now: float
) -> float:
    """Begins to ask for a round in the background if the time has come; returns when the coordinator was last asked.

    Args:
      device: the keyboard; nothing happens while something else goes on in its background.
      asked: what this function returned before; 0 at first.
      rested: seconds since the last key; looked at while the task goes on, too.
      charging: whether the machine is; None where there is no battery.
      now: seconds of a clock that does not go back.
    """
    due = now - asked >= ASK_SECONDS and rested() >= REST_SECONDS and charging is not False
    if not due or device.worker.task is not None or not (device.profile.path / FILE).exists():
        return asked
    device.worker.start(TakingPart(device.profile, device.models, lambda: rested() >= REST_SECONDS))
    return now


class TakingPart:
    """The task of one round, if there is one; nothing where the keyboard belongs to no federation."""

    def __init__(self, profile: Profile, models: Models, idle: Callable[[], bool]) -> None:
        self.title = "asking the federation for a round"
        self._profile, self._model, self._idle = profile, models.global_model, idle
        self._encoded = recorded_messages(profile)(self._model)
        self._line = ""

    def work(self) -> Generator[Progress]:
        """Asks, and goes through the round.

        Raises:
          DataError: the coordinator refuses this device, or does not answer.
        """
        with Membership.open(self._profile.path) as membership:
            joined = membership.joined
            if joined is None:
                return
            with FederationClient(joined.url, joined.certificate, joined.key) as client:
                participant = Participant(
                    client, membership, self._model, lambda _: self._encoded, self._release, self._idle
                )
                yield from self._turns(participant)

    def _turns(self, participant: Participant) -> Generator[Progress]:
        while True:
            self._line = (yield from participant.turn(_WAIT_SECONDS)) or self._line
            if not participant.busy:
                return
            self.title = "taking part in a round of the federation"
            yield Progress(0, 1, 0, 0.0)  # where it can be stopped
            time.sleep(0.1)

    def _release(self, model: Model) -> None:
        with tempfile.TemporaryDirectory(prefix="keyboard-") as folder:
            save_model(Path(folder) / "model", model)
            self._profile.mailbox.release(Path(folder) / "model")

    def finish(self) -> str:
        """Nothing changes here; a newer model waits in the mailbox."""
        return self._line


def join_line(device: Device) -> str:
    """For the settings: which federation the keyboard belongs to since when, and how often it gave something.

    Raises:
      DataError: the file of the membership is damaged.
    """
    if not (device.profile.path / FILE).exists():
        return "this keyboard belongs to no federation"
    with Membership.open(device.profile.path) as membership:
        joined, shared = membership.joined, membership.shared()
        given = f"{len(shared):,} masked updates were given so far" if shared else "nothing was given so far"
        if joined is None:
            return f"this keyboard belongs to no federation; {given}"
        return f"belongs to the federation at {joined.url} since {joined.since[:10]}; {given}"
