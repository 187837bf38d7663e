"""The buckets that are published after the first sum (`federation.protocol.discovery.word_counts`), and what they reveal."""

import math

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from federation.protocol.discovery.round_plans import LEAST_K
from federation.protocol.discovery.word_counts import MOST_PUBLISHED

LEAST_CAPACITY = 256  # words: two words of a smaller table would too often have the same cells
_MARGIN = 5  # standard deviations

Integers = NDArray[np.int64]
Counts = NDArray[np.uint64]


def buckets_of_at_least(counts: Counts, k: int) -> Integers:
    """Returns the buckets that at least k devices have a word in, in ascending order.

    Raises:
      DataError: k is below `LEAST_K`.
    """
    if k < LEAST_K:
        raise DataError(
            f"words of fewer than {LEAST_K} people could identify them: k must be at least {LEAST_K}, not {k}"
        )
    return np.flatnonzero(counts >= k)


def check_published(published: Integers, buckets: int) -> None:
    """Checks that devices will accept a list of published buckets.

    Raises:
      DataError: there are too many.
    """
    if len(published) > buckets * MOST_PUBLISHED:
        raise DataError(
            f"{len(published):,} of {buckets:,} buckets reach the threshold, and devices accept at most "
            f"{int(buckets * MOST_PUBLISHED):,}: raise k (--k), or use more buckets (--buckets)"
        )


def capacity_for(counts: Counts, published: Integers) -> int:
    """Returns a capacity of the table that suffices for the words of the published buckets, except with a tiny probability.

    A bucket has at least one word if it was published, and others with the mean of all other buckets. The words of those are
    estimated from the share that is empty.
    """
    others = len(counts) - len(published)
    empty = int(np.count_nonzero(counts == 0))
    collisions = len(published) * math.log(others / max(empty, 1)) if others else 0.0
    expected = len(published) + collisions
    return max(LEAST_CAPACITY, math.ceil(expected + _MARGIN * math.sqrt(collisions) + _MARGIN))


def probability_of_exposure(published: Integers, buckets: int) -> float:
    """Returns the probability that a word of one device is decoded, because its bucket has words of other people."""
    return len(published) / buckets
