"""A person's hand: where they really touch each key, learned from the words that they accepted.

The offset of a touch from its key's centre is Gaussian in each direction. The means are shrunk (Gelman et al., "Bayesian Data
Analysis", Section 5.4): a key's towards the hand's common offset, and that towards no offset,

    offset = (n * d + k * common) / (n + k),    common = N * D / (N + K)

where d is the average over n touches of the key, D that over all N touches, and k and K say how many touches the assumptions are
worth. Spreads are shrunk likewise towards those of most people. Offsets and spreads are bounded, and old touches fade, so that the
hand follows a new phone or grip.

Tapping and gliding are kept apart, because fingers land otherwise when they tap. A glide shows where its first and its last key
were touched; between them nobody knows which point was meant.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.device.gliding.geometry import KeyGeometry
from model.device.gliding.gesture import Gesture

_KEY_WEIGHT, _COMMON_WEIGHT = 12.0, 20.0  # k and K
_SPREAD_WEIGHT = 30.0  # touches of a key
USUAL_SPREAD = 0.3  # units: standard deviation of most people's touches
_MEMORY = 300.0  # touches of a key that count at most
_FARTHEST = 1.2  # units: a touch farther off was not meant for the key
_MOST_OFFSET = 0.45  # units
_SPREADS = (0.7, 1.4)  # bounds of a spread, in usual spreads
_LEAST_COST, _MOST_COST = 1.0, 8.0  # nats; beyond, a letter is as unlikely as any
_MOST_LETTERS = 255
_COLUMNS = 5  # of `TouchModel.sums`


class TouchStatistics(NamedTuple):
    """The touches of some letters: offsets in units, and spreads as a multiple of the usual one, [letters, 2] each."""

    offsets: NDArray[np.float64]
    spreads: NDArray[np.float64]


class TouchModel:
    """Touches of one kind. `sums` has a row for each letter: the number of touches, the sums of x and y, and of their squares."""

    def __init__(self, sums: Mapping[str, NDArray[np.float64]] | None = None) -> None:
        self.sums = {letter: np.array(row, np.float64) for letter, row in (sums or {}).items()}
        # The letters that `of` was last asked for, and its answer.
        self._known: tuple[str, TouchStatistics] | None = None

    def learn(self, letter: str, x: float, y: float, geometry: KeyGeometry) -> None:
        """Counts a touch at a point in pixels that was meant for a letter. Touches far off, or of no key, are ignored."""
        letter = letter.lower()
        if letter not in geometry.boxes or (letter not in self.sums and len(self.sums) == _MOST_LETTERS):
            return
        centre = geometry.centres[geometry.letters.index(letter)]
        off = geometry.in_units(np.array([x, y], np.float64)) - centre
        if not np.hypot(*off) <= _FARTHEST:  # also true of NaN
            return
        row = self.sums.setdefault(letter, np.zeros(_COLUMNS))
        row += [1.0, *off, *(off**2)]
        row *= min(1.0, _MEMORY / row[0])
        self._known = None

    @property
    def unknown(self) -> float:
        """The share that assumptions about people in general have in the hand's common offset, from 1 down to 0."""
        return float(_COMMON_WEIGHT / (sum(row[0] for row in self.sums.values()) + _COMMON_WEIGHT))

    def of(self, letters: str) -> TouchStatistics:
        """Returns where these letters are touched; between two touches that are learned, the answer is not worked out again."""
        if self._known is None or self._known[0] != letters:
            self._known = letters, self._work_out(letters)
        return self._known[1]

    def _work_out(self, letters: str) -> TouchStatistics:
        rows = np.stack([self.sums.get(letter, np.zeros(_COLUMNS)) for letter in letters])
        count, sums, squares = rows[:, :1], rows[:, 1:3], rows[:, 3:]
        everything = sum(self.sums.values(), np.zeros(_COLUMNS))
        common = everything[1:3] / (everything[0] + _COMMON_WEIGHT)
        offsets = (sums + _KEY_WEIGHT * common) / (count + _KEY_WEIGHT)
        around = np.maximum(squares - 2 * offsets * sums + count * offsets**2, 0)
        variance = (around + _SPREAD_WEIGHT * USUAL_SPREAD**2) / (count + _SPREAD_WEIGHT)
        spreads = np.clip(np.sqrt(variance) / USUAL_SPREAD, *_SPREADS)
        return TouchStatistics(np.clip(offsets, -_MOST_OFFSET, _MOST_OFFSET), spreads)


