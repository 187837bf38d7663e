"""The words that a discovery found: which decoded words count, and why others do not."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.protocol.discovery.word_counts import CountTerms, bucket_of

BELOW_K = "of fewer than k devices, in a bucket with words of others"
CONTRADICTION = "its counts contradict each other"
TOO_MANY = "counted by more devices than took part, or than have a word in its bucket"
NOT_PUBLISHED = "its bucket was not published"
NO_WORD = "not a word that devices offer"


@dataclass(frozen=True)
class Findings:
    """The found words with their devices, most devices first, and the number of other decoded words by reason."""

    words: dict[str, int]
    dropped: dict[str, int]


def accept(
    decoded: Mapping[str, int],
    counts: NDArray[np.uint64],
    published: Collection[int],
    terms: CountTerms,
    k: int,
    devices: int,
    may_be_found: Callable[[str], bool],
) -> Findings:
    """Returns the decoded words that at least k devices have, and that both sums confirm.

    The checks catch devices that did not follow the protocol only where they contradict themselves. A device can count a word for
    many devices in both sums.

    Args:
      decoded: the words of the table with their counts (`decode_table`).
      counts: [buckets], the first sum.
      published: the buckets that were published.
      terms: the terms of the first sum.
      k: the threshold.
      devices: the number of devices in the sums.
      may_be_found: returns whether a word has the right form and is missing in the vocabulary.
    """
    chosen = frozenset(map(int, published))
    kept: dict[str, int] = {}
    dropped: dict[str, int] = {}
    for word, count in decoded.items():
        bucket = bucket_of(word, terms)
        reason = None
        if count == 0:
            reason = CONTRADICTION
        elif not may_be_found(word):
            reason = NO_WORD
        elif bucket not in chosen:
            reason = NOT_PUBLISHED
        elif count > min(devices, int(counts[bucket])):
            reason = TOO_MANY
        elif count < k:
            reason = BELOW_K
        if reason is None:
            kept[word] = count
        else:
            dropped[reason] = dropped.get(reason, 0) + 1
    return Findings(dict(sorted(kept.items(), key=lambda found: (-found[1], found[0]))), dropped)
