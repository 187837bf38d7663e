"""The places of the letter keys, of any layout in any size."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # left, top, width and height, in pixels

_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.5), ("zxcvbnm", 1.5))  # letters, and the indent in key widths
_COLUMNS = 10
_FARTHEST_STEP = 1.5  # from a key to the next, as a multiple of the key: a larger one parts the keys of two hands
_USUAL_ASPECT = 1.35  # height of a key on a phone, in widths


@dataclass(frozen=True)
class KeyGeometry:
    """The boxes of the keys; y grows downwards. Only keys of one letter count, in lower or upper case.

    Distances are measured in units: the width of a key of a phone's aspect that has the area of this geometry's usual key, the gap
    around it included. A finger is as wide as it is high, so that both directions have one unit.

    Raises:
      ValueError: no letter has a key, or a box is not finite or has no area.
    """

    boxes: Mapping[str, Box]

    def __post_init__(self) -> None:
        kept: dict[str, Box] = {}
        for key, box in self.boxes.items():
            if len(key) == 1 and key.isalpha() and len(key.lower()) == 1:
                x, y, width, height = (float(side) for side in box)
                if not (np.isfinite([x, y, width, height]).all() and width > 0 and height > 0):
                    raise ValueError(f"the key {key!r} has no area")
                kept.setdefault(key.lower(), (x, y, width, height))
        if not kept:
            raise ValueError("no letter has a key")
        object.__setattr__(self, "boxes", dict(sorted(kept.items())))

    @property
    def letters(self) -> str:
        """The letters that have a key, sorted."""
        return "".join(self.boxes)

    @cached_property
    def unit(self) -> float:
        """The length of a unit in pixels."""
        width, height = np.median(np.array(list(self.boxes.values()))[:, 2:], axis=0)
        across, down = np.abs(self._middles[:, None] - self._middles).transpose(2, 0, 1)
        same_row = down < height / 2
        # From each key to the next one of its row, and to the next row.
        steps = np.where(same_row & (across > 0), across, np.inf).min(axis=1)
        rows = np.where(same_row, np.inf, down).min(axis=1)
        width, height = (
            float(np.clip(np.median(found), side / _FARTHEST_STEP, side * _FARTHEST_STEP))
            if np.isfinite(np.median(found))
            else side
            for found, side in ((steps, width), (rows, height))
        )
        return float(np.sqrt(width * height / _USUAL_ASPECT))

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """The centre of each of `letters` in units from the middle of all: float64 [letters, 2]."""
        return self.in_units(self._middles)

    def in_units(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns points, [..., 2] in pixels, in units from the middle of all keys."""
        return np.asarray((points - self._middles.mean(axis=0)) / self.unit)

    def in_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns points, [..., 2] in units from the middle of all keys, in pixels."""
        return np.asarray(points * self.unit + self._middles.mean(axis=0))

    @cached_property
    def _middles(self) -> NDArray[np.float64]:
        boxes = np.array(list(self.boxes.values()))
        return np.asarray(boxes[:, :2] + boxes[:, 2:] / 2)


def qwerty(left: float, top: float, width: float, height: float) -> KeyGeometry:
    """Returns the letter keys of the shipped QWERTY layout, stretched to a box in pixels."""
    wide, high = width / _COLUMNS, height / len(_ROWS)
    return KeyGeometry(
        {
            letter: (left + (indent + column) * wide, top + row * high, wide, high)
            for row, (letters, indent) in enumerate(_ROWS)
            for column, letter in enumerate(letters)
        }
    )
