"""The case in which a person writes a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.tokenizer import tokenize
from model.device.suggesting.written_case import WrittenCase


def case_of(*messages: str) -> WrittenCase:
    case = WrittenCase()
    for message in messages:
        case.learn(tokenize(message))
    return case


@given(st.sampled_from(["NASA", "Xiaoming", "McKinley", "iPhone", "rope"]), st.integers(2, 5))
def test_what_is_always_written_so_is_its_form(form: str, times: int) -> None:
    assert case_of(*[f"it is {form} again"] * times).form(form.lower()) == form


def test_once_is_not_enough_and_half_is_no_habit() -> None:
    assert case_of("it is NASA").form("nasa") is None
    assert case_of("it is NASA", "it is nasa", "of nasa", "to NASA").form("nasa") is None
    assert case_of().form("nasa") is None


@pytest.mark.parametrize("message", ["Rope is good", "it is. Rope it", "THE ROPE IS HERE"])
def test_capitals_that_everything_has_there_say_nothing(message: str) -> None:
    assert case_of(message, message).form("rope") is None


def test_a_word_that_only_starts_sentences_may_be_a_name() -> None:
    assert case_of("Xiaoming came", "Xiaoming left").form_at_starts("xiaoming") == "Xiaoming"
    assert case_of("Xiaoming came", "i saw xiaoming").form_at_starts("xiaoming") is None
    assert case_of("Xiaoming came").form_at_starts("xiaoming") is None
