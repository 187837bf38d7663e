"""A simulated discovery, from the words that devices offer to the words that are found."""

from collections import Counter

import numpy as np
import pytest

from data.errors import DataError
from federation.discovery.costs import bytes_of_device, cost_rows, least_k
from federation.discovery.privacy import noisy_threshold
from federation.discovery.simulation import discover
from federation.protocol.discovery.offer import may_be_offered
from federation.protocol.discovery.round_plans import packed_buckets

COMMON = ["semester", "campus", "provo", "byu", "hiking"]


def offers(devices: int, seed: int = 0) -> list[list[str]]:
    """Returns common words, the first of which more people have, and words that only one person has."""
    rng = np.random.default_rng(seed)
    return [
        [*(word for i, word in enumerate(COMMON) if rng.random() < 0.9 - 0.2 * i), *(f"{'xyz'[n]}o{chr(97 + device % 26)}a"
         f"{chr(97 + device // 26)}" for n in range(3))]
        for device in range(devices)
    ]  # fmt: skip


def test_exactly_the_words_of_k_devices_are_found_with_their_counts() -> None:
    own = offers(60)
    held = Counter(word for words in own for word in words)
    found = discover(own, may_be_offered, 10, 2**12, 3)
    assert found.words == {word: n for word, n in held.most_common() if n >= 10}
    assert list(found.words.values()) == sorted(found.words.values(), reverse=True)
    assert (found.devices, found.offers) == (60, held.total())
    assert found.published == len(found.words)
    assert found.exposure == found.published / 2**12
    assert not set(found.dropped) - {"of fewer than k devices, in a bucket with words of others"}
    sent, received, _ = bytes_of_device(2**12, found.published, found.capacity, 60)
    assert sent == 2**12 * 6 // 8
    assert received == len(packed_buckets(range(found.published)))
    assert len(cost_rows(found, 1_000_000)) == 8


def test_k_is_above_what_rare_words_add_up_to_by_chance() -> None:
    rng = np.random.default_rng(0)
    for devices, words in ((1_000, 50), (20_000, 50)):
        counts = rng.multinomial(devices * words, np.full(2**12, 2**-12))
        k = least_k(devices * words, 2**12)
        assert counts.max() <= k < counts.mean() + 6 * counts.std() + 2


def test_private_counts_are_near_and_only_clearly_common_words_are_found() -> None:
    own = [words[:6] for words in offers(400)]
    held = Counter(word for words in own for word in words)
    privacy, rng = noisy_threshold(8.0, 1e-5, 6, 10), np.random.default_rng(1)
    found = discover(
        own, may_be_offered, 10, 2**12, 3, None, privacy, lambda n: rng.integers(0, 2**64, n, dtype=np.uint64)
    )
    assert {"semester", "campus", "provo"} <= set(found.words) <= set(COMMON)
    assert all(abs(count - held[word]) < 6 * privacy.stddev for word, count in found.words.items())
    assert any(count != held[word] for word, count in found.words.items())
    assert found.dropped == {}


def test_a_table_that_is_too_small_and_too_many_private_words_are_errors() -> None:
    with pytest.raises(DataError, match="greater capacity"):
        discover([[f"wo{a}{b}a" for a in "abcdefgh" for b in "abcdefgh"]] * 3, may_be_offered, 3, 2**12, 0, 1)
    with pytest.raises(DataError, match="more words than the noise was made for"):
        discover([["one", "two"]], may_be_offered, 10, 2**12, 0, None, noisy_threshold(1.0, 1e-5, 1, 10))
