"""A keyboard's part in a round of a desktop on the same machine: it trains the round's weights and returns the model delta.

The words and the personal model stay on the device. A round and a released model may have another vocabulary than the keyboard's.
"""

from collections.abc import Generator
from dataclasses import asdict

import numpy as np

from data.errors import DataError, UserFacingError
from data.vocabulary import Vocabulary
from federation.protocol.json_messages import Contribution, Invitation
from keyboard_app.federating.received_models import load_received
from keyboard_app.learning.background import Task, reason, run
from keyboard_app.learning.learning import Learning, relearning, train
from keyboard_app.learning.models import Models
from keyboard_app.learning.word_count import count_words
from keyboard_app.recording.user_profile import Profile
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning, Progress, newest, subtract
from model.device.learning.training import check_finite
from model.device.programs import program_for
from model.device.weights import load_weights, next_provenance, save_weights


class Answering:
    """The task (`keyboard_app.learning.background`) of answering one invitation.

    If this keyboard cannot contribute, its answer gives the reason, so that the desktop need not wait.
    """

    def __init__(self, profile: Profile, model: Model, invitation: Invitation) -> None:
        self.title = f"training for round {invitation.round_id}"
        profile.tried.add(invitation.round_id)
        self._invitation = invitation
        self._mailbox = profile.mailbox
        self._model = model
        self._recorded = profile.store.learnable()
        self._contribution: Contribution | None = None
        self._words = 0  # words of the messages trained on, each counted once, for the person

    def work(self) -> Generator[Progress]:
        """Trains, saves the delta, and answers.

        Raises:
          OSError: the answer cannot be written.
        """
        round_id = self._invitation.round_id
        try:
            self._contribution = yield from self._train()
        # ValueError: a DataError or invalid settings. OSError: a full disk. RuntimeError: LiteRT failed.
        except (ValueError, OSError, RuntimeError) as error:
            self._contribution = Contribution.nothing(round_id, reason(error))
        self._mailbox.answer(self._contribution)

    def _train(self) -> Generator[Progress, None, Contribution]:
        settings = asdict(self._invitation)
        round_id, seed = settings.pop("round_id"), settings.pop("seed")
        model = self._invited_model(round_id)
        before, origin, program = model.weights, model.provenance, model.start()
        encoded = [model.vocabulary.encode(message.text) for message in self._recorded]
        trained = yield from train(program, encoded, FineTuning(**settings), seed)
        if trained is None:
            raise DataError("this keyboard has recorded no words to train on yet")
        self._words = count_words(newest(encoded, self._invitation.max_words), model.vocabulary)
        delta = subtract(trained.weights, before)
        check_finite([*delta.values(), np.array([trained.loss_before, trained.loss_after])])
        save_weights(self._mailbox.delta_path(round_id), delta, next_provenance(before, origin, rounds=0))
        return Contribution(round_id, trained.words, trained.loss_before, trained.loss_after)

    def _invited_model(self, round_id: str) -> Model:
        """Returns the model of the round: that of this keyboard with other weights, and with their vocabulary if it is another."""
        own = self._model.vocabulary
        path = self._mailbox.invited_vocabulary(round_id)
        vocabulary = own if path is None else Vocabulary.load(path)
        weights, provenance = load_weights(self._mailbox.invited_weights(round_id), vocabulary.sha256)
        if vocabulary.sha256 == own.sha256:
            return self._model.with_weights(weights, provenance)
        vocabulary.check_words()
        return Model(weights, provenance, vocabulary, program_for(provenance.config, self._model.program))

    def finish(self) -> str:
        """Returns a line for people. There is nothing to install: the desktop releases the round's model later."""
        c = self._contribution
        if c is None or c.error:
            return (
                f"contributed nothing to round {self._invitation.round_id}: {c.error if c else 'training did not run'}"
            )
        return f"contributed to round {c.round_id} from {self._words:,} {'word' if self._words == 1 else 'words'}"


class TakingOver:
    """The task (`keyboard_app.learning.background`) of installing a released global model and personalizing it again.

    Creating the task replaces the global model; its work is learning on the new one.
    """

    def __init__(self, profile: Profile, models: Models) -> None:
        """Installs the release.

        Raises:
          DataError: there is no release, or it is damaged or cannot be saved. It is then refused, and the keyboard keeps the
            model that it has.
        """
        folder = profile.mailbox.take_release()
        if folder is None:
            raise DataError("no newer shared model is waiting for this keyboard")
        try:
            model = load_received(folder, models.global_model)
            profile.save_global(model)
        except (UserFacingError, OSError, RuntimeError) as error:
            profile.mailbox.discard_taken()  # else it would be tried again every second
            raise DataError(f"refused a newer shared model: {reason(error)}") from error
        profile.mailbox.discard_taken()
        models.use_global(model, [message.text for message in profile.store.learnable()])
        self.title = "installed a newer shared model; learning your words again"
        self._learning = Learning(profile, models)

    def work(self) -> Generator[Progress]:
        """Learns the recorded words on the new model."""
        yield from self._learning.work()

    def finish(self) -> str:
        """Installs the new personal model; returns a line for people."""
        return self._learning.finish()


def waiting_task(profile: Profile, models: Models) -> Task | None:
    """Returns the next task that the desktop waits for: an answer, or the installation of its newest model; None without any.

    Raises:
      DataError: a release is damaged.
    """
    invitations = [i for i in profile.mailbox.invitations() if i.round_id not in profile.tried]
    if invitations:
        return Answering(profile, models.global_model, invitations[0])
    if profile.mailbox.released():
        return TakingOver(profile, models)
    return None


def answer_round(profile: Profile, model: Model, round_id: str) -> str:
    """Answers one invitation now, and does nothing else; returns a line for people.

    Raises:
      DataError: this keyboard is not invited to that round, or has already answered.
    """
    for invitation in profile.mailbox.invitations():
        if invitation.round_id == round_id:
            return run(Answering(profile, model, invitation))
    raise DataError(f"no invitation to round {round_id} is waiting for the keyboard of {profile.path}")


def answer_all(profile: Profile, models: Models) -> list[str]:
    """Runs all waiting tasks now; returns a line for people about each.

    Raises:
      DataError: a release is damaged.
    """
    lines = []
    while (task := waiting_task(profile, models)) is not None:
        lines.append(f"{task.title}: {run(task)}")
    if (missing := relearning(profile, models)) is not None:
        lines.append(f"{missing.title}: {run(missing)}")
    return lines
