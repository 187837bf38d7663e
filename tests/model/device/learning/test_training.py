"""Fine-tuning with its bookkeeping: the counts are those of its steps, and the weights are those that `finetune` gives."""

import numpy as np
import pytest

from data.generators import result_of
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning, finetune
from model.device.learning.training import DivergedError, TrainingRun, check_finite, train_program
from model.device.sampling import SOFTMAXES
from model.device.weights import digest

LINE = "i think we can meet at the climbing hall tonight"


@pytest.fixture
def messages(small_model: Model) -> list[list[int]]:
    return [small_model.vocabulary.encode(LINE)] * 12


@pytest.mark.parametrize("softmax", SOFTMAXES)
def test_weights_and_counts_are_those_of_finetune(small_model: Model, messages: list[list[int]], softmax: str) -> None:
    how = FineTuning(passes=3, softmax=softmax)
    expected, program = small_model.start(), small_model.start()
    steps = list(finetune(expected, messages, how, np.random.default_rng(7)))
    run = result_of(train_program(program, messages, how, np.random.default_rng(7)))
    assert digest(program.weights) == digest(expected.weights) != digest(small_model.weights)
    assert (run.targets, run.loss) == (steps[-1].targets, steps[-1].loss)
    assert run.words == 12 * (len(messages[0]) + 1)
    assert run.targets == 3 * run.words
    assert run.loss_sum == run.loss * run.words
    assert run.seconds > 0


def test_it_yields_after_each_step_and_can_be_stopped(small_model: Model, messages: list[list[int]]) -> None:
    program = small_model.start()
    training = train_program(program, messages, FineTuning(), np.random.default_rng(0))
    first = next(training)
    assert first.batch == 1 < first.batches
    after_one_step = digest(program.weights)
    training.close()
    assert digest(program.weights) == after_one_step != digest(small_model.weights)


def test_without_words_nothing_is_trained(small_model: Model) -> None:
    program = small_model.start()
    run = result_of(train_program(program, [[]], FineTuning(), np.random.default_rng(0)))
    assert run == TrainingRun(0, 0, 0.0, run.seconds)
    assert digest(program.weights) == digest(small_model.weights)


def test_numbers_that_are_not_finite_are_refused() -> None:
    check_finite([np.zeros(3), np.ones((2, 2))])
    check_finite([])
    for bad in (np.nan, np.inf):
        with pytest.raises(DivergedError, match="diverged"):
            check_finite([np.zeros(3), np.array([0.0, bad])])
