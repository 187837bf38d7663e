"""A model of one person's messages, which predicts each message before it learns from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.vocabulary import PAD, UNKNOWN
from federation.evaluation.own_history import OwnHistory, score_own_history

A, B, C = 3, 4, 5
SIZE = 7

messages_of = st.lists(st.lists(st.sampled_from([UNKNOWN, A, B, C, 6]), max_size=8), max_size=12)


def test_probabilities_equal_those_calculated_by_hand() -> None:
    history = OwnHistory(SIZE)
    history.add([A, B])
    first, second = history.probabilities([C, A])
    # a, b and the end once each: each keeps 0.25 of 3, and the 6 tokens other than <pad> share 0.75. After <s>, a keeps 0.25.
    unigram = np.array([0, 0, 1, 1, 1, 0, 0]) / 12 + np.array([0, 1, 1, 1, 1, 1, 1]) * 0.75 / 6
    assert first == pytest.approx(0.75 * unigram + 0.25 * (np.arange(SIZE) == A))
    assert second == pytest.approx(unigram), "nothing was seen after c"


def test_words_never_written_rank_last() -> None:
    ranks, _ = score_own_history([[A, B], [B, A], [C, B]], SIZE)
    # First message: nothing was written yet, so both words rank last. Second: a began a message; after b all words are equally
    # likely, a comes first. Third: a and b began one message each, c was never written; after c, a and b are equally likely.
    assert list(ranks) == [SIZE - 3, SIZE - 3, 1, 0, SIZE - 3, 1]


@settings(max_examples=60, deadline=None)
@given(messages_of, st.lists(st.sampled_from([UNKNOWN, A, B, C, 6]), min_size=1, max_size=8))
def test_probabilities_sum_to_one(messages: list[list[int]], message: list[int]) -> None:
    history = OwnHistory(SIZE)
    for earlier in messages:
        history.add(earlier)
    for expected in history.probabilities(message):
        assert expected.sum() == pytest.approx(1)
        assert expected[PAD] == 0
        assert (expected[1:] > 0).all()


@settings(max_examples=60, deadline=None)
@given(messages_of, messages_of)
def test_predictions_do_not_depend_on_later_messages(messages: list[list[int]], later: list[list[int]]) -> None:
    ranks, log_likelihoods = score_own_history(messages, SIZE)
    all_ranks, all_log_likelihoods = score_own_history([*messages, *later], SIZE)
    assert len(ranks) == sum(map(len, messages))
    assert (all_ranks[: len(ranks)] == ranks).all()
    assert (all_log_likelihoods[: len(ranks)] == log_likelihoods).all()


def test_a_repeated_message_is_soon_predicted() -> None:
    ranks, log_likelihoods = score_own_history([[A, C, B, C]] * 20, SIZE)
    assert not ranks[4:].any(), "one message is enough; the token before c distinguishes its two places"
    assert (np.diff(log_likelihoods[::4]) > 0).all()
