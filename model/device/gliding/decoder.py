"""Decodes gestures into words: a cheap comparison with all words, then an alignment with the keys of the best.

1. The gesture and every word's path over its keys are resampled to 32 points. The squared distance of both (location) and of both
   moved and scaled to one box (shape) are the two channels of SHARK2 (Kristensson and Zhai 2004, Section 4). With the distance of
   the ends, the length and the prior they choose the candidates.
2. Each candidate's keys are aligned with the gesture (`model.device.gliding.alignment`). A hand may miss all keys by the same
   offset, so the keys are shifted by a share of the distance between both paths' middles. The alignment, the channels, the
   length and the prior add up to the score (`model.device.gliding.parameters`).

Words of the same keys (to and too, its and it's) differ by the prior and by the pace at double letters alone.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.device.gliding.alignment import alignment_costs
from model.device.gliding.geometry import KeyGeometry
from model.device.gliding.gesture import Gesture
from model.device.gliding.gesture_trace import trace_of
from model.device.gliding.hand import Hand
from model.device.gliding.parameters import WEIGHTS, GlideParameters
from model.device.gliding.paths import KeySequences, lengths, resampled, shape_of

POINTS = 32
_CANDIDATES = 60
_CHUNK = 1000  # words whose paths are computed at a time, so that building takes little memory
_SHORT = 0.5  # units added to lengths before their ratio: that of two points says nothing
# Weights of the first comparison. The intended word is among the 60 best of 99.3% of synthetic gestures. Fast fingers cut corners,
# so a gesture tends to be shorter than its word's path: `_LONGER` is for a gesture e times longer.
_LOCATION, _SHAPE, _FIRST_END, _LAST_END, _LONGER, _PRIOR = 2.9, 49.0, 4.6, 2.3, 3.0, 0.74
_FARTHEST_SHIFT = 0.4  # units
_FARTHEST_END = 4.0  # squared units; an end beyond counts as this far


class Candidate(NamedTuple):
    """A word that a gesture may mean."""

    word: str
    score: float  # in nats, up to a constant of the gesture


class Comparison(NamedTuple):
    """The features of a gesture's candidates, which are weighed into their scores."""

    words: NDArray[np.intp]  # [candidates]: their indices
    alignments: NDArray[np.float32]  # [candidates]: costs in nats
    features: NDArray[np.float32]  # [candidates, features]: in the order of `GlideParameters.weights`


class _Templates(NamedTuple):
    """The paths of the words that can be glided, in the form that gestures are compared with, [N, …]."""

    sequences: KeySequences
    points: NDArray[np.float32]  # [N, 4 * POINTS]: the path's points, then those of its shape (`_weighted`)
    squares: NDArray[np.float32]  # [N]: the sums of squares of the rows
    log_lengths: NDArray[np.float32]  # [N]: of the paths, in units
    ends: NDArray[np.intp]  # [N]: the first key times the number of letters, plus the last


