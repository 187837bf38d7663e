"""Statistical significance: confidence intervals and paired tests, with people as the sampling unit.

Words of one person resemble each other, so a figure is far less certain than its number of words suggests. Therefore people are
resampled, each with all of their words: the bootstrap of Efron and Tibshirani 1993 ("An Introduction to the Bootstrap", percentile
intervals, Section 13.3). Two models on the same words share their resamples (Koehn 2004, "Statistical significance tests for
machine translation evaluation"). Their test flips the sign of each person's difference at random, which changes nothing under the
hypothesis that the models are equally good (Fisher 1935; Yeh 2000, "More accurate tests for the statistical significance of result
differences"). SciPy has both methods, but not with the resampling in blocks that keeps memory small.
"""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
_BLOCK = 200  # resamples drawn at once, which bounds memory


@dataclass(frozen=True)
class Interval:
    """A 95% confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedComparison:
    """A comparison of models A and B on the same words of the same people, pooled over words.

    Undefined figures are None: a ratio to zero, an interval from a single person.
    """

    difference: float  # recall of A minus recall of B
    difference_interval: Interval | None
    ratio: float | None  # recall of A over recall of B
    ratio_interval: Interval | None
    p: float  # two-sided p-value of the difference, by the sign-flip test over people


def pooled_interval(hits: np.ndarray, words: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> Interval | None:
    """Returns the interval of `hits.sum() / words.sum()` by the bootstrap over people.

    Args:
      hits: [U], the number of words of each person that were predicted, or any other sum over each person's words.
      words: [U], the number of words of each person; people without words are left out.
      seed: seed of the resampling.
      resamples: number of resamples.

    Returns:
      The interval, or None if fewer than two people wrote words.
    """
    (hits,), words = _with_words((hits,), words)
    if len(words) < 2:
        return None
    sums = _resampled(np.stack([hits, words]), seed, resamples)
    return _percentiles(sums[0] / sums[1])


def compare(
    hits_a: np.ndarray, hits_b: np.ndarray, words: np.ndarray, seed: int = 0, resamples: int = RESAMPLES
) -> PairedComparison:
    """Compares the recall of two models on the same words; the arguments are those of `pooled_interval`.

    Swapping A and B negates the difference and keeps p. Equal models have p = 1. No p is below 1 / (resamples + 1).

    Raises:
      ValueError: there are no words.
    """
    (a, b), words = _with_words((hits_a, hits_b), words)
    if not len(words):
        raise ValueError("there are no words to compare the models on")
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


def sign_test(better: int, worse: int) -> float:
    """Returns the two-sided p-value of McNemar's exact test (McNemar 1947).

    Args:
      better: number of words that only the second model predicts.
      worse: number of words that only the first model predicts.
    """
    from scipy.stats import binomtest  # its import takes a second, which processes that type and learn avoid

    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _with_words(values: tuple[np.ndarray, ...], words: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    words = np.asarray(words, np.float64)
    return [np.asarray(v, np.float64)[words > 0] for v in values], words[words > 0]


def _resampled(values: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """Returns the sums of values [K, U] over people drawn with replacement: [K, resamples]."""
    people = values.shape[1]
    rng = np.random.default_rng(seed)
    blocks = [min(_BLOCK, resamples - start) for start in range(0, resamples, _BLOCK)]
    return np.concatenate([values @ rng.multinomial(people, np.full(people, 1 / people), n).T for n in blocks], axis=1)


def _percentiles(values: np.ndarray) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))


def _sign_flip_test(differences: np.ndarray, seed: int, resamples: int) -> float:
    rng = np.random.default_rng(seed)
    observed = abs(differences.sum())
    as_large = 0
    for start in range(0, resamples, _BLOCK):
        signs = rng.choice([-1.0, 1.0], (min(_BLOCK, resamples - start), len(differences)))
        as_large += int(np.count_nonzero(abs(signs @ differences) >= observed * (1 - 1e-12)))
    return (as_large + 1) / (resamples + 1)
