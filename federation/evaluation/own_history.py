"""A baseline that learns from one person only: an n-gram model of the person's own earlier messages."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from data.vocabulary import BOUNDARY, PAD, SPECIALS

_ORDER = 4  # of orders 1 to 4 it has the best recall at 1 on validation users, 11.7%; order 2 has 11.0%
_DISCOUNT = 0.75


class OwnHistory:
    """An n-gram model that learns message by message, over a vocabulary of V ids, special tokens included.

    Absolute discounting, interpolated down to the uniform distribution (Ney, Essen and Kneser 1994, "On structuring probabilistic
    dependences in stochastic language modelling"). It has a single discount, as a few hundred words are too few to estimate more,
    and raw counts, which can be updated in place, unlike those of Kneser and Ney.
    """

    def __init__(self, vocabulary: int) -> None:
        self._tokens = np.zeros(vocabulary)
        self._after: dict[tuple[int, ...], dict[int, int]] = defaultdict(dict)

    def add(self, message: Sequence[int]) -> None:
        """Learns from an encoded message without boundaries; ignores an empty one."""
        tokens = (BOUNDARY, *message, BOUNDARY) if len(message) else ()
        for end in range(1, len(tokens)):
            self._tokens[tokens[end]] += 1
            for begin in range(max(0, end - _ORDER + 1), end):
                after = self._after[tokens[begin:end]]
                after[tokens[end]] = after.get(tokens[end], 0) + 1

    def probabilities(self, message: Sequence[int]) -> Iterator[np.ndarray]:
        """Yields the distribution of each token of a message given the tokens before it: float64 [V]."""
        shares = np.where(np.arange(len(self._tokens)) == PAD, 0.0, 1 / (len(self._tokens) - 1))
        unigram = _interpolate(np.arange(len(self._tokens)), self._tokens, shares)
        tokens = (BOUNDARY, *message)
        for i in range(1, len(tokens)):
            mixed = unigram
            for length in range(1, min(i + 1, _ORDER)):
                after = self._after.get(tokens[i - length : i])
                if after is None:  # then no longer context was seen either
                    break
                words, counts = np.array(list(after.items())).T
                mixed = _interpolate(words, counts, mixed)
            yield mixed

    def score(self, message: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rank and the log-probability in nats of each token of a message, [n] each.

        A word that the person has never written ranks last, as a keyboard with this model alone could not offer it. Equally
        likely words, of which there are many with so few counts, rank in the vocabulary's order.
        """
        ranks, log_likelihoods = np.zeros(len(message), int), np.zeros(len(message))
        for i, (word, expected) in enumerate(zip(message, self.probabilities(message), strict=True)):
            words = expected[len(SPECIALS) :]
            ahead = np.count_nonzero(words > expected[word])
            equal = np.count_nonzero(expected[len(SPECIALS) : max(word, len(SPECIALS))] == expected[word])
            ranks[i] = ahead + equal if self._tokens[word] else len(words)
            log_likelihoods[i] = np.log(expected[word])
        return ranks, log_likelihoods


def score_own_history(messages: Sequence[Sequence[int]], vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicts each message of one person, oldest first, from the earlier ones; returns ranks and log-probabilities, [N] each."""
    history = OwnHistory(vocabulary)
    parts = [(np.zeros(0, int), np.zeros(0))]
    for message in messages:
        parts.append(history.score(message))
        history.add(message)
    ranks, log_likelihoods = zip(*parts, strict=True)
    return np.concatenate(ranks), np.concatenate(log_likelihoods)


def _interpolate(words: np.ndarray, counts: np.ndarray, shorter: np.ndarray) -> np.ndarray:
    """Returns the distribution [V] of discounted counts [n] of words [n], with the discounted mass spread like `shorter` [V]."""
    total = counts.sum()
    if not total:
        return shorter
    mixed = shorter * (_DISCOUNT * np.count_nonzero(counts) / total)
    mixed[words] += np.maximum(counts - _DISCOUNT, 0) / total
    return mixed
