"""A gesture: the points that a finger touched, from its landing to its lift."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_FARTHEST = 1e9  # pixels; a point beyond is an error of the screen
_LONGEST = 1e9  # milliseconds


class Gesture:
    """Points in pixels, `points` [points, 2] with y growing downwards, at `times` [points] in milliseconds from the first.

    Points that are not finite are left out. A time that is not finite, or earlier than one before it, counts as the latest so far.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike, t: ArrayLike) -> None:
        """Takes the coordinates and times of the points; times may start anywhere.

        Raises:
          ValueError: x, y and t differ in length.
        """
        columns = [np.asarray(values, np.float64).ravel() for values in (x, y, t)]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("the numbers of x, y and t differ: {}, {}, {}".format(*map(len, columns)))
        points, times = np.stack(columns[:2], axis=1), columns[2]
        usable = (np.abs(points) < _FARTHEST).all(axis=1)  # NaN is not usable either
        self.points: NDArray[np.float64] = points[usable]
        self.times: NDArray[np.float64] = _from_zero(times[usable])

    @classmethod
    def of(cls, points: Sequence[tuple[Any, Any, Any]]) -> "Gesture":
        """Returns the gesture of points (x, y, t), as a window collects them."""
        return cls(*np.array(points, np.float64).reshape(-1, 3).T)

    def same_as(self, other: "Gesture") -> bool:
        """Returns whether the other gesture has the same points at the same times."""
        return np.array_equal(self.points, other.points) and np.array_equal(self.times, other.times)

    def __len__(self) -> int:
        """Returns the number of points."""
        return len(self.points)


def _from_zero(times: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = times[np.isfinite(times)]
    if len(finite) == 0:
        return np.zeros(len(times))
    latest = np.maximum.accumulate(np.where(np.isfinite(times), times, finite[0]))
    return np.asarray(np.minimum(latest - latest[0], _LONGEST))
