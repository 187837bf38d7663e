"""Why a summed table of words cannot be decoded: what sums of honest devices' tables have in common, and this sum lacks.

All of it is linear in the words, so that it holds for the sum if it holds for each device's table:

- a word adds the same to one row of each repetition. So the sum over rows is the same for all repetitions, column by column;
- a word adds 1 to the count of a row, and 1 to its value. So the counts are the values;
- D devices with at most W words each add at most D W counts to a repetition.

A device that enters a wrong number of a whole word breaks none of this. Its mask hides which device it is.
"""

import math

import numpy as np
from numpy.typing import NDArray

from federation.protocol.discovery.word_table import PRIME, TableTerms


def reason_unreadable(total: NDArray[np.uint64], terms: TableTerms, offers: int) -> str:
    """Returns why the exact sum of devices' tables cannot be decoded, for people.

    Args:
      total: [table_size], the sum.
      terms: its terms.
      offers: the greatest number of words that all devices may enter, each counted once for each device.
    """
    cells = terms.repetitions * terms.rows * (terms.chunks + 2)
    table = total[:cells].reshape(terms.repetitions, terms.rows, terms.chunks + 2)
    counts, values = table[:, :, -2], total[cells:].reshape(terms.repetitions, terms.rows)
    prime = np.uint64(PRIME)
    sums = (table % prime).sum(axis=1) % prime  # [R, columns]
    if (counts != values).any():
        return "its counts contradict its values: at least one device sent something other than a table of its words"
    if (sums != sums[0]).any():
        return (
            "its repetitions contradict each other: at least one device sent something other than a table of its words"
        )
    entered = max(int(repetition.sum(dtype="u8")) for repetition in counts)
    if entered > offers:
        return f"it counts {entered:,} words, but its devices may enter at most {offers:,}: at least one of them sent others"
    words = _distinct_words(counts[0])
    if words > terms.capacity:
        return f"it has about {words:,} different words, and its capacity is {terms.capacity:,}"
    return "at least one device sent words that have the wrong form"


def _distinct_words(counts: NDArray[np.uint64]) -> int:
    """Returns an estimate of the different words in a repetition, from the share of rows that are empty."""
    rows, empty = len(counts), int(np.count_nonzero(counts == 0))
    return round(-rows * math.log(max(empty, 0.5) / rows))
