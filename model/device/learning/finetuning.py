"""Learning on the device: stochastic gradient descent on a person's own words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.windows import pack, targets
from model.device.learning.sampling import draw
from model.device.runtime import Program
from model.device.weights import Weights


@dataclass(frozen=True)
class FineTuning:
    """How a device learns; the rate and the passes are the best of four pairs on 36 validation users."""

    learning_rate: float = 0.5
    clipping_norm: float = 1.0  # global L2 norm of a step's gradient
    passes: int = 2
    max_words: int = 20_000  # of the newest messages


# What a device does for a round: less than for itself, so that no one person moves the global model far.
ROUND_TRAINING = FineTuning(passes=1, max_words=2_000)


@dataclass(frozen=True)
class Progress:
    """Where learning is: batches done of all, targets learned from (ends of messages count), the mean loss so far in nats."""

    batch: int
    batches: int
    targets: int
    loss: float


def newest(messages: Sequence[Sequence[int]], max_words: int) -> list[Sequence[int]]:
    """The newest of the messages, oldest first, that hold at most `max_words` words together, the newest one cut to as many."""
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
    sampled: bool = False,
) -> Iterator[Progress]:
    """Trains the program's weights in place on encoded messages; yields after each batch, so a caller may stop or look.

    Rows are shuffled anew for every pass. Nothing is yielded where there is nothing to learn from.

    Args:
      program: with the weights to begin with.
      messages: ids of words, oldest first.
      how: the settings.
      rng: what the order of the rows, and what is sampled, is drawn from.
      sampled: learns each batch against some of the vocabulary only (`model.device.learning.sampling`): a person's own network, not a
        round's, in which devices have to do what the desktop simulates. A program that is older than that learns as for a round.
    """
    rows = pack(newest(messages, how.max_words), program.config.window)
    size = program.config.batch
    total = -(-len(rows) // size) * how.passes
    sampling = rng.spawn(1)[0] if sampled else None  # the order of the rows is the same either way
    learned, loss = 0, 0.0
    for done, batch in enumerate(batches(rows, size, how.passes, rng), 1):
        count = targets(batch)
        loss += _step(program, batch, how, sampling) * count
        learned += count
        yield Progress(done, total, learned, loss / max(learned, 1))


def batches(rows: np.ndarray, size: int, passes: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """All rows in batches of at most `size`, so many times over, shuffled anew for every pass."""
    for _ in range(passes):
        order = rng.permutation(len(rows))
        for start in range(0, len(rows), size):
            yield rows[order[start : start + size]]


def _step(program: Program, batch: np.ndarray, how: FineTuning, rng: np.random.Generator | None) -> float:
    if rng is None or program.candidates is None:
        return program.train(batch, how.learning_rate, how.clipping_norm)
    candidates = draw(batch, program.config.vocabulary, program.candidates, rng)
    return program.learn(batch, candidates, how.learning_rate, how.clipping_norm)


def subtract(after: Weights, before: Weights) -> Weights:
    """The model delta, `after - before`, weight by weight."""
    return {name: after[name] - before[name] for name in before}
