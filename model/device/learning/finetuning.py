"""Fine-tuning on the device: stochastic gradient descent on a person's own words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.windows import pack, targets
from model.device.runtime import Program
from model.device.sampling import SAMPLED, check_softmax, draw
from model.device.trainable import check_trainable
from model.device.weights import Weights


@dataclass(frozen=True)
class FineTuning:
    """Settings of fine-tuning. The default rate and passes were the best of four pairs on 36 validation users.

    Raises:
      DataError: there is no such trainable part, or no such softmax.
    """

    learning_rate: float = 0.5
    clipping_norm: float = 1.0  # global L2 norm of a step's gradient
    passes: int = 2
    max_words: int = 20_000  # only the newest messages that hold this many words are used
    trainable: str = (
        "all"  # the weights that are trained (`model.device.trainable`); the gradient's norm is over these alone
    )
    softmax: str = "full"  # over all words, or over "sampled" candidates (`model.device.sampling`)

    def __post_init__(self) -> None:
        check_trainable(self.trainable)
        check_softmax(self.softmax)


# The settings with which a keyboard learns for itself.
PERSONAL_TRAINING = FineTuning(softmax=SAMPLED)

# A device trains less for a round than for itself, so that no single person moves the global model far.
ROUND_TRAINING = FineTuning(passes=1, max_words=2_000)


@dataclass(frozen=True)
class Progress:
    """Progress of training: batches done, batches in all, targets seen (ends of messages count), and the mean loss in nats."""

    batch: int
    batches: int
    targets: int
    loss: float


def newest(messages: Sequence[Sequence[int]], max_words: int) -> list[Sequence[int]]:
    """Returns the newest messages, oldest first, that hold at most `max_words` words in all; the newest is cut to that length."""
    kept: list[Sequence[int]] = []
    words = 0
    for message in reversed(messages):
        words += len(message)
        if kept and words > max_words:
            break
        kept.append(message[:max_words])
    return kept[::-1]


def finetune(
    program: Program,
    messages: Sequence[Sequence[int]],
    how: FineTuning,
    rng: np.random.Generator,
) -> Iterator[Progress]:
    """Trains the program's weights in place on encoded messages; yields after each batch, so that the caller may stop or report.

    Rows are shuffled before every pass. Without any message nothing is yielded. A program without the signature `learn` uses the
    full softmax in any case.

    Args:
      program: holds the initial weights.
      messages: word ids, oldest first.
      how: the settings.
      rng: draws the order of the rows and the candidates.
    """
    rows = pack(newest(messages, how.max_words), program.config.window)
    size = program.config.batch
    total = -(-len(rows) // size) * how.passes
    sampling = candidate_generator(how, rng)
    learned, loss = 0, 0.0
    for done, batch in enumerate(batches(rows, size, how.passes, rng), 1):
        count = targets(batch)
        loss += _step(program, batch, how, sampling) * count
        learned += count
        yield Progress(done, total, learned, loss / max(learned, 1))


def candidate_generator(how: FineTuning, rng: np.random.Generator) -> np.random.Generator | None:
    """Returns the generator that draws candidates, or None with the full softmax.

    It is separate from the one that draws the order of the rows, `rng`, so that this order does not depend on the softmax. A
    simulated client and a device that start from the same `rng` draw the same candidates.
    """
    return rng.spawn(1)[0] if how.softmax == SAMPLED else None


def batches(rows: NDArray[np.int32], size: int, passes: int, rng: np.random.Generator) -> Iterator[NDArray[np.int32]]:
    """Yields all rows in batches of at most `size`, `passes` times, shuffled before every pass."""
    for _ in range(passes):
        order = rng.permutation(len(rows))
        for start in range(0, len(rows), size):
            yield rows[order[start : start + size]]


def _step(program: Program, batch: NDArray[np.int32], how: FineTuning, rng: np.random.Generator | None) -> float:
    if rng is None or program.candidates is None:
        return program.train(batch, how.learning_rate, how.clipping_norm, how.trainable)
    candidates = draw(batch, program.config.vocabulary, program.candidates, rng)
    return program.learn(batch, candidates, how.learning_rate, how.clipping_norm, how.trainable)


def subtract(after: Weights, before: Weights) -> Weights:
    """Returns the model delta, `after - before`, weight by weight."""
    return {name: after[name] - before[name] for name in before}