class GlideDecoder:
    """Ranks words for gestures over one geometry of keys.

    `words` may hold entries that nobody glides, such as punctuation: they are never candidates, so that the words of a vocabulary,
    followed by those of a person, can be passed as they are. Building takes about 0.1 s for 10,000 words and may be done in a
    thread; a decoder never changes.
    """

    def __init__(
        self,
        words: Sequence[str],
        geometry: KeyGeometry,
        log_frequencies: NDArray[Any] | None = None,
        hand: Hand | None = None,
        parameters: GlideParameters | None = None,
    ) -> None:
        """Computes the paths of the words.

        Args:
          words: the words, in the order of the priors.
          geometry: the keys.
          log_frequencies: the natural logarithm of how frequent each word is, [words]; None if the words are sorted, most
            frequent first.
          hand: where the person touches the keys; None for an unknown hand.
          parameters: other parameters than the fitted ones.
        """
        self.words, self.geometry, self.parameters = list(words), geometry, parameters or GlideParameters()
        self._frequencies = (
            zipf(len(self.words)) if log_frequencies is None else np.asarray(log_frequencies, np.float32)
        )
        if self._frequencies.shape != (len(self.words),):
            raise ValueError(f"{len(self.words)} words, but frequencies of shape {self._frequencies.shape}")
        glides = (hand or Hand()).glides
        offsets, self._spreads = glides.of(geometry.letters)
        self._centres = geometry.centres + offsets + [0.0, glides.unknown * self.parameters.below]
        self._templates = self._templates_of(KeySequences.of(self.words, geometry.letters))

    @property
    def nbytes(self) -> int:
        """The memory of the arrays, in bytes."""
        sequences, *arrays = self._templates
        own = (sequences.words, sequences.keys, sequences.counts, sequences.doubled, self._frequencies)
        return sum(array.nbytes for array in (*arrays, *own))

    def _templates_of(self, sequences: KeySequences) -> _Templates:
        parts = []
        for start in range(0, max(len(sequences.words), 1), _CHUNK):
            corners = self._centres[sequences.keys[start : start + _CHUNK]]
            points = _weighted(resampled(corners, POINTS))
            parts.append((points, (points**2).sum(axis=1), _log_length(lengths(corners))))
        points, squares, log_lengths = (np.concatenate(column) for column in zip(*parts, strict=True))
        ends = sequences.keys[:, 0].astype(np.intp) * len(self._centres) + sequences.keys[:, -1]
        return _Templates(sequences, points, squares, log_lengths, ends)

    def decode(self, gesture: Gesture, log_prior: NDArray[Any] | None = None, count: int = 4) -> list[Candidate]:
        """Returns the `count` likeliest words of a gesture, likeliest first; none for a gesture without points.

        Args:
          gesture: the finger's path.
          log_prior: the natural logarithm of each word's probability, [words]; -inf for words that must not be offered. None for
            the words' frequencies.
          count: how many candidates to return at most.

        Raises:
          ValueError: the prior has another length than the words.
        """
        compared = self.compare(gesture, log_prior, max(_CANDIDATES, count) if count > 0 else 0)
        scores = compared.features @ self.parameters.weights - compared.alignments
        best = np.argsort(-scores, kind="stable")[: max(count, 0)]
        return [Candidate(self.words[compared.words[i]], float(scores[i])) for i in best]

    def compare(self, gesture: Gesture, log_prior: NDArray[Any] | None, count: int) -> Comparison:
        """Returns the features of the `count` words that the first comparison chooses; words with a prior of -inf are left out.

        Raises:
          ValueError: the prior has another length than the words.
        """
        prior = self._frequencies if log_prior is None else np.asarray(log_prior, np.float32)
        if prior.shape != (len(self.words),):
            raise ValueError(f"a prior of shape {prior.shape} for {len(self.words)} words")
        trace = trace_of(gesture, self.geometry)
        if trace is None:
            return Comparison(np.zeros(0, np.intp), np.zeros(0, np.float32), np.zeros((0, len(WEIGHTS)), np.float32))
        prior = prior[self._templates.sequences.words]
        templates = self._templates
        path = _weighted(trace.resampled(POINTS)[None])[0]
        away = np.minimum(((self._centres - trace.points[[0, -1], None]) ** 2).sum(-1), _FARTHEST_END).astype(
            np.float32
        )
        longer = _log_length(trace.length) - templates.log_lengths
        # By `einsum`, because a BLAS library would split the product among threads, which wait for each other on a busy machine.
        products = np.einsum("ij,j->i", templates.points, path)
        cheap = 2 * products - templates.squares + _PRIOR * prior - _LONGER * longer
        cheap -= (_FIRST_END * away[0, :, None] + _LAST_END * away[1]).ravel()[templates.ends]
        chosen = np.argpartition(-cheap, count)[:count] if len(cheap) > count else np.arange(len(cheap))
        chosen = chosen[np.isfinite(prior[chosen])]
        if len(chosen) == 0:
            return Comparison(chosen, np.zeros(0, np.float32), np.zeros((0, len(WEIGHTS)), np.float32))
        sequences = templates.sequences
        keys, counts, doubled = sequences.keys[chosen], sequences.counts[chosen], sequences.doubled[chosen]
        off = path - templates.points[chosen]
        shifts = self._shifts(off)
        alignments = alignment_costs(
            trace, keys, counts, doubled, self._centres, self._spreads, shifts, self.parameters
        )
        channels = (off**2).reshape(len(chosen), 2, -1).sum(axis=2) / np.array([_LOCATION, _SHAPE], np.float32)
        longer, doubles = longer[chosen], doubled.sum(axis=1, dtype=np.float32)
        others = [longer, np.abs(longer), counts.astype(np.float32), doubles, prior[chosen]]
        return Comparison(sequences.words[chosen], alignments, np.column_stack([channels, *others]))

    def _shifts(self, off: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns how far the hand seems to be off all keys for each candidate: a share of how far its whole path is off."""
        mean = off[:, : 2 * POINTS].reshape(len(off), POINTS, 2).mean(axis=1) * math.sqrt(POINTS / _LOCATION)
        shifts = np.float32(self.parameters.shift) * mean
        far = np.hypot(shifts[:, :1], shifts[:, 1:])
        return np.asarray(shifts * np.minimum(1, _FARTHEST_SHIFT / np.maximum(far, 1e-9)), np.float32)


def _weighted(paths: NDArray[np.float64]) -> NDArray[np.float32]:
    """Returns the points of paths, [paths, POINTS, 2], and of their shapes as rows, float32 [paths, 4 * POINTS].

    The squared distance of two rows is the weighted sum of the mean squared distances of both.
    """
    parts = [np.sqrt(_LOCATION / POINTS) * paths, np.sqrt(_SHAPE / POINTS) * shape_of(paths)]
    rows = np.concatenate([part.reshape(len(paths), 2 * POINTS) for part in parts], axis=1)
    return np.asarray(rows, np.float32)


def _log_length(length: Any) -> Any:
    return np.log(length + _SHORT).astype(np.float32)


def zipf(count: int) -> NDArray[np.float32]:
    """Returns Zipf's law for words in the order of their frequency: the logarithms of their frequencies, [words]."""
    return -np.log(np.arange(1, count + 1, dtype=np.float32))
