"""How usual a sequence of letters is: a model of letter trigrams over the words of a vocabulary.

A word that no list has may be meant all the same. "yeet" and "habe" look like words, "tset" and "knwo" do not: they are typos. The
probability of a letter after the two before it is interpolated with those of shorter contexts, as by MacKay and Peto 1995, "A
Hierarchical Dirichlet Language Model".
"""

import math
from collections import Counter
from collections.abc import Iterable

_BEGINNING, _END = "\x02", "\x03"  # stand around a word; no word has them
_STRENGTH = 5.0  # the weight of the shorter context, in letters
_ALPHABET = 30  # letters that may occur
_USUAL = -3.0  # nats a letter: words of a vocabulary have -2.4 on average


class Letters:
    """The letter trigrams of some words, each of which counts once."""

    def __init__(self, words: Iterable[str]) -> None:
        """Counts the trigrams, bigrams and letters of the words; marks and digits are letters like any other."""
        self._counts: Counter[str] = Counter()  # by letters and the end, with up to two letters before them
        self._contexts: Counter[str] = Counter()  # by the letters before
        for word in words:
            spelled = _BEGINNING * 2 + word + _END
            for end in range(3, len(spelled) + 1):
                for start in range(end - 3, end):
                    self._counts[spelled[start:end]] += 1
                    self._contexts[spelled[start : end - 1]] += 1

    def log_probability(self, word: str) -> float:
        """Returns the logarithm of the probability of the letters of a word and its end, in nats."""
        spelled, total = _BEGINNING * 2 + word + _END, 0.0
        for end in range(3, len(spelled) + 1):
            probability = 1 / _ALPHABET
            for start in range(end - 1, end - 4, -1):
                letters = self._counts[spelled[start:end]] + _STRENGTH * probability
                probability = letters / (self._contexts[spelled[start : end - 1]] + _STRENGTH)
            total += math.log(probability)
        return total

    def oddness(self, word: str) -> float:
        """Returns by how much the letters of a word are less likely than usual, in nats, at least 0."""
        return max(_USUAL * (len(word) + 1) - self.log_probability(word), 0.0)
