"""The clients that simulated rounds are measured over: the same for everything that is compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data.corpus import Part, open_corpus
from data.errors import DataError
from data.windows import targets
from federation.simulation.clients import Clients, sample_cohort
from model.device.folder import Model


@dataclass(frozen=True)
class Cohort:
    """Training rows of a round's clients, one array [n, T + 1] int32 each."""

    rows: Sequence[np.ndarray]
    batch: int  # rows of a step

    @property
    def words(self) -> int:
        """Targets that are not padding."""
        return sum(map(targets, self.rows))

    def batches(self) -> list[list[np.ndarray]]:
        """Each client's steps."""
        return [[r[i : i + self.batch] for i in range(0, len(r), self.batch)] for r in self.rows]

    def datasets(self) -> list[tf.data.Dataset]:
        """The same as TFF takes them."""
        return [tf.data.Dataset.from_tensor_slices((r, r[:, 1:])).batch(self.batch) for r in self.rows]


def cohorts(model: Model, corpus: str, clients: int, max_words: int, rounds: int, seed: int = 0) -> list[Cohort]:
    """The cohorts of so many rounds, drawn as `federate simulate` draws them, of people who wrote `max_words` words at least.

    Whoever wrote less would make rounds whose time is that of sending weights about.

    Raises:
      DataError: nobody wrote so much.
    """
    config = model.provenance.config
    people = Clients(Part(open_corpus(corpus), "train"), model.vocabulary, config.window)
    users = [user for user, words in zip(people.users, people.words(), strict=True) if words >= max_words]
    if not users:
        raise DataError(f"nobody of the corpus {corpus} wrote {max_words:,} words: choose a lower --max-words")
    drawn = []
    for number in range(1, rounds + 1):
        cohort = sample_cohort(users, clients, seed, number)
        rows = []
        for user in cohort:
            own, rng = people.rows(user, max_words, seed, number)
            rows.append(own[rng.permutation(len(own))])
        drawn.append(Cohort(rows, config.batch))
    return drawn
