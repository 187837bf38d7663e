"""How usual the letters of a word are."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.device.folder import PRETRAINED, load_model
from model.device.suggesting.letters import Letters


def test_the_probabilities_of_all_continuations_add_up_to_the_share_of_the_alphabet() -> None:
    """With all 29 letters and the end of a word, the interpolation distributes all of the probability."""
    alphabet = "abcdefghijklmnopqrstuvwxyzäöü"
    letters = Letters(["hello", "help", "yeti"])
    ended = sum(math.exp(letters.log_probability("".join(word))) for word in product(alphabet, repeat=1))
    empty = math.exp(letters.log_probability(""))
    assert 0 < ended + empty < 1
    assert letters.log_probability("hel") > letters.log_probability("hlo") > letters.log_probability("qqq")


@given(st.text(min_size=1, max_size=30))
def test_a_word_of_any_letters_has_a_finite_oddness(word: str) -> None:
    assert 0 <= Letters(["hello", word]).oddness(word) < math.inf
    assert 0 <= Letters([]).oddness(word) < 100


@pytest.mark.parametrize(("usual", "odd"), [("yeet", "tset"), ("habe", "knwo"), ("boink", "jsut"), ("bist", "wokr")])
def test_typos_are_odder_than_words_that_a_vocabulary_lacks(usual: str, odd: str) -> None:
    letters = Letters(word for word in load_model(PRETRAINED).vocabulary.words if word.isalpha())
    assert letters.oddness(usual) < 1 and letters.oddness(odd) > 3
