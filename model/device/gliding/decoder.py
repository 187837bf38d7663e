"""Decodes gestures into words by two channels, location and shape (SHARK2: Kristensson and Zhai 2004, Section 4)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.device.gliding.geometry import KeyGeometry
from model.device.gliding.gesture import Gesture
from model.device.gliding.paths import key_sequences, resampled, shape_of

POINTS = 32
_LOCATION, _SHAPE, _PRIOR = 0.35, 0.12, 0.5


class Candidate(NamedTuple):
    """A word that a gesture may mean."""

    word: str
    score: float  # in nats, up to a constant of the gesture


class GlideDecoder:
    """Ranks words for gestures over one geometry of keys.

    `words` may hold entries that nobody glides, such as punctuation: they are never candidates, so that the words of a vocabulary,
    followed by those of a person, can be passed as they are. Building takes about 0.1 s for 10,000 words; it may be done in a
    thread, and the finished decoder is never changed.
    """

    def __init__(
        self,
        words: Sequence[str],
        geometry: KeyGeometry,
        log_frequencies: NDArray[np.floating] | None = None,
    ) -> None:
        """Computes the paths of the words.

        Args:
          words: the words, in the order of the priors.
          geometry: the keys.
          log_frequencies: the natural logarithm of how frequent each word is, [words]; None if the words are sorted, most
            frequent first.
        """
        self.words, self.geometry = list(words), geometry
        if log_frequencies is None:
            log_frequencies = -np.log(1.0 + np.arange(len(self.words)))
        self._frequencies = np.asarray(log_frequencies, np.float32)
        self._keys, counts = key_sequences(self.words, geometry.letters)
        self._ids = np.flatnonzero(counts)  # of the words that can be glided
        paths = resampled(geometry.centres[self._keys[self._ids]], POINTS)
        self._location = paths.reshape(len(paths), -1).astype(np.float32)
        self._shape = shape_of(paths).reshape(len(paths), -1).astype(np.float32)

    def decode(
        self, gesture: Gesture, log_prior: NDArray[np.floating] | None = None, count: int = 4
    ) -> list[Candidate]:
        """Returns the `count` likeliest words of a gesture, likeliest first; none for a gesture without points.

        Args:
          gesture: the finger's path.
          log_prior: the natural logarithm of each word's probability, [words]; -inf for words that must not be offered. None for
            the words' frequencies.
          count: how many candidates to return at most.
        """
        prior = self._frequencies if log_prior is None else np.asarray(log_prior, np.float32)
        if prior.shape != (len(self.words),):
            raise ValueError(f"a prior of shape {prior.shape} for {len(self.words)} words")
        points = self.geometry.in_units(gesture.points)
        if len(points) == 0 or len(self._ids) == 0:
            return []
        path = resampled(points[None], POINTS)
        location = ((self._location - path.ravel().astype(np.float32)) ** 2).sum(1) / POINTS
        shape = ((self._shape - shape_of(path).ravel().astype(np.float32)) ** 2).sum(1) / POINTS
        scores = -location / (2 * _LOCATION**2) - shape / (2 * _SHAPE**2) + _PRIOR * prior[self._ids]
        scores = np.where(np.isfinite(scores), scores, -np.inf)
        best = np.argsort(-scores, kind="stable")[:count]
        return [Candidate(self.words[self._ids[i]], float(scores[i])) for i in best if scores[i] > -np.inf]
