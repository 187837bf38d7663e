"""Central training: the network trained on all training users' words in one place.

It has two uses. On public text, it makes the model that federated learning starts from (`federate pretrain`). On the words of
federated learning's own clients, it is a baseline: the best model that the usual methods get from this data and this architecture
(`federate central`). It is not meant for the words that people type.

1. In each pass, all training messages are shuffled and packed into rows, and the rows are shuffled.
2. Adam (Kingma and Ba 2015, arXiv 1412.6980) takes a step per batch of rows, with clipped gradients. The learning rate
   rises over the first steps and falls to zero along half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983).
3. Four times per pass, validation users' scores are written to `metrics.csv`.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from data.corpus import Part, open_corpus
from data.errors import DataError
from data.files import write_csv
from data.vocabulary import PAD
from data.windows import pack, targets
from federation.reports.model_card import STEP
from federation.reports.progress import progress_bar
from federation.simulation.start import checked_messages, initial_model
from model import cifg
from model.device.folder import check_free_for_model, save_model
from model.device.metrics import Scores, evaluate
from model.device.runtime import Program
from model.device.weights import Weights, save_weights

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # the defaults of Adam's paper
_CHECKS_PER_PASS = 4

Tokens = NDArray[np.int32]  # rows [n, T + 1], or the token ids of one message


@dataclass(frozen=True)
class Central:
    """Everything that the result depends on; the defaults are the best of those tried on validation users."""

    corpus: str = "chitchat"
    init: str = "random"  # or the model folder whose weights and vocabulary training begins with
    passes: int = 4
    learning_rate: float = 6e-3  # maximum; 3e-3 and 12e-3 learn less in a quarter of a pass
    warm_up: int = 200  # steps over which the learning rate rises to its maximum
    batch: int = 32  # rows per step
    clipping_norm: float = 1.0  # global L2 norm of a step's gradient
    seed: int = 0


BASELINE = """A CIFG-LSTM that predicts the next word of a message, trained **in one place** on all training users' words
together, as a baseline for federated training. It is not shipped to keyboards."""
PUBLIC_START = """A CIFG-LSTM that predicts the next word of a message, trained in one place on **public text alone**: the
model that federated learning starts from. Its vocabulary is the most frequent words of the same text that at least three people
wrote. No word that anybody typed on a keyboard is in it."""


def train_centrally(how: Central, out: Path, command: str, purpose: str = BASELINE, steps: int | None = None) -> Scores:
    """Trains from `how.init`; returns validation users' scores.

    Saves the model folder `out/model`, and its weights in float16 as `out/weights.safetensors`, for `federate evaluate
    --baselines`.

    Args:
      how: the settings.
      out: the run's folder.
      command: the command line, for the model card.
      purpose: what the model is and is for, the first paragraph of the card: `BASELINE` or `PUBLIC_START`.
      steps: the number of steps after which training stops; by default, all steps. The learning rate's schedule stays that of
        all steps.

    Raises:
      DataError: an input is invalid, `out` holds something else, or training diverged.
    """
    corpus = open_corpus(how.corpus)
    training, validation = Part(corpus, "train"), Part(corpus, "validation")
    check_free_for_model(out / "model")
    model = initial_model(how.init, how.seed, training)
    window = model.provenance.config.window
    held_out = checked_messages(validation, model.vocabulary)
    encoded = (model.vocabulary.encode(text) for user in training.users() for text in training.messages(user))
    messages = [np.array(message, np.int32) for message in encoded if message]
    rng = np.random.default_rng(how.seed)
    rows = _shuffled_rows(messages, window, rng)
    per_pass = max(1, len(rows) // how.batch)
    total = per_pass * how.passes
    last = min(total, steps or total)
    learner, progress = _Adam(model.weights, how), _Progress(model.start(threads=2), held_out, out / "metrics.csv")
    with progress_bar("steps", last) as bar:
        for step, batch in enumerate(_batches(rows, messages, per_pass, how, window, rng), 1):
            progress.add(learner.step(batch, _learning_rate(how, step - 1, total)), targets(batch))
            if step % max(1, per_pass // _CHECKS_PER_PASS) == 0 or step == last:
                progress.check(learner.weights(), step, step / per_pass)
            bar(step, "")
            if step == last:
                break
    card = _card(how, command, purpose, progress.words, progress.seconds, progress.scores)
    weights = learner.weights()
    save_model(out / "model", replace(model, weights=weights, card=card))
    save_weights(out / "weights.safetensors", weights, model.provenance, np.float16)
    return progress.scores


class _Progress:
    """The progress of training, in `metrics.csv`: a row per check on validation users' messages."""

    def __init__(self, program: Program, held_out: list[list[int]], path: Path) -> None:
        self._program, self._held_out, self._path = program, held_out, path
        self._began = time.monotonic()
        self._losses: list[float] = []  # losses since the last check
        self._rows: list[dict[str, float]] = []
        self.words = 0  # targets trained on
        self.scores = Scores()  # scores at the last check

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def add(self, loss: float, words: int) -> None:
        self._losses.append(loss)
        self.words += words

    def check(self, weights: Weights, step: int, passes: float) -> None:
        """Measures the weights, and writes a row.

        Raises:
          DataError: the loss since the last check is not finite.
        """
        loss, self._losses = float(np.mean(self._losses)), []
        if not math.isfinite(loss):
            raise DataError("training diverged: choose a smaller learning rate")
        self._program.weights = weights
        scores = self.scores = evaluate(self._program, self._held_out)
        self._rows.append(
            {"step": step, "pass": passes, "words": self.words, "loss": loss}
            | {"top1": scores.top1, "top3": scores.top3, "perplexity": scores.perplexity}
            | {"seconds": round(self.seconds, 1)}
        )
        write_csv(self._path, self._rows)


