"""What a keyboard would know that learned from its owner alone: an n-gram model of the person's own earlier messages."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from data.vocabulary import BOUNDARY, PAD, SPECIALS

_ORDER = 4  # the best recall at 1 of 1 to 4 on validation users, 11.7%; 2 has 11.0%
_DISCOUNT = 0.75


class OwnHistory:
    """Counts that grow with each message, over the ids of a vocabulary of V words, the specials included.

    Absolute discounting, interpolated down to equal shares for all tokens (Ney, Essen and Kneser 1994, "On structuring
    probabilistic dependences in stochastic language modelling"), with one discount and raw counts: unlike those of Kneser and Ney
    they grow in place, and a few hundred words are too few to estimate more.
    """

    def __init__(self, vocabulary: int) -> None:
        self._tokens = np.zeros(vocabulary)
        self._after: dict[tuple[int, ...], dict[int, int]] = defaultdict(dict)

    def add(self, message: Sequence[int]) -> None:
        """Learns from an encoded message, without boundaries; an empty one teaches nothing."""
        tokens = (BOUNDARY, *message, BOUNDARY) if len(message) else ()
        for end in range(1, len(tokens)):
            self._tokens[tokens[end]] += 1
            for begin in range(max(0, end - _ORDER + 1), end):
                after = self._after[tokens[begin:end]]
                after[tokens[end]] = after.get(tokens[end], 0) + 1

    def probabilities(self, message: Sequence[int]) -> Iterator[np.ndarray]:
        """What is expected of each token of a message, given those before it: float64 [V] each."""
        shares = np.where(np.arange(len(self._tokens)) == PAD, 0.0, 1 / (len(self._tokens) - 1))
        unigram = _interpolate(np.arange(len(self._tokens)), self._tokens, shares)
        tokens = (BOUNDARY, *message)
        for i in range(1, len(tokens)):
            mixed = unigram
            for length in range(1, min(i + 1, _ORDER)):
                after = self._after.get(tokens[i - length : i])
                if after is None:  # nor was any longer context seen
                    break
                words, counts = np.array(list(after.items())).T
                mixed = _interpolate(words, counts, mixed)
            yield mixed

    def score(self, message: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """How the tokens of a message were predicted: rank and log-probability in nats, [n] each.

        A keyboard that knows nothing else can't offer a word its owner never wrote: such a word is put behind all others. Of
        words equally likely, and with so few counts many are, it offers the one that stands first in the vocabulary.
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
    """Predicts one person's messages, oldest first, each from those before it alone: ranks and log-probabilities, [N] each."""
    history = OwnHistory(vocabulary)
    parts = [(np.zeros(0, int), np.zeros(0))]
    for message in messages:
        parts.append(history.score(message))
        history.add(message)
    ranks, log_likelihoods = zip(*parts, strict=True)
    return np.concatenate(ranks), np.concatenate(log_likelihoods)


def _interpolate(words: np.ndarray, counts: np.ndarray, shorter: np.ndarray) -> np.ndarray:
    """The distribution [V] of discounted counts [n] of words [n], and what the discounts leave spread as `shorter` says."""
    total = counts.sum()
    if not total:
        return shorter
    mixed = shorter * (_DISCOUNT * np.count_nonzero(counts) / total)
    mixed[words] += np.maximum(counts - _DISCOUNT, 0) / total
    return mixed
