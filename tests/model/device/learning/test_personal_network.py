"""The flow that keyboards and evaluations learn a personal network by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.generators import result_of
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning
from model.device.learning.gate import judge
from model.device.learning.marginals import adapt_marginals
from model.device.learning.personal_network import MOVES, learn_network, mean_move
from model.device.learning.training import train_program

LINE = "i think you are good ."


@given(st.lists(st.floats(-5_000, 0), min_size=len(MOVES), max_size=len(MOVES)))
def test_the_move_lies_between_and_leans_to_the_likelier(scores: list[float]) -> None:
    move = mean_move(scores)
    assert MOVES[0] <= move <= MOVES[-1]
    if scores[0] == max(scores) > max(scores[1:]) + 100:
        assert move == pytest.approx(0, abs=1e-6)
    if scores[2] == max(scores) > max(scores[:2]) + 100:
        assert move == pytest.approx(1, abs=1e-6)


def test_without_held_out_words_the_move_is_half_way() -> None:
    assert mean_move([0.0, 0.0, 0.0]) == pytest.approx(0.5)


def test_the_network_lies_between_the_adapted_and_the_fine_tuned_one(small_model: Model) -> None:
    messages, how = [LINE] * 30, FineTuning()
    program = small_model.start()
    learned = result_of(learn_network(program, small_model.vocabulary, messages, 20, small_model.weights, how, seed=3))
    assert learned is not None
    encoded = [small_model.vocabulary.encode(text) for text in messages[:20]]
    other = small_model.start()
    adapted = result_of(adapt_marginals(other, encoded))
    other.weights = adapted
    result_of(train_program(other, encoded, how, np.random.default_rng(3)))
    trained = other.weights
    assert 0.5 < learned.move <= 1, "the held-out messages repeat the others"
    for name, weight in learned.weights.items():
        np.testing.assert_allclose(
            weight, adapted[name] + learned.move * (trained[name] - adapted[name]), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_array_equal(learned.adapted[name], adapted[name])
        np.testing.assert_array_equal(program.weights[name], weight)
    verdict = result_of(judge(other, small_model.vocabulary, small_model.weights, learned.weights, messages, 20))
    assert learned.verdict == verdict
    assert learned.verdict.keeps_new


def test_messages_without_words_teach_nothing(small_model: Model) -> None:
    program = small_model.start()
    work = learn_network(program, small_model.vocabulary, ["😀", ""], 2, small_model.weights, FineTuning())
    assert result_of(work) is None
