"""The parameters of the decoder, fitted on synthetic hands (`federation.evaluation.glides.fitting`)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GlideParameters:
    """Weights of a candidate's cost, in nats; lengths are in units of `KeyGeometry`.

    The fit maximizes the probability of the intended word among the candidates, over four kinds of synthetic hands. No recorded
    gesture took part.
    """

    # The alignment of the trace with the keys (`model.device.gliding.alignment`).
    first_spread: float = 0.28  # of touches, across
    spread: float = 0.34  # of the keys between the ends
    last_spread: float = 0.32
    tall: float = 1.1  # spread down, as a multiple of the spread across
    first: float = 0.92  # weights of the touches
    between: float = 0.11
    last: float = 0.77
    deviation: float = 0.47  # for each unit along the trace, and squared unit off the line between two keys
    direction: float = 3.4  # for each unit along the trace, and 1 - cosine of the angle to that line
    lead: float = 2.4  # for each unit before the first key
    tail: float = 2.05  # for each unit after the last
    pace: float = 0.02  # for a key between the ends passed e times faster than the gesture is on the whole
    pace_at_double: float = 0.76  # more of it at a double letter
    # The two channels and the length of the whole path.
    location: float = 1.1  # for the mean squared distance, in squared units
    shape: float = 30.0  # for the mean squared distance of the scaled paths
    longer: float = 2.7  # for a path e times longer than the word's
    length: float = 2.1  # for a path e times longer or shorter
    key: float = -0.22  # for each key of the word
    double: float = 0.43  # for each double letter
    prior: float = 0.65  # for each nat of the word's improbability
