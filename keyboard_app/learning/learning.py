"""Learning from recorded messages: each learning trains a new personal network from the global one on all of them.

1. The messages are read and encoded, and the newest are held out.
2. A separate program starts from the global weights, so that typing continues with the program in use.
3. It learns from the older messages, and the held-out ones judge it against the network in use
   (`model.device.learning.personal_network`).
4. If the new network is at least as good, its weights replace those in the profile by rename, and then those in use.
5. The weight of the person's n-grams relative to the kept network is recorded with the gate's verdict.

Starting from the global weights allows the keyboard to adopt a new global model and to personalize it again. The person's n-grams
(`model.device.suggesting.personal`) need no learning task: each message is counted when it is sent.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from data.generators import yielding
from keyboard_app.learning.models import Models
from keyboard_app.learning.word_count import count_words
from keyboard_app.recording.database.records import Judgement, Message
from keyboard_app.recording.personal_file import Seen
from keyboard_app.recording.user_profile import Profile
from model.device.learning.finetuning import PERSONAL_TRAINING, FineTuning, Progress
from model.device.learning.finetuning import newest as newest_of
from model.device.learning.gate import Verdict, held_back_from
from model.device.learning.personal_network import learn_network
from model.device.learning.training import TrainingRun, check_finite, train_program
from model.device.metrics import Scores, evaluating, evaluating_by_steps
from model.device.runtime import Program
from model.device.suggesting.personal import USUAL_TRUST
from model.device.weights import Weights, digest

# The newest words that losses are measured on: in a round, and word by word in learning. More would take longer than the training.
EVALUATED_WORDS, _EVALUATED_BY_STEPS = 2_000, 1_000


@dataclass(frozen=True)
class Trained(TrainingRun):
    """Weights after training, and the counts of the training."""

    weights: Weights
    loss_before: float  # mean over the words in the vocabulary of the newest messages trained on, in nats
    loss_after: float  # mean over the same words


def train(
    program: Program, messages: Sequence[Sequence[int]], how: FineTuning, seed: int
) -> Generator[Progress, None, Trained | None]:
    """Fine-tunes the program's weights in place on encoded messages; returns None if they contain no word.

    Raises:
      DivergedError: training diverged.
    """
    checked = newest_of(messages, min(EVALUATED_WORDS, how.max_words))
    loss_before = yield from yielding(Progress(0, 1, 0, 0.0), _mean_loss(evaluating(program, checked)))
    run = yield from train_program(program, messages, how, np.random.default_rng(seed))
    if not run.words:
        return None
    weights = program.weights
    check_finite(weights.values())
    loss_after = yield from yielding(Progress(1, 1, run.targets, run.loss), _mean_loss(evaluating(program, checked)))
    return Trained(**vars(run), weights=weights, loss_before=loss_before, loss_after=loss_after)


def _mean_loss(evaluation: Generator[None, None, Scores]) -> Generator[None, None, float]:
    scores = yield from evaluation
    return -scores.log_likelihood / max(scores.words, 1)


class Learning:
    """The task (`keyboard_app.learning.background`) of learning a personal network.

    `trained`, `verdict` and `trust` are the outcome; the first two are None if there were too few words.
    """

    def __init__(
        self, profile: Profile, models: Models, how: FineTuning | None = None, over_again: bool = False
    ) -> None:
        """Reads the recorded messages; `over_again` learns as if nothing had been learned yet.

        The gate then compares the new network with the global one. The better of the two replaces the network in use, which may
        hold traces of deleted messages and is removed in either case.
        """
        self.title = "learning"
        self.trained: Trained | None = None
        self.verdict: Verdict | None = None
        self.trust = USUAL_TRUST
        self._profile = profile
        self._models = models
        self._global = models.global_model
        self._over_again = over_again
        self._in_use = None if over_again else models.personal
        self._seen = None if over_again else models.seen
        self._how = how or PERSONAL_TRAINING
        self._recorded = profile.store.learnable()
        self._deletion = profile.store.last_deletion()
        self._used: list[Message] = []  # trained on or held out
        self._words = 0  # words of the messages trained on, each counted once, for the person
        self._digest = ""  # of the global weights

    def work(self) -> Generator[Progress]:
        """Trains, compares, and writes the new personal weights if the gate keeps them. After an error the previous weights stay.

        Raises:
          DivergedError: training diverged.
          OSError: a file cannot be written.
        """
        begun, encoded = Progress(0, 1, 0, 0.0), []
        for message in self._recorded:
            encoded.append(self._global.vocabulary.encode(message.text))
            yield begun
        border = max(held_back_from([len(message) for message in encoded]), self._first_untrained())
        program = self._global.start()
        texts, vocabulary = [message.text for message in self._recorded], self._global.vocabulary
        checked = newest_of(encoded[:border], min(_EVALUATED_BY_STEPS, self._how.max_words))
        loss_before = yield from yielding(begun, _mean_loss(evaluating_by_steps(program, checked)))
        old = self._in_use or self._global.weights
        phrases = self._global.phrases
        learning = learn_network(program, vocabulary, texts, border, old, self._how, phrases=phrases)
        learned = yield from learning
        if learned is None:
            return
        weights, run = learned.weights, learned.run
        self.verdict, self.trust = learned.verdict, learned.trust
        del learned  # and the network with adapted bias in it
        program.weights = weights
        done = Progress(1, 1, run.targets, run.loss)
        loss_after = yield from yielding(done, _mean_loss(evaluating_by_steps(program, checked)))
        trained = Trained(**vars(run), weights=weights, loss_before=loss_before, loss_after=loss_after)
        program.release()  # before the file is written, which needs memory for a while
        if self.verdict.keeps_new:
            newest = max(message.id for message in self._recorded)
            typed = [message.id for message in self._recorded[:border] if not message.imported]
            self._seen = Seen(newest, max(typed, default=0), self._deletion)
            self._profile.save_personal(
                trained.weights, self._global, self._seen, keep_previous=self._in_use is not None
            )
        elif self._in_use is None:
            self._profile.drop_personal()  # any weights in the file were trained from another global model, or must go
        learned_from = newest_of(encoded[:border], self._how.max_words)
        self._used = self._recorded[border - len(learned_from) :]
        self._words = count_words(learned_from, self._global.vocabulary)
        self._digest = digest(self._global.weights)
        self.trained = trained

    def _first_untrained(self) -> int:
        """Returns the index of the first message that the network in use was not trained on: earlier messages must not judge it.

        Without deletions and imports, the held-out messages would start after the earlier ones in any case.
        """
        trained = 0 if self._seen is None else self._seen.trained
        return sum(message.imported or message.id <= trained for message in self._recorded) if trained else 0

    def finish(self) -> str:
        """Starts to type with the new weights, if they were kept, and with the new weight of the n-grams."""
        if self.trained is None or self.verdict is None:
            if self._over_again:
                self._profile.drop_personal()
                self._models.forget_personal()
                return "there are no messages left to learn from: the shared model is in use"
            return "there is nothing to learn from yet: send a few more messages first"
        t, verdict = self.trained, self.verdict
        if verdict.keeps_new:
            self._models.use_personal(t.weights, self._seen)
        elif self._in_use is None:
            self._models.forget_personal()
        self._models.ngram_trust = self.trust
        judgement = Judgement(
            self._digest,
            verdict.kept,
            self._models.personalized,
            verdict.new.words,
            verdict.old.perplexity,
            verdict.new.perplexity,
            verdict.old.top3,
            verdict.new.top3,
            self.trust,
        )
        used = [message.id for message in self._used]
        self._profile.store.history.add_learning(used, t.words, t.loss_before, t.loss_after, judgement)
        why = f"it guesses your newest words {'at least as well' if verdict.keeps_new else 'better'}"
        if verdict.new.words == 0:
            why = "there are no new words to compare the two on"
        words = f"{self._words:,} {'word' if self._words == 1 else 'words'}"
        return f"learned from {words} and kept the {verdict.kept} model: {why}"


def relearning(profile: Profile, models: Models) -> Learning | None:
    """Returns the task that trains a missing personal network again, or None if none is missing.

    The network may have been damaged, or the keyboard was closed after it adopted a new global model and before it learned on it.
    No network is missing if the last learning, on this global model, kept the global one, or after a reset or a rollback to it.
    """
    if models.personalized or not any(message.learning for message in profile.store.learnable()):
        return None
    change = profile.store.history.changed_since_learning()
    if change is not None and not change.personal:
        return None
    last = profile.store.history.last_judgement()
    if last is not None and not last.personal and last.global_model == digest(models.global_model.weights):
        return None
    return Learning(profile, models)
