"""The first sum of word discovery: devices by bucket."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.discovery.word_counts import MOST_PUBLISHED, CountTerms, bucket_of, count_vector, words_in

WORDS = st.lists(st.text(min_size=1, max_size=20), max_size=60)


@given(st.lists(WORDS, min_size=1, max_size=6), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_a_bucket_of_the_sum_has_the_number_of_devices_with_one_of_its_words(
    devices: list[list[str]], seed: int
) -> None:
    terms = CountTerms(256, seed)
    vectors = [count_vector(words, terms) for words in devices]
    total = np.sum(vectors, axis=0)
    assert all(vector.dtype == np.uint64 and vector.shape == (256,) for vector in vectors)
    buckets = [{bucket_of(word, terms) for word in words} for words in devices]
    assert total.tolist() == [sum(bucket in own for own in buckets) for bucket in range(256)]


def test_the_seed_moves_words_to_other_buckets() -> None:
    words = [f"word{i}" for i in range(1000)]
    first, second = ([bucket_of(word, CountTerms(2**10, seed)) for word in words] for seed in (1, 2))
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 12  # 1 expected
    assert 550 < len(set(first)) < 700  # 639 expected of a random function


@given(WORDS, WORDS)
def test_a_device_reveals_the_words_of_published_buckets_only(own: list[str], of_others: list[str]) -> None:
    terms = CountTerms(2**12, 5)
    published = sorted({bucket_of(word, terms) for word in of_others})
    revealed = words_in(own, published, terms)
    assert revealed == [word for word in own if bucket_of(word, terms) in published]
    assert set(own) & set(of_others) <= set(revealed)


def test_a_device_refuses_lists_of_buckets_that_reveal_too_much() -> None:
    terms = CountTerms(2**12)
    most = int(2**12 * MOST_PUBLISHED)
    words_in(["a word"], list(range(most)), terms)
    with pytest.raises(DataError, match=r"257 of 4096 buckets were published.*more buckets or a greater k"):
        words_in(["a word"], list(range(most + 1)), terms)
    for published in ([1, 1], [-1], [4096]):
        with pytest.raises(DataError, match="different numbers from 0 to 4095"):
            words_in(["a word"], published, terms)
    for buckets in (255, 2**24 + 1):
        with pytest.raises(DataError, match="buckets of a CountTerms"):
            CountTerms(buckets)
