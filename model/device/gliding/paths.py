"""The paths of words: the keys that a finger passes, and the straight lines between them."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LONGEST = 24  # different keys in a row; longer words are typed
_SILENT = "'’"  # fingers pass over apostrophes
_SMALLEST_SHAPE = 0.5  # units; a smaller path is a point, which has no shape


@dataclass(frozen=True)
class KeySequences:
    """The keys of words, without repetitions. Words that cannot be glided are left out."""

    words: NDArray[np.intp]  # [N]: the indices of the words
    keys: NDArray[np.uint8]  # [N, LONGEST]: indices of letters; after the last key it is repeated
    counts: NDArray[np.intp]  # [N]: the number of keys
    doubled: NDArray[np.bool_]  # [N, LONGEST]: keys whose letter is typed more than once

    @classmethod
    def of(cls, words: Sequence[str], letters: str) -> "KeySequences":
        """Returns the keys of words in any case, given the letters that have keys, at most 255.

        A letter with an accent that has no key of its own takes that of the letter without it. Words of fewer than two letters,
        and words with a letter that has no key, cannot be glided.
        """
        place = {letter: number for number, letter in enumerate(letters)}
        found = [(number, path) for number, word in enumerate(words) if (path := _path(word, place))]
        keys, doubled = np.zeros((len(found), LONGEST), np.uint8), np.zeros((len(found), LONGEST), np.bool_)
        for row, (_, path) in enumerate(found):
            numbers, doubles = zip(*path, strict=True)
            keys[row, : len(path)], keys[row, len(path) :] = numbers, numbers[-1]
            doubled[row, : len(path)] = doubles
        return cls(
            np.array([number for number, _ in found], np.intp),
            keys,
            np.array([len(path) for _, path in found], np.intp),
            doubled,
        )


def _path(word: str, place: dict[str, int]) -> list[tuple[int, bool]]:
    """Returns the keys of a word, and whether each is typed more than once; none if the word cannot be glided."""
    path: list[tuple[int, bool]] = []
    number = 0
    for letter in word.lower():
        if letter in _SILENT:
            continue
        key = place.get(letter, place.get(_without_accent(letter)))
        if key is None:
            return []
        number += 1
        if path and path[-1][0] == key:
            path[-1] = (key, True)
        else:
            path.append((key, False))
    return path if number > 1 and len(path) <= LONGEST else []


@lru_cache(1024)
def _without_accent(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0]


def resampled(paths: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Returns points at equal distances along each path, the first and the last among them.

    Args:
      paths: the corners of each path, [paths, corners, 2], at least two; the last corner may be repeated.
      points: how many points to return for each.

    Returns:
      float64 [paths, points, 2].
    """
    steps = np.hypot(*np.moveaxis(np.diff(paths, axis=1), -1, 0))
    along = np.concatenate([np.zeros((len(paths), 1)), np.cumsum(steps, axis=1)], axis=1)
    wanted = along[:, -1:] * np.linspace(0, 1, points)
    corner = np.zeros(wanted.shape, np.intp)
    for number in range(1, paths.shape[1] - 1):
        corner += along[:, number, None] <= wanted
    rows = np.arange(len(paths))[:, None]
    step = steps[rows, corner]
    share = np.clip((wanted - along[rows, corner]) / np.where(step > 0, step, 1), 0, 1)[..., None]
    found: NDArray[np.float64] = (1 - share) * paths[rows, corner] + share * paths[rows, corner + 1]
    return found


def lengths(paths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the length of each path, [paths], of corners [paths, corners, 2]."""
    steps = np.hypot(*np.moveaxis(np.diff(paths, axis=1), -1, 0))
    return np.asarray(steps.sum(axis=1))


def shape_of(paths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns paths, [..., points, 2], moved to their middle and scaled so that the longer side of their box is 1."""
    centred = paths - paths.mean(-2, keepdims=True)
    side = np.ptp(centred, axis=-2).max(-1)
    return np.asarray(centred / np.maximum(side, _SMALLEST_SHAPE)[..., None, None])
