"""The ideal paths of words: straight lines over the centres of their keys."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LONGEST = 24  # different keys in a row; longer words are typed
_SILENT = "'’"  # fingers pass over apostrophes


def key_sequences(words: Sequence[str], letters: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns the keys of each word, without repetitions, and their number.

    Letters with accents that have no key of their own take the key of the letter without it. Words of fewer than two letters, and
    words with a letter that has no key, have 0 keys.

    Args:
      words: the words, in any case.
      letters: the letters that have keys, at most 255.

    Returns:
      uint8 [words, LONGEST]: indices in `letters`; after the last key it is repeated. uint8 [words]: the number of keys.
    """
    keys, counts = np.zeros((len(words), LONGEST), np.uint8), np.zeros(len(words), np.uint8)
    place = {letter: number for number, letter in enumerate(letters)}
    for row, word in enumerate(words):
        path = _path(word, place)
        if path:
            keys[row, : len(path)], keys[row, len(path) :] = path, path[-1]
            counts[row] = len(path)
    return keys, counts


def _path(word: str, place: dict[str, int]) -> list[int]:
    path: list[int] = []
    number = 0
    for letter in word.lower():
        if letter in _SILENT:
            continue
        key = place.get(letter)
        if key is None:
            key = place.get(_without_accent(letter))
        if key is None:
            return []
        number += 1
        if not path or path[-1] != key:
            path.append(key)
    return path if number > 1 and len(path) <= LONGEST else []


@lru_cache(1024)
def _without_accent(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0]


def resampled(paths: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Returns points at equal distances along each path, the first and the last among them.

    Args:
      paths: the corners of each path, [paths, corners, 2]; the last corner may be repeated.
      points: how many points to return for each.

    Returns:
      float64 [paths, points, 2].
    """
    if paths.shape[1] == 1:
        return np.repeat(paths, points, axis=1)
    steps = np.hypot(*np.moveaxis(np.diff(paths, axis=1), -1, 0))
    along = np.concatenate([np.zeros((len(paths), 1)), np.cumsum(steps, axis=1)], axis=1)
    wanted = along[:, -1:] * np.linspace(0, 1, points)
    corner = np.zeros(wanted.shape, np.intp)
    for number in range(1, paths.shape[1] - 1):
        corner += along[:, number, None] <= wanted
    rows = np.arange(len(paths))[:, None]
    step = steps[rows, corner]
    share = np.clip((wanted - along[rows, corner]) / np.where(step > 0, step, 1), 0, 1)[..., None]
    return (1 - share) * paths[rows, corner] + share * paths[rows, corner + 1]


def shape_of(paths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns paths, [..., points, 2], moved to their middle and scaled so that the longer side of their box is 1."""
    centred = paths - paths.mean(-2, keepdims=True)
    side = np.ptp(centred, axis=-2).max(-1)
    return centred / np.maximum(side, _SMALLEST_SHAPE)[..., None, None]


_SMALLEST_SHAPE = 0.5  # units; a smaller path is a point whose shape says nothing
