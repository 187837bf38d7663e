"""Simulated clients: cohorts, and the words that each client contributes."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.corpus import JsonLines
from data.windows import targets
from federation.simulation.clients import Clients, sample_cohort, turns_by_words
from model.device.folder import Model


@given(st.sets(st.text(), min_size=1, max_size=30), st.integers(1, 40), st.integers(0, 99), st.integers(1, 99))
def test_a_cohort_is_sampled_without_replacement_and_reproducibly(
    users: set[str], size: int, seed: int, round_number: int
) -> None:
    cohort = sample_cohort(sorted(users), size, seed, round_number)
    assert len(cohort) == len(set(cohort)) == min(size, len(users))
    assert set(cohort) <= users
    assert cohort == sample_cohort(sorted(users), size, seed, round_number)


def test_uniform_cohorts_sample_everybody_equally_often() -> None:
    users = [str(i) for i in range(20)]
    drawn = [user for number in range(1, 2001) for user in sample_cohort(users, 5, 0, number)]
    shares = np.array([drawn.count(user) for user in users]) / len(drawn)
    assert abs(shares - 0.05).max() < 0.01


def test_cohorts_by_words_sample_clients_in_proportion_to_their_word_count() -> None:
    users, words, most = [str(i) for i in range(50)], [0] * 10 + [10] * 20 + [80] * 20, 20
    turns = turns_by_words(words, most)
    drawn = [user for number in range(1, 6001) for user in sample_cohort(users, 3, 0, number, turns)]
    counts = np.array([drawn.count(user) for user in users])
    pace = counts[10:] * np.minimum(words[10:], most) / words[10:]  # times that each of a user's words was trained on
    assert counts[:10].max() == 0
    # The ratio is a little below one, because nobody is sampled twice in a round.
    assert 0.9 < pace[20:].mean() / pace[:20].mean() < 1.02
    everyone_with_words = sorted(users[10:])
    assert sorted(sample_cohort(users, 99, 0, 1, turns)) == everyone_with_words, "a cohort larger than their number"
    assert sample_cohort(users, 3, 0, 7, turns) == sample_cohort(users, 3, 0, 7, turns)


def test_a_client_contributes_no_more_words_than_the_cap(small_model: Model, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    lines = [f'{{"user": "a", "time": "{i:03}", "text": "i think that you are {i}"}}' for i in range(300)]
    path.write_text("\n".join(lines))
    clients = Clients(JsonLines(path), small_model.vocabulary, window=20)
    first, again, later = (clients.rows("a", 100, 0, number)[0] for number in (1, 1, 2))
    assert targets(first) == 16 * 7  # sixteen messages of six words, each with its end
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, later), "another round draws other messages"
    assert targets(clients.rows("a", 3, 0, 1)[0]) == 4, "a longer message is cut"