def _shuffled_rows(messages: list[Tokens], window: int, rng: np.random.Generator) -> Tokens:
    rows = pack([messages[i] for i in rng.permutation(len(messages))], window)
    return rows[rng.permutation(len(rows))]


def _batches(
    rows: Tokens, messages: list[Tokens], per_pass: int, how: Central, window: int, rng: np.random.Generator
) -> Iterator[Tokens]:
    """Yields the batches of all passes. A pass leaves out rows that do not fill a batch; the next pass shuffles them in."""
    for number in range(how.passes):
        if number:
            rows = _shuffled_rows(messages, window, rng)
        for i in range(per_pass):
            yield rows[i * how.batch : (i + 1) * how.batch]


def _learning_rate(how: Central, steps_done: int, total: int) -> float:
    rising = min(1.0, (steps_done + 1) / how.warm_up)
    return how.learning_rate * rising * (0.5 + 0.5 * math.cos(math.pi * steps_done / total))


class _Adam:
    """Weights during training, with the two moments of Adam."""

    def __init__(self, weights: Weights, how: Central) -> None:
        self._variables = {name: tf.Variable(array) for name, array in weights.items()}
        self._first = [tf.Variable(tf.zeros_like(v)) for v in self._variables.values()]
        self._second = [tf.Variable(tf.zeros_like(v)) for v in self._variables.values()]
        self._norm = how.clipping_norm
        self._steps = tf.Variable(0.0)

    def step(self, rows: Tokens, learning_rate: float) -> float:
        """Takes a step on rows [n, T + 1]; returns the mean loss before it, in nats per target."""
        return float(self._step(tf.constant(rows), tf.constant(learning_rate, tf.float32)))

    @tf.function(reduce_retracing=True)
    def _step(self, rows: tf.Tensor, learning_rate: tf.Tensor) -> tf.Tensor:
        weights = {name: tf.convert_to_tensor(v) for name, v in self._variables.items()}
        labels = tf.reshape(rows[:, 1:], [-1])
        real = tf.not_equal(labels, PAD)
        with tf.GradientTape() as tape:
            tape.watch(list(weights.values()))
            hidden, _ = cifg.run(weights, rows[:, :-1], cifg.zero_state(weights, tf.shape(rows)[0]))
            found = cifg.log_likelihood(weights, tf.boolean_mask(hidden, real), tf.boolean_mask(labels, real))
            loss = -tf.reduce_mean(found)
        gradients = tape.gradient(loss, list(weights.values()))
        gradients = cifg.clip_by_global_norm(gradients, tf.constant(self._norm))
        self._steps.assign_add(1.0)
        for variable, first, second, gradient in zip(
            self._variables.values(), self._first, self._second, gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(  # one pass over the weights; arithmetic on tensors would take ten
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=_BETA_1**self._steps,
                beta2_power=_BETA_2**self._steps,
                lr=learning_rate,
                beta1=_BETA_1,
                beta2=_BETA_2,
                epsilon=_EPSILON,
                grad=gradient,
            )
        return loss

    def weights(self) -> Weights:
        """Returns a copy of the weights."""
        return {name: variable.numpy() for name, variable in self._variables.items()}


def _card(how: Central, command: str, purpose: str, words: int, seconds: float, scores: Scores) -> str:
    settings = "\n".join(f"| {name.replace('_', ' ')} | {value} |" for name, value in asdict(how).items())
    return f"""# Model card

{purpose} This command made it:

{STEP}`{command}`

| setting or figure | value |
| --- | --- |
{settings}
| targets trained on | {words:,} (ends of messages count) |
| time | {seconds / 60:.0f} minutes |

Only training users' words were trained on (SHA-256 of the user's id modulo 10 is neither 0 nor 1). Recall on {scores.words:,}
words of validation users, in shares as equal as their lengths allow: {scores.top1:.1%} at 1, {scores.top3:.1%} at 3; perplexity
{scores.perplexity:.1f}.
"""
