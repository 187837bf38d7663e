"""The first sum of word discovery: how many devices have a word in each of many buckets. No word can be read from it.

A word's bucket is its Fingerprint64, seeded by the round, modulo the number of buckets. A device's vector has a 1 in the bucket of
each of its words, however many of them fall into it, so an entry of the sum is a number of devices and at least the number of
devices that have any one of the words of its bucket. The coordinator publishes the buckets with at least k devices. Only words of
these buckets are revealed (`federation.protocol.discovery.word_table`), so a word of fewer than k devices is only revealed if its
bucket has words of other people, which together with it make k. With B buckets, P of them published, this has the probability
P / B for a word of one device, and a greater one for words of nearly k devices.

The sum keeps no word secret that can be guessed: whoever sees it can look up how many devices have that word or another one of
its bucket. A coordinator that is not honest can publish buckets of fewer than k devices. A device cannot see that, but it refuses
more than `MOST_PUBLISHED` of all buckets.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from federation.protocol.discovery.fingerprint import fingerprint64
from federation.protocol.json_messages import Between, JsonMessage

MOST_PUBLISHED = 1 / 16  # share of the buckets that a device accepts as published


@dataclass(frozen=True)
class CountTerms(JsonMessage):
    """The terms of the first sum: public, and the same for all its devices.

    Raises:
      DataError: a number is not within its bounds.
    """

    buckets: Annotated[int, Between(2**8, 2**24)] = 2**18
    seed: Annotated[int, Between(0, 2**32 - 1)] = 0


def bucket_of(word: str, terms: CountTerms) -> int:
    """Returns the bucket of a word, from 0 to the number of buckets - 1."""
    return fingerprint64(f"bucket_{terms.seed};{word}".encode()) % terms.buckets


def count_vector(words: Iterable[str], terms: CountTerms) -> NDArray[np.uint64]:
    """Returns a device's vector [buckets]: 1 in the buckets of its words, else 0."""
    vector = np.zeros(terms.buckets, np.uint64)
    vector[[bucket_of(word, terms) for word in words]] = 1
    return vector


def words_in(words: Iterable[str], published: Sequence[int] | NDArray[np.int64], terms: CountTerms) -> list[str]:
    """Returns the words whose bucket was published, in their order: those that a device may put into its table.

    Raises:
      DataError: more buckets were published than a device accepts, one of them twice, or one does not exist.
    """
    chosen = frozenset(map(int, published))
    if len(chosen) < len(published) or not all(0 <= bucket < terms.buckets for bucket in chosen):
        raise DataError(f"the published buckets must be different numbers from 0 to {terms.buckets - 1}")
    if len(chosen) > terms.buckets * MOST_PUBLISHED:
        raise DataError(
            f"{len(chosen)} of {terms.buckets} buckets were published, but a device reveals words of at most "
            f"{int(terms.buckets * MOST_PUBLISHED)}: this round is refused; run it with more buckets or a greater k"
        )
    return [word for word in words if bucket_of(word, terms) in chosen]
