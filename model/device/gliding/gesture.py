"""A gesture: the points that a finger touched, from its landing to its lift."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Gesture:
    """Points in pixels at times in milliseconds; y grows downwards, time may start anywhere.

    Points that are not finite are left out. Times that run backwards or are not finite count as no later than those before them.

    Raises:
      ValueError: x, y and t differ in length.
    """

    x: ArrayLike
    y: ArrayLike
    t: ArrayLike

    def __post_init__(self) -> None:
        x, y, t = (np.asarray(values, np.float64).ravel() for values in (self.x, self.y, self.t))
        if not len(x) == len(y) == len(t):
            raise ValueError(f"a gesture of {len(x)} x, {len(y)} y and {len(t)} times")
        usable = np.isfinite(x) & np.isfinite(y) & (np.abs(x) < _FARTHEST) & (np.abs(y) < _FARTHEST)
        t = t[usable]
        t = np.maximum.accumulate(np.where(np.isfinite(t), t, -np.inf))
        t = t - t[0] if len(t) and np.isfinite(t[0]) else np.where(np.isfinite(t), t, 0.0)
        for name, values in (("x", x[usable]), ("y", y[usable]), ("t", t)):
            object.__setattr__(self, name, values)

    @property
    def points(self) -> NDArray[np.float64]:
        """The points, float64 [points, 2]."""
        return np.stack([np.asarray(self.x), np.asarray(self.y)], axis=1)

    @classmethod
    def of(cls, points: Sequence[tuple[float, float, float]]) -> "Gesture":
        """Returns the gesture of points (x, y, t), as a window collects them."""
        x, y, t = zip(*points, strict=True) if points else ((), (), ())
        return cls(x, y, t)


_FARTHEST = 1e9  # pixels; a point beyond is an error of the screen
