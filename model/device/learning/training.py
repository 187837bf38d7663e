"""Fine-tuning with its bookkeeping, for devices, simulated devices and benchmarks alike."""

import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from model.device.learning.finetuning import FineTuning, Progress, finetune
from model.device.runtime import Program


class DivergedError(DataError):
    """Training diverged: its result has numbers that are not finite and is of no use."""


@dataclass(frozen=True)
class TrainingRun:
    """Counts of a fine-tuning. The weights that it learned are in the program."""

    words: int  # targets, ends of messages included, each counted once; 0 if there was nothing to train on
    targets: int  # the same, each counted once per pass
    loss: float  # mean over `targets` in nats, each before the step that learned from it
    seconds: float  # wall-clock time, pauses of the caller between two steps included

    @property
    def loss_sum(self) -> float:
        """The mean loss times the words, which a round adds up over its devices."""
        return self.loss * self.words


def train_program(
    program: Program,
    messages: Sequence[Sequence[int]],
    how: FineTuning,
    rng: np.random.Generator,
) -> Generator[Progress, None, TrainingRun]:
    """Fine-tunes the program's weights in place and returns the counts; the arguments are those of `finetune`.

    Yields after each step, so that the caller can show progress, give way or stop. `data.generators.result_of` runs it to its end.
    """
    started, progress = time.perf_counter(), Progress(0, 0, 0, 0.0)
    for progress in finetune(program, messages, how, rng):
        yield progress
    seconds = time.perf_counter() - started
    return TrainingRun(progress.targets // how.passes, progress.targets, progress.loss, seconds)


def check_finite(arrays: Iterable[NDArray[Any]]) -> None:
    """Raises unless every number is finite.

    Raises:
      DivergedError: an infinity or NaN is among them.
    """
    if not all(np.isfinite(array).all() for array in arrays):
        raise DivergedError(
            "training diverged (its result has numbers that are not finite), so the result is not used: "
            "a smaller learning rate may help"
        )
