import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyboard_app.learning.recall import History, moving_recall, recall
from keyboard_app.window.widgets.chart import ticks


def test_recall_counts_ranks_below_three_and_excludes_unknown_words() -> None:
    assert recall([0, 2, 3, None, 900]) == 0.5
    assert recall([None]) is None


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(1, 10))
def test_moving_recall_looks_back(ranks: list[int], window: int) -> None:
    expected = [recall(ranks[max(0, i + 1 - window) : i + 1]) for i in range(len(ranks))]
    assert None not in expected
    np.testing.assert_allclose(moving_recall(ranks, window), np.array(expected, float))


@pytest.mark.parametrize(
    ("history", "line"),
    [
        (History([], [], []), "nothing typed yet"),
        (History([0, 9], [0, 9], []), "recall at 3 before learning 50%, over 2 words"),
        (History([0, 9], [0, 9], [2]), "recall at 3 up to the first learning 50%; keep typing to see the effect"),
        (
            History([0, 9, 0, 0], [0, 9, 9, 0], [2]),
            "recall at 3 before learning 50% → after 100% (global model alone: 50%)",
        ),
    ],
)
def test_history_in_a_line(history: History, line: str) -> None:
    assert str(history) == line


@given(st.floats(1e-3, 1e6), st.integers(2, 8))
def test_ticks_are_round_and_reach_the_end(end: float, count: int) -> None:
    places = ticks(end, count)
    assert places[0] == 0
    assert places[-1] >= end * 0.999
    assert len(places) <= count + 2
