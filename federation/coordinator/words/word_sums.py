"""The content of the two sums of a word discovery: the buckets to publish, and the words found.

Words that honest devices cannot have offered are left out.

A device is hidden by its mask, even one that lies: k is no bound against a device that counts a word many times. What can be
checked is checked here, and the owner looks at every word before the vocabulary grows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.errors import DataError
from federation.aggregation.sum_check import ImplausibleSumError
from federation.coordinator.words.discovery_store import CountedBuckets, FoundWord
from federation.discovery.buckets import buckets_of_at_least, capacity_for
from federation.discovery.findings import accept
from federation.protocol.discovery.offer import may_be_offered
from federation.protocol.discovery.round_plans import CountPlan, RevealPlan, most_published
from federation.protocol.discovery.word_table import PRIME
from federation.protocol.secure_aggregation.modular_vectors import Vector, unpack


@dataclass(frozen=True)
class Reading:
    """The words of a second sum, most devices first, and a line about those that were left out; empty if none were."""

    words: tuple[FoundWord, ...]
    note: str


def published_buckets(plan: CountPlan, total: bytes, devices: int) -> CountedBuckets:
    """Returns the buckets with words of at least k devices, those of the most devices if there are more than devices accept.

    Args:
      plan: of the first round.
      total: its sum, packed by the plan's layout.
      devices: the number of devices in the sum.

    Raises:
      ImplausibleSumError: honest devices cannot have this sum.
      DataError: the sum does not fit the plan.
    """
    (counts,) = unpack(plan.layout, total)
    most = int(counts.max())
    words, allowed = int(counts.sum(dtype="u8")), devices * plan.offer.words_per_device
    if most > devices:
        raise ImplausibleSumError(
            f"a bucket counts {most:,} of {devices:,} devices: at least one of them sent something else than its words"
        )
    if words > allowed:
        raise ImplausibleSumError(
            f"the buckets count {words:,} words, more than the {allowed:,} that {devices:,} devices may offer: at least one of "
            "them sent something else than its words"
        )
    full = buckets_of_at_least(counts.astype(np.uint64), plan.k)
    kept = full[np.argsort(-counts[full].astype(np.int64), kind="stable")][: most_published(plan.counts)]
    capacity = capacity_for(counts.astype(np.uint64), kept)
    return CountedBuckets(
        plan.round_name, devices, {int(bucket): int(counts[bucket]) for bucket in kept}, capacity, words
    )


def table_of(plan: RevealPlan, total: bytes, devices: int) -> Vector:
    """Returns the sum of the tables, unpacked.

    Raises:
      ImplausibleSumError: honest devices cannot have this sum.
      DataError: the sum does not fit the plan.
    """
    (table,) = unpack(plan.layout, total)
    if int(table.max()) > devices * (PRIME - 1):
        raise ImplausibleSumError("a cell of the table is larger than honest devices can make it")
    return table


def words_of(plan: RevealPlan, decoded: Mapping[str, int], counted: CountedBuckets, vocabulary: set[str]) -> Reading:
    """Returns the words of a decoded table that at least k devices have and that nothing contradicts.

    Args:
      plan: of the second round.
      decoded: the words, with their counts.
      counted: the result of the first sum.
      vocabulary: the words that the model has.
    """
    counts = np.zeros(plan.counts.buckets, np.uint64)
    for bucket, number in counted.buckets.items():
        counts[bucket] = number

    def may_be_found(word: str) -> bool:
        return may_be_offered(word) and word not in vocabulary

    # A device reveals only what it counted before, so no word has more devices than its bucket had in the first sum.
    found = accept(decoded, counts, counted.buckets, plan.counts, plan.k, counted.devices, may_be_found)
    dropped = [f"{n:,} {'word' if n == 1 else 'words'} ({reason})" for reason, n in found.dropped.items()]
    note = f"dropped: {', '.join(dropped)}" if dropped else ""
    return Reading(tuple(FoundWord(word, devices) for word, devices in found.words.items()), note)


def check_terms(k: int, target: int) -> None:
    """Raises a DataError unless a sum can have as many devices as a word must have."""
    if k > target:
        raise DataError(
            f"a word must have {k:,} devices and a sum has at most {target:,}: lower k, or raise the target of devices in a sum"
        )
