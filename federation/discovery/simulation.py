"""A simulated word discovery: the two sums over devices that each have the messages of one person.

1. Every device computes what it offers, and its vector of the first sum.
2. The buckets with at least k devices are published; under differential privacy, those that its noise lets through.
3. Every device puts its words of these buckets into its table. The sum of the tables is decoded.
4. Words that at least k devices have, and that both sums confirm, are found; under differential privacy, those that the noise lets
   through again, with noisy counts.

The vectors are added in the clear. The masks of secure aggregation would cancel in the same sums.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import DataError
from federation.discovery.buckets import (
    LEAST_CAPACITY,
    buckets_of_at_least,
    capacity_for,
    check_published,
    probability_of_exposure,
)
from federation.discovery.decoding import decode_table
from federation.discovery.findings import accept
from federation.discovery.privacy import NoisyThreshold
from federation.protocol.discovery.word_counts import CountTerms, count_vector, words_in
from federation.protocol.discovery.word_table import TableTerms, table_size, table_vector
from federation.protocol.noise import Draw, system_bits


@dataclass(frozen=True)
class Found:
    """The result of a discovery, and what it cost."""

    words: dict[str, int]  # with their devices, most devices first; noisy counts under differential privacy
    dropped: dict[str, int]  # other decoded words, by reason; empty under differential privacy
    devices: int
    offers: int  # words that the devices offered, each counted once for each device
    buckets: int  # of the first sum
    published: int  # of them
    exposure: float  # probability that a word of one device is decoded
    capacity: int  # of the table
    device_ms: float  # median time that a device takes for both vectors
    sums_seconds: float  # that the desktop takes to add the vectors
    decoding_seconds: float


def discover(
    offers: Sequence[Sequence[str]],
    may_be_found: Callable[[str], bool],
    k: int,
    buckets: int,
    seed: int,
    capacity: int | None = None,
    privacy: NoisyThreshold | None = None,
    draw: Draw = system_bits,
) -> Found:
    """Runs both sums over the words that devices offer.

    Args:
      offers: the words of each device, without repetitions.
      may_be_found: returns whether a word has the right form and is missing in the vocabulary.
      k: the minimum number of devices that must have a word for it to be found.
      buckets: of the first sum.
      seed: of both sums.
      capacity: of the table; None: as the published buckets need it.
      privacy: noise and threshold; None: no differential privacy.
      draw: returns random bits for the noise.

    Raises:
      DataError: the settings contradict each other, or the table has too many words.
    """
    if privacy is not None and (privacy.k != k or any(len(words) > privacy.words for words in offers)):
        raise DataError("a device offers more words than the noise was made for, or k is another one")
    count_terms = CountTerms(buckets, seed)
    took = np.zeros(len(offers))
    counts, started = np.zeros(buckets, np.uint64), time.perf_counter()
    for device, words in enumerate(offers):
        before = time.perf_counter()
        vector = count_vector(words, count_terms)
        took[device] += time.perf_counter() - before
        counts += vector
    published = buckets_of_at_least(counts if privacy is None else privacy.release(counts, draw).astype(np.uint64), k)
    check_published(published, buckets)
    if capacity is None:
        # Under differential privacy, the exact counts of the other buckets may not decide it.
        capacity = capacity_for(counts, published) if privacy is None else 2 * len(published) + LEAST_CAPACITY
    table_terms = TableTerms(capacity, seed=seed)
    total = np.zeros(table_size(table_terms), np.uint64)
    for device, words in enumerate(offers):
        before = time.perf_counter()
        vector = table_vector(words_in(words, published, count_terms), table_terms)
        took[device] += time.perf_counter() - before
        total += vector
    sums_seconds = time.perf_counter() - started - float(took.sum())
    started = time.perf_counter()
    try:
        decoded = decode_table(total, table_terms, sum(map(len, offers)))
    except DataError as error:
        raise DataError(f"{error}: repeat it with a greater capacity (--capacity)") from error
    decoding_seconds = time.perf_counter() - started
    findings = accept(decoded, counts, published, count_terms, k, len(offers), may_be_found)
    found, dropped = findings.words, findings.dropped
    if privacy is not None:
        noisy = privacy.release(np.array(list(found.values()), np.uint64), draw).tolist()
        released = [(word, count) for word, count in zip(found, noisy, strict=True) if count]
        found, dropped = dict(sorted(released, key=lambda f: (-f[1], f[0]))), {}
    return Found(
        words=found,
        dropped=dropped,
        devices=len(offers),
        offers=sum(map(len, offers)),
        buckets=buckets,
        published=len(published),
        exposure=probability_of_exposure(published, buckets),
        capacity=capacity,
        device_ms=1e3 * float(np.median(took)) if len(offers) else 0.0,
        sums_seconds=sums_seconds,
        decoding_seconds=decoding_seconds,
    )


def packed_bytes(length: int, bits: int) -> int:
    """Returns the size of a vector of whole numbers in a secure sum."""
    return (length * bits + 7) // 8
