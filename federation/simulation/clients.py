"""Simulated clients: the users in a round's cohort, and the words that they train on."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from data.corpus import Corpus
from data.vocabulary import Vocabulary
from data.windows import pack
from federation.engine.training_data import training_data
from model.device.config import ModelConfig
from model.device.learning.finetuning import FineTuning, candidate_generator


def sample_cohort(
    users: Sequence[str], size: int, seed: int, round_number: int, turns: Sequence[float] | None = None
) -> list[str]:
    """Returns the clients of a round: `size` users sampled without replacement, or all users if they are fewer.

    Users are sampled uniformly, or in proportion to `turns`, a number for each user. The result depends on the arguments
    alone, so that a resumed run has the same cohorts.
    """
    rng = np.random.default_rng([seed, round_number])
    if turns is None:
        drawn = rng.choice(len(users), min(size, len(users)), replace=False)
    else:
        share = np.array(turns) / max(sum(turns), 1)
        drawn = rng.choice(len(users), min(size, int(np.count_nonzero(share))), replace=False, p=share)
    return [users[i] for i in drawn]


def turns_by_words(words: Sequence[int], max_words: int) -> list[float]:
    """Returns the relative sampling frequency of each client, given its word count and the cap on its words in a round.

    Clients are sampled in proportion to their word count; those below the cap, who contribute all of their words in every
    round, are sampled equally often; those without words are never sampled. So every word is trained on about equally
    often. With uniform cohorts, a model memorizes the words of people who wrote little before it has seen half of the others'.
    """
    return [max(1.0, count / max_words) if count else 0.0 for count in words]


class Clients:
    """The words of a corpus's users as training rows. A user's messages are encoded on first use."""

    def __init__(self, corpus: Corpus, vocabulary: Vocabulary, window: int) -> None:
        self.users = corpus.users()
        self._corpus, self._vocabulary, self._window = corpus, vocabulary, window
        self._number = {user: i for i, user in enumerate(self.users)}
        self.messages = lru_cache(maxsize=None)(self._messages)

    def _messages(self, user: str) -> list[NDArray[np.int32]]:
        encoded = (self._vocabulary.encode(text) for text in self._corpus.messages(user))
        return [np.array(message, np.int32) for message in encoded if message]

    def words(self) -> list[int]:
        """Returns the word count of each user, in the order of `users`."""
        return [sum(map(len, self.messages(user))) for user in self.users]

    def rows(
        self, user: str, max_words: int, seed: int, round_number: int
    ) -> tuple[NDArray[np.int32], np.random.Generator]:
        """Draws messages of one user at random, at most `max_words` words, and packs them into rows [n, T + 1].

        The cap bounds one person's influence on the model; the random draw lets a person who wrote more contribute different
        words in every round. Returns the generator as well, for the order of the rows.
        """
        messages = self.messages(user)
        rng = np.random.default_rng([seed, round_number, self._number[user]])
        order = rng.permutation(len(messages))
        words = np.cumsum([len(messages[i]) for i in order])
        kept = order[: max(1, int(np.searchsorted(words, max_words, side="right")))]
        return pack([messages[i][:max_words] for i in kept], self._window), rng

    def dataset(self, user: str, how: FineTuning, config: ModelConfig, seed: int, round_number: int) -> tf.data.Dataset:
        """Returns a client's data for TFF: batches that are drawn as a device draws them (`finetuning.finetune`)."""
        rows, rng = self.rows(user, how.max_words, seed, round_number)
        sampling = candidate_generator(how, rng)
        return training_data([rows[rng.permutation(len(rows))] for _ in range(how.passes)], config, sampling)
