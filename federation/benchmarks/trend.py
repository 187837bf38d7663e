"""The slope of a quantity over time, with a confidence interval that correlated samples do not make too narrow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

_BLOCKS = 10
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Trend:
    """A slope, and the ends of its 95% confidence interval, per unit of time."""

    slope: float
    low: float
    high: float

    @property
    def flat(self) -> bool:
        """Whether the slope may be zero."""
        return self.low <= 0 <= self.high


def trend(times: Sequence[float], values: Sequence[float]) -> Trend:
    """Fits a line by least squares to the means of ten blocks of consecutive samples.

    Samples of a process's memory resemble those before them, so that a fit to the samples would claim far too much certainty.
    Means of long blocks are nearly independent (the method of batch means, Law 2015, "Simulation Modeling and Analysis",
    Section 9.5.3). The interval is Student's, with eight degrees of freedom.

    Args:
      times: when each sample was taken, ascending.
      values: the samples, at least two for each block.

    Raises:
      ValueError: there are too few samples.
    """
    if len(values) < 2 * _BLOCKS:
        raise ValueError(f"a trend needs at least {2 * _BLOCKS} samples, not {len(values)}")
    x, y = (np.array([part.mean() for part in np.array_split(np.asarray(v, float), _BLOCKS)]) for v in (times, values))
    if np.ptp(y) == 0:
        return Trend(0.0, 0.0, 0.0)
    fit = stats.linregress(x, y)
    margin = float(stats.t.ppf((1 + _CONFIDENCE) / 2, _BLOCKS - 2) * fit.stderr)
    return Trend(float(fit.slope), float(fit.slope) - margin, float(fit.slope) + margin)
