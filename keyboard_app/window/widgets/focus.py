"""Computes where the keyboard focus goes next: in reading order, or to the nearest control in a direction."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple


class Box(NamedTuple):
    """The edges of a control in pixels, with the origin at the bottom left."""

    x: float
    y: float
    right: float
    top: float


class Way(Enum):
    """A direction, as steps to the right and up."""

    LEFT = (-1, 0)
    RIGHT = (1, 0)
    UP = (0, 1)
    DOWN = (0, -1)


def after(current: int | None, count: int, step: int) -> int:
    """Returns the index `step` places after the current one, wrapping around; without a current one, the first or the last."""
    if current is None:
        return 0 if step > 0 else count - 1
    return (current + step) % count


def nearest(current: Box, boxes: Sequence[Box], way: Way) -> int | None:
    """Returns the index of the nearest box in a direction, or None if there is none.

    Distance sideways counts double, so that boxes straight ahead are preferred.
    """
    best, found = float("inf"), None
    across, up = way.value
    for index, box in enumerate(boxes):
        dx, dy = _gap(current.x, current.right, box.x, box.right), _gap(current.y, current.top, box.y, box.top)
        centers = (box.x + box.right - current.x - current.right) / 2, (box.y + box.top - current.y - current.top) / 2
        ahead = centers[0] * across + centers[1] * up
        gap_ahead, gap_beside = (dx, dy) if across else (dy, dx)
        if ahead <= 0 or (gap_ahead == 0 and gap_beside > 0):
            continue
        beside = abs(centers[1] if across else centers[0])
        distance = gap_ahead + 2 * gap_beside + 0.01 * beside + 0.001 * ahead
        if distance < best:
            best, found = distance, index
    return found


def _gap(start: float, end: float, other_start: float, other_end: float) -> float:
    return max(other_start - end, start - other_end, 0.0)
