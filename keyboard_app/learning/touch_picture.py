"""Where a person touches the keys, as a picture and a sentence for them."""

from typing import NamedTuple

import numpy as np

from model.device.gliding.geometry import Box, KeyGeometry
from model.device.gliding.hand import USUAL_SPREAD, Hand, TouchModel

_FEWEST = 5  # touches of a key that are worth showing
_OFF = 0.05  # units; touches that are closer to the middle on average count as in the middle
_NONE = "Tap and glide on the keys of the screen, and you will see here where you really touch them."


class Spot(NamedTuple):
    """The mean of the touches of a key, and one standard deviation in both directions; pixels, with y growing downwards."""

    x: float
    y: float
    across: float
    down: float


class KeyTouches(NamedTuple):
    """A key and its touches; None if there are too few of a kind."""

    letter: str
    box: Box
    taps: Spot | None
    glides: Spot | None


def touch_picture(hand: Hand, geometry: KeyGeometry) -> list[KeyTouches]:
    """Returns the keys with the touches that the hand has learned from."""
    taps, glides = _spots(hand.taps, geometry), _spots(hand.glides, geometry)
    return [KeyTouches(letter, box, taps.get(letter), glides.get(letter)) for letter, box in geometry.boxes.items()]


def _spots(touches: TouchModel, geometry: KeyGeometry) -> dict[str, Spot]:
    offsets, spreads = touches.of(geometry.letters)
    middles = geometry.in_pixels(geometry.centres + offsets)
    radii = spreads * USUAL_SPREAD * geometry.unit
    return {
        letter: Spot(*map(float, (*middle, *radius)))
        for letter, middle, radius in zip(geometry.letters, middles, radii, strict=True)
        if letter in touches.sums and round(touches.sums[letter][0]) >= _FEWEST
    }


def touches_in_words(hand: Hand) -> str:
    """Returns a sentence about where the person touches the keys on average."""
    rows = [row for touches in (hand.taps, hand.glides) for row in touches.sums.values()]
    count = round(sum(float(row[0]) for row in rows))
    if count < _FEWEST:
        return _NONE
    right, low = np.sum(rows, axis=0)[1:3] / count
    sides = [
        *(["below"] if low > _OFF else ["above"] if low < -_OFF else []),
        *(["to the right of"] if right > _OFF else ["to the left of"] if right < -_OFF else []),
    ]
    where = f"{' and '.join(sides)} the middle of the keys" if sides else "in the middle of the keys"
    return f"On average, your last {count:,} touches landed {where}; corrections and glides allow for where you touch."
