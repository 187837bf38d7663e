"""Kinds of synthetic hands: the ranges of habits from which people are drawn.

The ranges are estimates. What they vary is described in the literature: touches lie off what is aimed at, by an offset of the
person (Henze, Rukzio and Boll 2011, "100,000,000 Taps"; Azenkot and Zhai 2012, "Touch Behavior with Different Postures"); a
gesture is smooth between points that scatter around its keys (Quinn and Zhai 2018, "Modeling Gesture-Typing Movements"); and
people glide at very different speeds, on screens of different sizes (Leiva et al. 2021, "How We Swipe").
"""

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class SyntheticKind:
    """The ranges from which a person's habits are drawn. Lengths are in units of the geometry, times in milliseconds."""

    scatter: Range = (0.18, 0.36)  # standard deviation of the points between the ends, across
    flatness: Range = (0.8, 1.3)  # the same down, as a share of it
    landing: Range = (0.6, 1.0)  # scatter of the first point, as a share
    lift: Range = (0.7, 1.1)  # of the last point
    offset: Range = (0.0, 0.15)  # length of the person's own offset
    down: Range = (-0.05, 0.2)  # its tendency downwards
    right: Range = (-0.05, 0.05)  # and to the right
    drift: Range = (0.0, 0.4)  # correlation of neighbouring errors
    size: Range = (0.92, 1.04)  # of the hand's picture of the keyboard
    tilt: Range = (-0.04, 0.04)  # its rotation, radians
    cutting: Range = (0.0, 0.2)  # share of the way towards the middle of the neighbouring points
    overlap: Range = (0.1, 0.45)  # of strokes, as a share of their duration
    bow: Range = (-0.04, 0.04)  # height of a stroke's arc, as a share of its length
    pace: Range = (0.6, 1.6)  # duration of strokes, as a multiple
    smooth: Range = (0.0, 0.0)  # probability of moving along a curve instead of strokes
    rest: Range = (0.0, 90.0)  # before the first stroke and after the last
    halts: Range = (0.0, 0.1)  # mean number of hesitations on the way
    roll: Range = (0.0, 0.05)  # how far a resting finger moves
    overshoot: Range = (0.0, 0.1)  # probability of passing a corner
    hook: Range = (0.0, 0.15)  # probability of a hook or overshoot at the end
    hook_length: Range = (0.2, 0.6)
    early_lift: Range = (0.0, 0.1)  # probability of lifting before the last key is reached
    false_start: Range = (0.0, 0.08)  # probability of landing beside the key and sliding to it
    loop: Range = (0.0, 0.3)  # probability of a loop on a double letter
    mistakes: Range = (0.0, 0.05)  # probability of a word with a missing or a wrong letter
    rate: Range = (55.0, 90.0)  # Hz
    gaps: Range = (0.0, 0.05)  # share of points that are lost
    stalls: Range = (0.0, 0.1)  # probability of losing all points for about 0.1 seconds
    repeats: Range = (0.0, 0.05)  # share of points that are reported twice
    lag: Range = (0.0, 20.0)  # time constant of the screen's low pass
    jitter: Range = (0.005, 0.03)
    slop: Range = (0.0, 0.2)  # radius of the circle around the landing without reports
    aspect: Range = (1.35, 1.35)  # height of the keys of the person's phone, in widths


# Kinds on which the decoder's parameters are fitted, and kinds that only judge them.
FITTED = {
    "careful": SyntheticKind(overlap=(0.0, 0.2), scatter=(0.16, 0.34), cutting=(0.0, 0.1), pace=(1.0, 1.8)),
    "fast": SyntheticKind(overlap=(0.3, 0.55), cutting=(0.1, 0.35), pace=(0.4, 0.9)),
    "thumb": SyntheticKind(bow=(0.02, 0.14), offset=(0.1, 0.3), down=(0.0, 0.3), size=(0.86, 1.0), tilt=(-0.1, 0.1)),
    "coarse": SyntheticKind(
        rate=(30.0, 45.0), gaps=(0.0, 0.15), stalls=(0.1, 0.5), repeats=(0.0, 0.3), lag=(10.0, 40.0), slop=(0.1, 0.35)
    ),
    "displaced": SyntheticKind(
        landing=(0.9, 1.5), lift=(0.9, 1.5), down=(0.05, 0.4), right=(-0.05, 0.2), aspect=(1.2, 1.9)
    ),
    "halting": SyntheticKind(
        rest=(40.0, 250.0),
        halts=(0.2, 1.2),
        roll=(0.02, 0.15),
        jitter=(0.01, 0.05),
        slop=(0.0, 0.05),
        overshoot=(0.1, 0.4),
    ),
}
HELD_OUT = {
    "curved": SyntheticKind(smooth=(1.0, 1.0), scatter=(0.18, 0.36)),
    "unclean": SyntheticKind(
        hook=(0.2, 0.6), early_lift=(0.1, 0.4), false_start=(0.05, 0.3), rest=(20.0, 250.0), loop=(0.3, 0.9)
    ),
    "drifting": SyntheticKind(
        drift=(0.5, 0.85), size=(0.82, 1.1), tilt=(-0.12, 0.12), rate=(90.0, 120.0), scatter=(0.2, 0.36)
    ),
    "phones": SyntheticKind(
        aspect=(1.2, 1.9),
        down=(-0.1, 0.35),
        right=(-0.1, 0.2),
        landing=(0.7, 1.3),
        lift=(0.8, 1.4),
        rate=(30.0, 120.0),
        stalls=(0.0, 0.4),
        repeats=(0.0, 0.2),
        rest=(0.0, 200.0),
        roll=(0.0, 0.1),
        halts=(0.0, 0.6),
        overshoot=(0.0, 0.3),
        loop=(0.0, 0.6),
        smooth=(0.0, 0.6),
        hook=(0.0, 0.3),
    ),
}