class Hand:
    """A person's taps and glides."""

    def __init__(self, taps: TouchModel | None = None, glides: TouchModel | None = None) -> None:
        self.taps, self.glides = taps or TouchModel(), glides or TouchModel()

    def learn_glide(self, word: str, gesture: Gesture, geometry: KeyGeometry) -> None:
        """Counts the ends of a gesture whose word the person accepted."""
        letters = [letter for letter in word.lower() if letter in geometry.boxes]
        if len(gesture) and letters:
            for letter, (x, y) in zip((letters[0], letters[-1]), gesture.points[[0, -1]], strict=True):
                self.glides.learn(letter, x, y, geometry)

    def touch_costs(self, typed: str, x: float, y: float, geometry: KeyGeometry) -> dict[str, float] | None:
        """Returns the costs of other letters at a point in pixels where a tap typed a letter, for `Corrections.costs`.

        The cost of a letter is how much less likely, in nats, this hand would tap there for it than for the typed one. In the
        middle of a key, a neighbour costs about as much as any typo with a neighbouring key; at its edge it costs the least.
        None if the typed letter has no key, or the point is invalid.
        """
        typed, letters = typed.lower(), geometry.letters
        if typed not in geometry.boxes or not np.isfinite([x, y]).all():
            return None
        offsets, spreads = self.taps.of(letters)
        spreads = USUAL_SPREAD * spreads
        off = (geometry.in_units(np.array([x, y], np.float64)) - geometry.centres - offsets) / spreads
        unlikely = (off**2).sum(axis=1) / 2 + np.log(spreads).sum(axis=1)
        costs = np.maximum(unlikely - unlikely[letters.index(typed)], _LEAST_COST)
        return {
            letter: float(cost)
            for letter, cost in zip(letters, costs, strict=True)
            if letter != typed and cost < _MOST_COST
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Hand":
        """Returns the hand of these arrays: of `taps` and `glides` each the letters, uint32 [L], and their sums, float64 [L, 5].

        The letters of `taps` are in `taps_letters`, as code points, and likewise those of `glides`.

        Raises:
          ValueError: an array is missing, damaged, or of another hand's form.
        """
        return cls(*(_model_of(arrays, name) for name in ("taps", "glides")))


def _model_of(arrays: Mapping[str, NDArray[Any]], name: str) -> TouchModel:
    try:
        codes, sums = np.asarray(arrays[f"{name}_letters"]), np.asarray(arrays[name], np.float64)
    except KeyError as error:
        raise ValueError(f"the hand lacks {error}") from error
    if codes.ndim != 1 or sums.shape != (len(codes), _COLUMNS) or len(codes) > _MOST_LETTERS:
        raise ValueError(f"the {name} of the hand have a wrong shape")
    count, squares = sums[:, :1], sums[:, 3:]
    possible = np.isfinite(sums).all() and (count > 0).all() and (count <= _MEMORY).all()
    # The square of a sum is at most the number of touches times the sum of the squares, and no touch is farther than the bound.
    within = (
        possible
        and (sums[:, 1:3] ** 2 <= count * squares + 1e-6).all()
        and (squares <= count * _FARTHEST**2 + 1e-6).all()
    )
    if not within:
        raise ValueError(f"the {name} of the hand hold impossible numbers")
    letters = [chr(int(code)) for code in codes if 0 <= int(code) < 0x110000]
    if len(set(letters)) != len(codes):
        raise ValueError(f"the letters of the {name} of the hand are damaged")
    return TouchModel(dict(zip(letters, sums, strict=True)))
