"""Learning from what was typed: the personal model grows from the global one, on all words recorded, each time anew.

1. The messages are read and encoded.
2. A program of its own, so that typing goes on with another, starts from the global weights.
3. It is fine-tuned, batch by batch.
4. The new weights replace `personal.safetensors` by rename, and then those in the program that types.

Starting from the global weights each time is what lets a new global model be taken over without losing the person.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import DataError
from keyboard_app.models import Models
from keyboard_app.profile import Profile
from keyboard_app.store import Message
from model.device.finetuning import FineTuning, Progress, finetune, newest
from model.device.metrics import evaluate
from model.device.runtime import Program
from model.device.weights import Weights

EVALUATED_WORDS = 2_000  # losses are of the newest words up to these: more would take longer than the training itself


@dataclass(frozen=True)
class Trained:
    """Weights after training, and what it took. Losses are means over in-vocabulary words, in nats."""

    weights: Weights
    words: int  # targets trained on, ends of messages included, each counted once
    loss_before: float
    loss_after: float
    targets: int  # the same, counted as often as they were trained on
    seconds: float  # of the training alone


def train(
    program: Program, messages: Sequence[Sequence[int]], how: FineTuning, seed: int
) -> Generator[Progress, None, Trained | None]:
    """Fine-tunes the program's weights in place on encoded messages; returns None where these hold no word.

    Raises:
      DataError: training did not go well.
    """
    checked = newest(messages, min(EVALUATED_WORDS, how.max_words))
    loss_before = _mean_loss(program, checked)
    started, progress = time.perf_counter(), None
    for progress in finetune(program, messages, how, np.random.default_rng(seed)):
        yield progress
    if progress is None:
        return None
    seconds = time.perf_counter() - started
    weights = program.weights
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise DataError("training went astray (the weights are no longer numbers): the model from before stays")
    loss_after = _mean_loss(program, checked)
    words = progress.targets // how.passes
    return Trained(weights, words, loss_before, loss_after, progress.targets, seconds)


def _mean_loss(program: Program, messages: Sequence[Sequence[int]]) -> float:
    scores = evaluate(program, messages)
    return -scores.log_likelihood / max(scores.words, 1)


class Learning:
    """The task (`keyboard_app.worker`) of learning a personal model. `trained` is the outcome, None where there were no words."""

    def __init__(self, profile: Profile, models: Models, how: FineTuning | None = None) -> None:
        self.title = "learning"
        self.trained: Trained | None = None
        self._profile = profile
        self._models = models
        self._global = models.global_model
        self._how = how or FineTuning()
        self._recorded = profile.store.messages()
        self._used: list[Message] = []

    def work(self) -> Generator[Progress]:
        """Trains, and writes the personal weights.

        Raises:
          DataError: training did not go well; the weights from before stay.
        """
        encoded = [self._global.vocabulary.encode(message.text) for message in self._recorded]
        trained = yield from train(self._global.start(), encoded, self._how, seed=0)
        if trained is None:
            return
        self._profile.save_personal(trained.weights, self._global)
        self._used = self._recorded[-len(newest(encoded, self._how.max_words)) :]
        self.trained = trained

    def finish(self) -> str:
        """Types with the new weights from now on."""
        if self.trained is None:
            return "there is nothing to learn from yet: send a message first"
        t = self.trained
        self._models.use_personal(t.weights)
        self._profile.store.add_learning([message.id for message in self._used], t.words, t.loss_before, t.loss_after)
        return f"learned from {t.words:,} words in {t.seconds:.1f} s: loss {t.loss_before:.2f} → {t.loss_after:.2f}"


def relearning(profile: Profile, models: Models) -> Learning | None:
    """The task that brings back a personal model that should be there and is not.

    It may have been damaged, or the keyboard was stopped after it took over a new global model and before it had learned on it.
    """
    if models.personalized or not any(message.learning for message in profile.store.messages()):
        return None
    return Learning(profile, models)
