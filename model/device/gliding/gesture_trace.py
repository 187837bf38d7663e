"""A gesture in the form that is compared with words: points at equal distances along it, and the speed there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.device.gliding.geometry import KeyGeometry
from model.device.gliding.gesture import Gesture

_STEP = 0.25  # units between two points
_FEWEST, _MOST = 16, 96  # points
_SLOWEST, _FASTEST = 0.05, 10.0
_SHORTEST = 1e-3  # milliseconds; a shorter gesture says nothing of its speed
_FARTHEST = 100.0  # units: no keyboard is so wide, and a point beyond is an error of the screen


@dataclass(frozen=True)
class Trace:
    """A gesture at equal steps along its length; a gesture that stays at one point has steps of 0."""

    points: NDArray[np.float64]  # [points, 2], units
    step: float  # units
    log_speed: NDArray[np.float32]  # [points], over the mean of the gesture; 0 without times

    @property
    def length(self) -> float:
        """The length of the path, in units."""
        return self.step * (len(self.points) - 1)

    def resampled(self, count: int) -> NDArray[np.float64]:
        """Returns `count` points at equal distances along the trace, [count, 2]."""
        at, places = np.linspace(0, len(self.points) - 1, count), np.arange(len(self.points))
        return np.stack([np.interp(at, places, self.points[:, axis]) for axis in (0, 1)], axis=1)


def trace_of(gesture: Gesture, geometry: KeyGeometry) -> Trace | None:
    """Returns the trace of a gesture, or None if the gesture has no point."""
    points, times = np.clip(geometry.in_units(gesture.points), -_FARTHEST, _FARTHEST), gesture.times
    if len(points) == 0:
        return None
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    length, lasted = float(along[-1]), float(times[-1])
    count = int(np.clip(np.ceil(length / _STEP) + 1, _FEWEST, _MOST))
    at = np.linspace(0, length, count)
    even = np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1)
    step = length / (count - 1)
    log_speed = np.zeros(count)
    if length > 0 and lasted >= _SHORTEST:
        between = np.gradient(np.interp(at, along, times))
        smooth = np.convolve(np.pad(between, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
        mean = length / lasted
        log_speed = np.log(np.clip(step / np.maximum(smooth * mean, 1e-9), _SLOWEST, _FASTEST))
    return Trace(even, step, log_speed.astype(np.float32))
