"""How sure a figure is: intervals and paired tests, with people as the unit that chance draws.

Words of one person are alike, so a sample of words is far less sure than its size suggests. What is resampled here is people, each
with all of his or her words: the bootstrap of Efron and Tibshirani 1993 ("An Introduction to the Bootstrap", percentile intervals,
Section 13.3), and for two models on the same words the same resamples for both (Koehn 2004, "Statistical significance tests for
machine translation evaluation"). Tests flip the sign of each person's difference at random, which under the hypothesis that the
two models are alike changes nothing (Fisher 1935; Yeh 2000, "More accurate tests for the statistical significance of result
differences").
"""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
_BLOCK = 200  # resamples drawn at once, so that memory does not grow with their number


@dataclass(frozen=True)
class Interval:
    """A 95% confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedComparison:
    """Model A against model B on the same words of the same people, pooled over words.

    What can't be said is None: a ratio to nothing, an interval from a single person.
    """

    difference: float  # of A's recall and B's
    difference_interval: Interval | None
    ratio: float | None
    ratio_interval: Interval | None
    p: float  # two-sided, of a difference as large as this one between models that are alike


def pooled_interval(hits: np.ndarray, words: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> Interval | None:
    """The interval of `hits.sum() / words.sum()`, by the bootstrap over people.

    Args:
      hits: [U], how many words of each person were found, or anything else summed over each person's words.
      words: [U], how many words there were; people without any take no part.
      seed: of the resamples.
      resamples: how many.

    Returns:
      The interval, or None where fewer than two people wrote words.
    """
    (hits,), words = _with_words((hits,), words)
    if len(words) < 2:
        return None
    sums = _resampled(np.stack([hits, words]), seed, resamples)
    return _percentiles(sums[0] / sums[1])


def compare(
    hits_a: np.ndarray, hits_b: np.ndarray, words: np.ndarray, seed: int = 0, resamples: int = RESAMPLES
) -> PairedComparison:
    """Compares the recall of two models on the same words, each argument [U] as `pooled_interval` takes it.

    Swapping A and B negates the difference and keeps p; equal models have p = 1. No p is below 1 / (resamples + 1).

    Raises:
      ValueError: there is not one word.
    """
    (a, b), words = _with_words((hits_a, hits_b), words)
    if not len(words):
        raise ValueError("not one word to compare on")
    difference_interval = ratio_interval = None
    if len(words) > 1:
        sum_a, sum_b, sum_words = _resampled(np.stack([a, b, words]), seed, resamples)
        difference_interval = _percentiles((sum_a - sum_b) / sum_words)
        ratio_interval = _percentiles(sum_a / sum_b) if sum_b.all() else None
    return PairedComparison(
        difference=float((a.sum() - b.sum()) / words.sum()),
        difference_interval=difference_interval,
        ratio=float(a.sum() / b.sum()) if b.sum() else None,
        ratio_interval=ratio_interval,
        p=_sign_flip_test(a - b, seed, resamples),
    )


def _with_words(values: tuple[np.ndarray, ...], words: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    words = np.asarray(words, np.float64)
    return [np.asarray(v, np.float64)[words > 0] for v in values], words[words > 0]


def _resampled(values: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """Sums of values [K, U] over people drawn with replacement: [K, resamples]."""
    people = values.shape[1]
    rng = np.random.default_rng(seed)
    blocks = [min(_BLOCK, resamples - start) for start in range(0, resamples, _BLOCK)]
    return np.concatenate([values @ rng.multinomial(people, np.full(people, 1 / people), n).T for n in blocks], axis=1)


def _percentiles(values: np.ndarray) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))


def _sign_flip_test(differences: np.ndarray, seed: int, resamples: int) -> float:
    rng = np.random.default_rng(seed)
    seen = abs(differences.sum())
    as_large = 0
    for start in range(0, resamples, _BLOCK):
        signs = rng.choice([-1.0, 1.0], (min(_BLOCK, resamples - start), len(differences)))
        as_large += int(np.count_nonzero(abs(signs @ differences) >= seen * (1 - 1e-12)))
    return (as_large + 1) / (resamples + 1)
