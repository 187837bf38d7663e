"""Published buckets, the capacity that they need, and the words that the sums confirm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.discovery.buckets import buckets_of_at_least, capacity_for, check_published, probability_of_exposure
from federation.discovery.findings import (
    BELOW_K,
    CONTRADICTION,
    NO_WORD,
    NOT_PUBLISHED,
    TOO_MANY,
    accept,
)
from federation.protocol.discovery.word_counts import CountTerms, bucket_of, count_vector, words_in

TERMS = CountTerms(2**12, 3)


@given(st.integers(3, 12), st.integers(0, 2**32 - 1), st.integers(0, 3000))
@settings(max_examples=25)
def test_the_capacity_suffices_and_few_rare_words_share_a_published_bucket(k: int, seed: int, rare: int) -> None:
    """The words of published buckets fit the table; the share of rare words among them is as calculated."""
    common, terms = [f"common{i}" for i in range(100)], CountTerms(2**12, seed)
    counts = count_vector(common, terms) * np.uint64(k)
    rare_words = [f"rare{i}" for i in range(rare)]
    for word in rare_words:
        counts[bucket_of(word, terms)] += np.uint64(1)
    published = np.intersect1d(buckets_of_at_least(counts, k), [bucket_of(word, terms) for word in common])
    exposed = len(words_in(rare_words, published, terms))
    mean = rare * probability_of_exposure(published, terms.buckets)
    assert abs(exposed - mean) <= 5 * mean**0.5 + 5
    assert len(common) + exposed <= capacity_for(counts, published)


def test_k_is_never_below_three() -> None:
    counts = np.array([0, 1, 2, 3, 4], np.uint64)
    assert buckets_of_at_least(counts, 3).tolist() == [3, 4]
    with pytest.raises(DataError, match="at least 3, not 2"):
        buckets_of_at_least(counts, 2)


def test_more_buckets_than_devices_accept_are_an_error() -> None:
    check_published(np.arange(16), 256)
    with pytest.raises(DataError, match=r"17 of 256 buckets.*raise k"):
        check_published(np.arange(17), 256)


def test_only_words_that_both_sums_confirm_are_found() -> None:
    true = ["semester", "campus", "provo"]
    counts = sum((count_vector(true[: 1 + i % 3], TERMS) for i in range(30)), np.zeros(2**12, np.uint64))
    published = buckets_of_at_least(counts, 3)
    collision = next(w for i in range(10**6) if bucket_of(w := f"rare{chr(97 + i % 26)}{i}", TERMS) in published)
    decoded = {"provo": 10, "campus": 20, "semester": 31, "rare": 5, collision: 1, "bad word": 9, "forged": 0}
    found = accept(decoded, counts, published.tolist(), TERMS, 3, 30, lambda word: " " not in word)
    assert list(found.words.items()) == [("campus", 20), ("provo", 10)]
    assert found.dropped == {TOO_MANY: 1, NOT_PUBLISHED: 1, BELOW_K: 1, NO_WORD: 1, CONTRADICTION: 1}
    assert accept({"campus": 21}, counts, published.tolist(), TERMS, 3, 30, lambda _: True).dropped == {TOO_MANY: 1}
