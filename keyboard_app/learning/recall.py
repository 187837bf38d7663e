"""Recall at 3 of typed words: over all of them, and over time.

Punctuation is ranked and counted too, although the keyboard suggests only words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keyboard_app.recording.database.records import Ranks
from keyboard_app.recording.database.store import Store

SUGGESTED = 3


def recall(ranks: Sequence[int | None]) -> float | None:
    """Returns recall at 3, given the ranks of words. Unknown words, of rank None, do not count; None if there are no others."""
    known = [rank for rank in ranks if rank is not None]
    return sum(rank < SUGGESTED for rank in known) / len(known) if known else None


def moving_recall(ranks: Sequence[int], window: int) -> NDArray[np.float64]:
    """Returns recall at 3 over the last `window` words at each word, [len(ranks)] float64; over fewer at the start."""
    hits = np.concatenate([[0], np.cumsum(np.asarray(ranks) < SUGGESTED)])
    end = np.arange(1, len(hits))
    start = np.maximum(end - window, 0)
    shares: NDArray[np.float64] = (hits[end] - hits[start]) / (end - start)
    return shares


@dataclass(frozen=True)
class History:
    """The ranks of all words typed so far. Only words in the vocabulary have ranks and are counted."""

    ranks: list[int]  # by the model in use when the word was typed
    global_ranks: list[int]  # of the same words, by the global model
    learned_at: list[int]  # for each learning, the number of words typed before it

    @classmethod
    def read(cls, store: Store) -> "History":
        """Reads a store."""
        known: list[Ranks] = [r for r in store.ranks() if r.rank is not None and r.global_rank is not None]
        return cls(
            [r.rank for r in known if r.rank is not None],
            [r.global_rank for r in known if r.global_rank is not None],
            store.known_words_at_learnings(),
        )

    def __str__(self) -> str:
        """Returns one line: recall before the first learning and since."""
        if not self.ranks:
            return "nothing typed yet"
        if not self.learned_at:
            return f"recall at 3 before learning {recall(self.ranks):.0%}, over {len(self.ranks):,} words"
        first = self.learned_at[0]
        before, since = recall(self.ranks[:first]), recall(self.ranks[first:])
        if before is None or since is None:
            return f"recall at 3 up to the first learning {recall(self.ranks):.0%}; keep typing to see the effect"
        by_global = recall(self.global_ranks[first:])
        return f"recall at 3 before learning {before:.0%} → after {since:.0%} (global model alone: {by_global:.0%})"
