"""Simulated clients: which users take part in a round, and what of their words."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import tensorflow as tf

from data.corpus import Corpus
from data.vocabulary import Vocabulary
from data.windows import pack


def sample_cohort(
    users: Sequence[str], size: int, seed: int, round_number: int, turns: Sequence[float] | None = None
) -> list[str]:
    """The clients of a round: `size` users drawn without replacement; all of them where there are no more.

    Drawn uniformly, or in proportion to the turns that each is due. A function of its arguments alone, so that a resumed run
    draws the cohorts it would have drawn.
    """
    rng = np.random.default_rng([seed, round_number])
    if turns is None:
        drawn = rng.choice(len(users), min(size, len(users)), replace=False)
    else:
        share = np.array(turns) / max(sum(turns), 1)
        drawn = rng.choice(len(users), min(size, int(np.count_nonzero(share))), replace=False, p=share)
    return [users[i] for i in drawn]


def turns_by_words(words: Sequence[int], max_words: int) -> list[float]:
    """How often each client's turn should come, given its words and how many of them it contributes at most when it comes.

    Whoever wrote no more than `max_words` contributes all of them at every turn: one share. Whoever wrote more comes as much
    oftener as there is more to contribute. So rounds go through everybody's words at one pace, where uniform cohorts learn those
    of people who wrote little by heart before they have seen half of what the others wrote. Who wrote nothing has no turn.
    """
    return [max(1.0, count / max_words) if count else 0.0 for count in words]


class Clients:
    """The words of a corpus's users as training rows; a user is encoded when first called."""

    def __init__(self, corpus: Corpus, vocabulary: Vocabulary, window: int) -> None:
        self.users = corpus.users()
        self._corpus, self._vocabulary, self._window = corpus, vocabulary, window
        self._number = {user: i for i, user in enumerate(self.users)}
        self.messages = lru_cache(maxsize=None)(self._messages)

    def _messages(self, user: str) -> list[np.ndarray]:
        encoded = (self._vocabulary.encode(text) for text in self._corpus.messages(user))
        return [np.array(message, np.int32) for message in encoded if message]

    def words(self) -> list[int]:
        """How many words each of the users has, in their order."""
        return [sum(map(len, self.messages(user))) for user in self.users]

    def rows(self, user: str, max_words: int, seed: int, round_number: int) -> tuple[np.ndarray, np.random.Generator]:
        """Messages of one user drawn at random, `max_words` words of them at most, packed into rows [n, T + 1].

        The cap bounds what one person can do to the model, and the draw lets a person who wrote more contribute other words in
        every round. Returns the generator too, for the order of the rows.
        """
        messages = self.messages(user)
        rng = np.random.default_rng([seed, round_number, self._number[user]])
        order = rng.permutation(len(messages))
        words = np.cumsum([len(messages[i]) for i in order])
        kept = order[: max(1, int(np.searchsorted(words, max_words, side="right")))]
        return pack([messages[i][:max_words] for i in kept], self._window), rng

    def dataset(
        self, user: str, max_words: int, passes: int, batch: int, seed: int, round_number: int
    ) -> tf.data.Dataset:
        """What TFF gives to a simulated client: batches of (rows, targets), shuffled anew for each pass."""
        rows, rng = self.rows(user, max_words, seed, round_number)
        dataset = None
        for _ in range(passes):
            shuffled = rows[rng.permutation(len(rows))]
            one_pass = tf.data.Dataset.from_tensor_slices((shuffled, shuffled[:, 1:])).batch(batch)
            dataset = one_pass if dataset is None else dataset.concatenate(one_pass)
        return dataset
