"""The parameters of the decoder, fitted on synthetic hands (`federation.evaluation.glides.fitting`)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The features that count beside the alignment, with the signs of their weights in a candidate's score.
WEIGHTS = {"location": -1, "shape": -1, "longer": -1, "length": -1, "key": -1, "double": -1, "prior": 1}


@dataclass(frozen=True)
class GlideParameters:
    """Weights of a candidate's cost, in nats; lengths are in units of `KeyGeometry`.

    They maximize the probability of the intended word among the candidates, over six kinds of synthetic hands: the weights of
    features by gradient, the others one by one. No recorded gesture took part.
    """

    # Where people touch whose hand is not known.
    below: float = 0.09  # units that the touches lie below the keys' centres
    shift: float = 0.38  # share of the distance between a gesture's and a path's middles that counts as the hand's
    # The alignment of the trace with the keys (`model.device.gliding.alignment`).
    first_spread: float = 0.28  # of touches, across
    spread: float = 0.34  # of the keys between the ends
    last_spread: float = 0.29
    tall: float = 1.0  # spread down, as a multiple of the spread across
    first: float = 1.15  # weights of the touches
    between: float = 0.2
    last: float = 0.9
    deviation: float = 0.55  # for each unit along the trace, and squared unit off the line between two keys
    direction: float = 4.2  # for each unit along the trace, and 1 - cosine of the angle to that line
    lead: float = 3.8  # for each unit before the first key
    tail: float = 2.2  # for each unit after the last
    pace: float = 0.12  # for a key between the ends passed e times faster than the gesture is on the whole
    pace_at_double: float = 0.78  # more of it at a double letter
    # The two channels and the length of the whole path.
    location: float = 2.0  # for the mean squared distance, in squared units
    shape: float = 42.0  # for the mean squared distance of the scaled paths
    longer: float = 3.1  # for a path e times longer than the word's
    length: float = -2.2  # for a path e times longer or shorter; below 0, because cut corners make paths shorter
    key: float = 0.17  # for each key of the word
    double: float = 0.27  # for each double letter
    prior: float = 0.78  # for each nat of the word's improbability

    @property
    def weights(self) -> NDArray[np.float32]:
        """The weights of the features in `WEIGHTS`, with their signs in a candidate's score: float32 [features]."""
        return np.array([sign * getattr(self, name) for name, sign in WEIGHTS.items()], np.float32)
