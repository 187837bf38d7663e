"""Sampled softmax: the candidate words that a batch is learned against on a device, instead of the whole vocabulary.

The softmax over V words and its gradient take two thirds of the arithmetic of a training step and almost all of its memory
traffic. A personal network is therefore trained by importance sampling (Bengio and Senecal 2008; Jean et al. 2015, arXiv
1412.2007, Section 3), and so are the clients of a round that asks for it:

1. The words of the batch and the specials are always candidates.
2. Other words are drawn until there are C candidates. Word w is drawn with a probability p_w proportional to 1 / rank, at most 1,
   because the vocabulary is sorted by frequency, which follows Zipf's law. Systematic sampling (Madow 1949) draws the exact
   number of words with exactly these probabilities from a single random number.
3. A drawn word is weighted by 1 / p_w in the denominator of the softmax, whose expectation is then the denominator over all words
   (Horvitz and Thompson 1952).

Weighting exp(logit) by 1 / p is the same as adding -ln p to the bias of a word. The step is therefore that of an ordinary model
of C words (`model/cifg.py`), whose embedding holds the rows of the candidates. With C = V it is the full softmax.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.vocabulary import SPECIALS

FULL, SAMPLED = "full", "sampled"
SOFTMAXES = (FULL, SAMPLED)


def check_softmax(softmax: str) -> None:
    """Raises DataError unless `softmax` is one of `SOFTMAXES`."""
    if softmax not in SOFTMAXES:
        raise DataError(f"there is no softmax {softmax!r}: choose one of {', '.join(SOFTMAXES)}")


class Candidates(NamedTuple):
    """The candidate words of a batch."""

    words: NDArray[np.intp]  # ids, ascending, [C]; the specials come first, so that their indices equal their ids
    shift: NDArray[np.float32]  # -ln p, to be added to the biases, [C]; 0 for words of the batch

    def places(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Returns the index of each word of the batch among the candidates, int32, in the shape of `rows`."""
        return np.searchsorted(self.words, rows).astype(np.int32)


def draw(rows: NDArray[np.int32], vocabulary: int, count: int, rng: np.random.Generator) -> Candidates:
    """Draws the candidates for a batch.

    Args:
      rows: word ids, in any shape; together with the specials at most `count` different ones.
      vocabulary: V, the size of the vocabulary.
      count: C, the number of candidates, at most V.
      rng: the source of randomness.
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


def inclusion(weights: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Returns inclusion probabilities proportional to the weights, at most 1, that sum to `count`: float64 [n].

    Args:
      weights: positive, descending, [n].
      count: the number of items to draw, at most n.
    """
    left = count - np.arange(len(weights))  # draws left for the k-th and later items if all earlier ones are certain
    behind = np.cumsum(weights[::-1])[::-1]
    uncertain = left * weights < behind
    first = int(uncertain.argmax()) if uncertain.any() else len(weights)
    chances = np.ones(len(weights))
    if first < len(weights):
        chances[first:] = weights[first:] * (left[first] / behind[first])
    return chances


def _systematic(chances: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Returns which items are drawn, bool [n]: as many as the probabilities sum to, which is a whole number."""
    sums = np.cumsum(chances)
    passed = np.floor(sums + rng.random())
    passed[-1:] = np.rint(sums[-1:])  # a rounding error must not change the number of draws
    return np.diff(passed, prepend=0) > 0
