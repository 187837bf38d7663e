"""Simple synthetic gestures of one parameter: strokes of minimum jerk (Flash and Hogan 1985) between noisy key centres.

They are kinder than people's hands (`federation.evaluation.glides.synthetic_hands`), and comparable between decoders.
"""

import numpy as np
from numpy.typing import NDArray

from model.device.gliding.geometry import KeyGeometry, qwerty
from model.device.gliding.gesture import Gesture

GEOMETRY = qwerty(0.0, 0.0, 10.0, 3 * 1.35)  # keys 1 wide, rows 1.35 apart
_STROKE_POINTS, _POINT_TIME = 12, 1000 / 60  # points of a stroke, and milliseconds from one to the next
_CUT, _TREMOR = 0.1, 0.03


def noisy_trace(word: str, rng: np.random.Generator, noise: float, geometry: KeyGeometry = GEOMETRY) -> Gesture:
    """Returns a gesture for a word whose letters all have keys.

    Args:
      word: the word, in lower case; apostrophes are passed over.
      rng: the source of the noise.
      noise: standard deviation of the points aimed at around the keys' centres, in units of the geometry.
      geometry: the keys.
    """
    letters = word.replace("'", "")
    keys = [letter for i, letter in enumerate(letters) if i == 0 or letter != letters[i - 1]]
    keys = keys if len(keys) > 1 else keys * 2
    centres = geometry.centres[[geometry.letters.index(key) for key in keys]]
    aimed = centres + rng.normal(0, noise, centres.shape)
    cut: NDArray[np.float64] = aimed.copy()
    cut[1:-1] = (1 - 2 * _CUT) * aimed[1:-1] + _CUT * (aimed[:-2] + aimed[2:])
    u = np.linspace(0, 1, _STROKE_POINTS)[:, None]
    done = 10 * u**3 - 15 * u**4 + 6 * u**5
    strokes = np.concatenate([a + (b - a) * done for a, b in zip(cut[:-1], cut[1:], strict=True)])
    x, y = geometry.in_pixels(strokes + rng.normal(0, _TREMOR, strokes.shape)).T
    return Gesture(x, y, _POINT_TIME * np.arange(len(x)))
