"""First weights of new words that are fitted to the words' contexts, by linear discriminant analysis (Fisher 1936).

The network's states h that precede the words that the vocabulary lacks have a mean m and a covariance S. Suppose that the states
before one of these words, w, have another mean m(w) and the same covariance. By Bayes' rule, the share of w in the probability of
`<unk>` after h is then not s(w), as in `federation.growing.new_rows`, but

    s(w) exp(d' S^-1 h - d' S^-1 m - d' S^-1 d / 2)        with d = m(w) - m

This has the form of a row and a bias again: e(w) = e(<unk>) + S^-1 d, and b(w) = b(<unk>) + log s(w) - d' S^-1 (m + d / 2).

The mean of a rare word's states says little. It is drawn towards m: with n states, d counts n / (n + r). The ratio r of the
variance of states to that of words' means is estimated from all words by the method of moments (empirical Bayes; Efron and Morris
1973).

States are not normally distributed, and most contexts are unlike those of any new word. So d is damped as a whole.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.vocabulary import UNKNOWN
from federation.growing.new_rows import with_new_rows
from model.device.weights import Weights

Floats = NDArray[np.float64]

_RIDGE = 0.01  # of the mean variance, added to each, so that S has an inverse
_LEAST_RATIO = 1.0
DAMPING = 0.25  # of d


@dataclass(frozen=True)
class StateSums:
    """Sums over the states that precede N new words and all others that the vocabulary lacks; E is the size of a state."""

    uses: Floats  # [N + 1]: of each new word, then of all others
    states: Floats  # [N + 1, E]
    products: Floats  # [E, E]: of the outer products of all these states


def with_fitted_rows(
    weights: Weights, shares: NDArray[np.float64], sums: StateSums, damping: float = DAMPING
) -> Weights:
    """Returns weights with a row for each of N new words, fitted to the states that precede them.

    A word without a state gets the row of `<unk>`.

    Args:
      weights: those before.
      shares: the words' shares of the uses of `<unk>`, [N].
      sums: the states before the words.
      damping: the share of the difference between a word's mean state and that of all words that counts.
    """
    grown = with_new_rows(weights, shares)
    total = sums.uses.sum()
    if total < 2:
        return grown
    mean = sums.states.sum(axis=0) / total
    covariance = sums.products / total - np.outer(mean, mean)
    covariance += _RIDGE * np.trace(covariance) / len(mean) * np.eye(len(mean))
    offsets = damping * _offsets(sums, mean, covariance)
    directions = np.linalg.solve(covariance, offsets.T).T  # [N, E]
    constants = np.einsum("ne,ne->n", directions, mean + offsets / 2)
    first = len(weights["output_bias"])
    embedding, bias = grown["embedding"].copy(), grown["output_bias"].copy()
    embedding[first:] = weights["embedding"][UNKNOWN] + directions
    bias[first:] -= constants
    return {**grown, "embedding": embedding, "output_bias": bias}


def _offsets(sums: StateSums, mean: Floats, covariance: Floats) -> Floats:
    """Returns the difference between the mean state before each new word and that before all, drawn towards zero, [N, E]."""
    uses = sums.uses[:-1]
    raw = sums.states[:-1] / np.maximum(uses, 1)[:, None] - np.where(uses > 0, 1.0, 0.0)[:, None] * mean
    # Of a word with n states, the squared distance in S has the mean E (1 / r + 1 / n).
    squares = np.einsum("ne,ne->n", np.linalg.solve(covariance, raw.T).T, raw)
    known = uses > 0
    between = (squares[known] * uses[known]).sum() / max(len(mean) * uses.sum(), 1.0) - known.sum() / max(
        uses.sum(), 1.0
    )
    ratio = max(1.0 / between, _LEAST_RATIO) if between > 0 else np.inf
    drawn: Floats = raw * (uses / (uses + ratio))[:, None]
    return drawn
