"""The words that a batch is learned against on a device, in place of the whole vocabulary.

The softmax over V words and its gradient are two thirds of a training step's arithmetic, and nearly all of the memory it moves. So
a person's own network is learned by importance sampling (Bengio and Senecal 2008; Jean et al. 2015, arXiv 1412.2007, Section 3):

1. The words of the batch and the specials are candidates for certain.
2. So many others are drawn that there are C together, word w with a probability p_w in proportion to 1 / rank, at most 1: the
   vocabulary is in order of frequency, which falls like that (Zipf). Systematic sampling (Madow 1949) draws exactly that many with
   exactly these probabilities, by one random number.
3. A drawn word counts 1 / p_w times in the softmax's denominator, which then is, in expectation, that over all words (Horvitz and
   Thompson 1952).

Counting exp(logit) 1 / p times is to add -ln p to a word's bias. So the step is one of a model of C words, with the rows of these
words for an embedding, and the model's mathematics (`model/cifg.py`) knows nothing of it. Where C is V it is the whole softmax.
"""

from typing import NamedTuple

import numpy as np

from data.vocabulary import SPECIALS


class Candidates(NamedTuple):
    """The words that a batch is learned against."""

    words: np.ndarray  # their ids, ascending, [C]: the specials have their own ids for places
    shift: np.ndarray  # what their biases are to be raised by, -ln p, float32 [C]; 0 for words of the batch

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Where the words of the batch stand among the candidates, int32 of the shape of `rows`."""
        return np.searchsorted(self.words, rows).astype(np.int32)


def draw(rows: np.ndarray, vocabulary: int, count: int, rng: np.random.Generator) -> Candidates:
    """Draws the candidates for a batch.

    Args:
      rows: ids, of any shape; with the specials at most `count` different ones.
      vocabulary: V, how many words there are.
      count: C, at most V.
      rng: what is drawn from.
    """
    certain = np.zeros(vocabulary, bool)
    certain[: len(SPECIALS)] = True
    certain[rows.ravel()] = True
    others = np.flatnonzero(~certain)
    chances = inclusion(1.0 / (1 + others), count - (vocabulary - len(others)))
    drawn = _systematic(chances, rng)
    certain[others[drawn]] = True
    words = np.flatnonzero(certain)
    shift = np.zeros(vocabulary, np.float32)
    shift[others[drawn]] = -np.log(chances[drawn])
    return Candidates(words, shift[words])


def inclusion(weights: np.ndarray, count: int) -> np.ndarray:
    """Probabilities in proportion to the weights but at most 1, that sum to `count`: float64 [n].

    Args:
      weights: above zero, descending, [n].
      count: at most n.
    """
    left = count - np.arange(len(weights))  # for the k-th and all behind it, if those before it are certain
    behind = np.cumsum(weights[::-1])[::-1]
    uncertain = left * weights < behind
    first = int(uncertain.argmax()) if uncertain.any() else len(weights)
    chances = np.ones(len(weights))
    if first < len(weights):
        chances[first:] = weights[first:] * (left[first] / behind[first])
    return chances


def _systematic(chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which are drawn, bool [n]: as many as the probabilities sum to, a whole number."""
    sums = np.cumsum(chances)
    passed = np.floor(sums + rng.random())  # whole numbers
    passed[-1:] = np.rint(sums[-1:])  # rounding must neither win nor lose one
    return np.diff(passed, prepend=0) > 0
