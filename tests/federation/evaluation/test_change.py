"""The lines about what training changed say what the words of each person say."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from federation.evaluation.change import change_lines
from model.device.metrics import Scores


def scores(words: int, first: int) -> Scores:
    return Scores(words=words, first=min(first, words), among_three=words)


people = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)), max_size=8)


@given(people)
def test_the_sign_of_the_change_is_that_of_the_verdict(counts: list[tuple[int, int, int]]) -> None:
    before, after = ([scores(c[0], c[which]) for c in counts] for which in (1, 2))
    lines = change_lines(before, after)
    if not sum(s.words for s in before):
        assert lines == ["Recall could not be measured: validation users wrote no word of the vocabulary."]
        return
    _, one, three = lines
    change = sum(s.first for s in after) - sum(s.first for s in before)
    assert ("better" in one, "worse" in one, "no change" in one) == (change > 0, change < 0, change == 0)
    assert "no change" in three


def test_a_change_of_everybody_is_more_than_chance_and_one_of_a_single_person_is_not() -> None:
    rng = np.random.default_rng(0)
    before = [scores(100, int(n)) for n in rng.integers(15, 25, 40)]
    _, line, _ = change_lines(before, [scores(100, s.first + 4) for s in before])
    assert re.fullmatch(r"recall at 1 .* → .*, \+4\.0 points \[.*\]: better, by more than chance explains .*", line)
    _, line, _ = change_lines(before, [scores(100, before[0].first + 4), *before[1:]])
    assert "better, but it may be chance" in line
    _, line, _ = change_lines(before[:1], [scores(100, 0)])
    assert "worse, but it may be chance" in line, "one person proves nothing"
