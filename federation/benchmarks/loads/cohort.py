"""The clients of measured simulated rounds, the same for all systems that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data.corpus import Part, open_corpus
from data.errors import DataError
from data.windows import targets
from federation.engine.training_data import training_data
from federation.simulation.clients import Clients, sample_cohort
from model.device.config import ModelConfig
from model.device.folder import Model
from model.device.sampling import FULL, SAMPLED


@dataclass(frozen=True)
class Cohort:
    """The training data of a round's clients."""

    rows: Sequence[np.ndarray]  # int32 [n, T + 1] for each client
    config: ModelConfig

    @property
    def words(self) -> int:
        """The number of targets that are not padding."""
        return sum(map(targets, self.rows))

    def batches(self) -> list[list[np.ndarray]]:
        """Returns each client's rows, split into training steps."""
        size = self.config.batch
        return [[r[i : i + size] for i in range(0, len(r), size)] for r in self.rows]

    def datasets(self, softmax: str = FULL) -> list[tf.data.Dataset]:
        """Returns each client's rows as a dataset for TFF, with candidates for the sampled softmax if it is asked for."""
        generators = np.random.default_rng(0).spawn(len(self.rows)) if softmax == SAMPLED else [None] * len(self.rows)
        return [training_data([rows], self.config, rng) for rows, rng in zip(self.rows, generators, strict=True)]


def cohorts(model: Model, corpus: str, clients: int, max_words: int, rounds: int, seed: int = 0) -> list[Cohort]:
    """Draws the cohorts of `rounds` rounds as `federate simulate` does, from people who wrote at least `max_words` words.

    With people who wrote less, a measurement would mostly be of the transfer of weights.

    Raises:
      DataError: nobody wrote that many words.
    """
    config = model.provenance.config
    people = Clients(Part(open_corpus(corpus), "train"), model.vocabulary, config.window)
    users = [user for user, words in zip(people.users, people.words(), strict=True) if words >= max_words]
    if not users:
        raise DataError(f"no training user of the corpus {corpus} wrote {max_words:,} words: lower --max-words")
    drawn = []
    for number in range(1, rounds + 1):
        cohort = sample_cohort(users, clients, seed, number)
        rows = []
        for user in cohort:
            own, rng = people.rows(user, max_words, seed, number)
            rows.append(own[rng.permutation(len(own))])
        drawn.append(Cohort(rows, config))
    return drawn
