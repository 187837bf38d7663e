"""Recorded gestures from a JSON Lines file, one gesture a line.

    {"word": "sorry", "context": "i am so", "curve": {"x": […], "y": […], "t": […]},
     "grid": {"width": W, "height": H, "keys": {"q": [x, y, w, h], …}}}

Lengths are pixels with y growing downwards, times milliseconds; x and y of a key are those of its top left corner, and a key
may lie outside the grid's box. Without a context, the gesture stands alone. Without a grid, the keys are those of the shipped
QWERTY layout, stretched to the box that all curves without a grid span together. Without times, nothing is known of the finger's
speed. Other members of the objects are ignored.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DataError
from data.tokenizer import normalize
from model.device.gliding.geometry import KeyGeometry, qwerty
from model.device.gliding.gesture import Gesture


@dataclass(frozen=True)
class RecordedGlide:
    """A gesture and the word that it meant, in the model's form."""

    word: str
    context: str | None
    gesture: Gesture
    geometry: KeyGeometry


class _LineError(ValueError):
    pass


def read_glides(path: Path) -> list[RecordedGlide]:
    """Reads the gestures of a file; empty lines are skipped.

    Raises:
      DataError: the file cannot be read or has no gesture, or a line is damaged; the message names the line.
    """
    found: list[tuple[str, str | None, Gesture, KeyGeometry | None]] = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        found.append(_parsed(line))
                    except _LineError as error:
                        raise DataError(f"{path}, line {number}: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read the gestures {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: write the gestures as JSON Lines in UTF-8") from error
    if not found:
        raise DataError(f"{path} has no gesture: write one a line, as JSON")
    usual = _usual_geometry(path, [gesture for _, _, gesture, geometry in found if geometry is None])
    return [
        RecordedGlide(word, context, gesture, geometry)
        for word, context, gesture, own in found
        if (geometry := own or usual) is not None
    ]


def _usual_geometry(path: Path, gestures: Sequence[Gesture]) -> KeyGeometry | None:
    """Returns QWERTY in the box that gestures span, or None if there are none."""
    if not gestures:
        return None
    points = np.concatenate([gesture.points for gesture in gestures])
    if len(points) == 0 or (np.ptp(points, axis=0) == 0).any():
        raise DataError(
            f'{path}: the curves without a "grid" span no box to lay out the keys in: add a "grid" to each line'
        )
    (left, top), (width, height) = points.min(axis=0), np.ptp(points, axis=0)
    return qwerty(float(left), float(top), float(width), float(height))


def _parsed(line: str) -> tuple[str, str | None, Gesture, KeyGeometry | None]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _LineError(f"this is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise _LineError('a gesture is a JSON object with "word" and "curve"')
    word, context, grid = (content.get(name) for name in ("word", "context", "grid"))
    if not isinstance(word, str) or not word.strip():
        raise _LineError('"word" is missing or no text')
    if not isinstance(context, str | None):
        raise _LineError('"context" is no text: leave it out if there is none')
    return (
        normalize(word.strip()),
        context,
        _gesture_of(content.get("curve")),
        None if grid is None else _geometry_of(grid),
    )


def _gesture_of(curve: Any) -> Gesture:
    columns: list[Any] = [curve.get(name) for name in "xyt"] if isinstance(curve, dict) else [None]
    if len(columns) == 3 and columns[2] is None and isinstance(columns[0], list):
        columns[2] = [0] * len(columns[0])
    if not all(isinstance(column, list) and all(map(_is_number, column)) for column in columns):
        raise _LineError('"curve" needs lists of numbers, "x" and "y", and "t" if the times are known')
    try:
        return Gesture(*columns)
    except (ValueError, OverflowError) as error:
        raise _LineError(f'"curve": {error}') from error


def _geometry_of(grid: Any) -> KeyGeometry:
    keys = grid.get("keys") if isinstance(grid, dict) else None
    if not isinstance(keys, Mapping):
        raise _LineError('"grid" needs "keys", an object with the box of each key')
    for key, box in keys.items():
        if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
            raise _LineError(f"the box of the key {key!r} is not four numbers: left, top, width and height")
    try:
        return KeyGeometry(keys)
    except (ValueError, OverflowError) as error:
        raise _LineError(f'"grid": {error}') from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
