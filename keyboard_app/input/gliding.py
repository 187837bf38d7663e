"""Glides on the keys of the screen: the words that they may mean, by the person's own models.

The decoder is built in the background whenever the keys or the words change. While the finger is still gliding, the
probabilities of the words are worked out, and after each move the word that it has glided so far. Mostly the finger rests for a
moment before it is lifted, and the word is known then.
"""

from collections.abc import Generator, Mapping
from threading import Thread
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keyboard_app.input.glided_word import ALTERNATIVES
from keyboard_app.learning.models import Models
from keyboard_app.learning.touches import Touches
from model.device.gliding.decoder import GlideDecoder
from model.device.gliding.geometry import Box, KeyGeometry
from model.device.gliding.gesture import Gesture
from model.device.gliding.hand import Hand, TouchModel
from model.device.suggesting.personal import PersonalNgram

_BEYOND = 0.15  # of a key's width or height: a finger this far beyond its first key has left it
_FARTHER = 0.6  # of a key's width: a finger that has moved less has only rolled
_GLIDES = 20  # glides that the hand has learned from since the decoders were built, after which they are built anew


def has_left(box: Box, start: tuple[float, float], x: float, y: float) -> bool:
    """Returns whether a finger that came down on a key at `start` glides away from it; otherwise it may still tap.

    Args:
      box: the key's left edge, lower edge, width and height, in pixels.
      start: where the finger came down.
      x: where it is now.
      y: likewise.
    """
    left, bottom, width, height = box
    outside = not (
        left - _BEYOND * width <= x <= left + (1 + _BEYOND) * width
        and bottom - _BEYOND * height <= y <= bottom + (1 + _BEYOND) * height
    )
    return outside and float(np.hypot(x - start[0], y - start[1])) >= _FARTHER * min(width, height)


class _Basis(NamedTuple):
    """What decoders are built from."""

    boxes: Mapping[str, Box]
    ngram: PersonalNgram
    hand: Hand  # the person's, which goes on learning
    known: Hand  # what it had learned by then
    glides: int  # from how many glides


class _Built(NamedTuple):
    """The decoders, and what they were built from."""

    vocabulary: GlideDecoder
    own: GlideDecoder  # of the person's own words, which are few and grow
    basis: _Basis


class _Decoding:
    """A gesture that is being decoded step by step."""

    def __init__(self, gesture: Gesture, context: str, count: int, steps: Generator[None, None, list[str]]) -> None:
        self.gesture, self.context, self.count, self._steps = gesture, context, count, steps
        self.words: list[str] | None = None  # the result

    def proceed(self) -> None:
        """Takes a step."""
        try:
            next(self._steps)
        except StopIteration as end:
            self.words = end.value

    def decodes(self, gesture: Gesture, context: str, count: int) -> bool:
        """Returns whether the words are those of this gesture after this context."""
        return (self.context, self.count) == (context, count) and self.gesture.same_as(gesture)


class Gliding:
    """The words that glides mean on the keys in use, ranked by a keyboard's models. For one thread."""

    def __init__(self, models: Models, touches: Touches) -> None:
        self._models, self._touches = models, touches
        self._boxes: Mapping[str, Box] = {}
        self._built: _Built | None = None
        self._building: Thread | None = None
        self._prior: tuple[str, NDArray[np.float32]] | None = None  # a context and the prior after it
        self._decoding: _Decoding | None = None  # what the finger has glided so far

    def use_keys(self, boxes: Mapping[str, Box]) -> None:
        """Expects glides over these keys from now on: the left, top, width and height of each, with y growing downwards."""
        if boxes != self._boxes:
            self._boxes = dict(boxes)
            self.follow()

    def follow(self) -> None:
        """Starts to build decoders in the background if the keys or the words have changed. Call it between two keys."""
        if not self._boxes or (self._building is not None and self._building.is_alive()):
            return
        if not self._up_to_date:
            self._start_to_build(self._fitting())

    def follow_hand(self) -> None:
        """Starts to build decoders once the hand has learned from enough glides since. Call it in a pause in typing."""
        built, building = self._fitting(), self._building is not None and self._building.is_alive()
        if built is not None and not building and self._touches.glides >= built.basis.glides + _GLIDES:
            self._start_to_build(None)

    def _start_to_build(self, built: _Built | None) -> None:
        """Builds the decoder of the person's words, and that of the vocabulary unless `built` has it."""
        ngram, hand = self._models.ngram, self._touches.hand
        known = Hand(glides=TouchModel(hand.glides.sums))
        basis = _Basis(self._boxes, ngram, hand, known, self._touches.glides) if built is None else built.basis
        vocabulary = None if built is None else built.vocabulary
        self._building = Thread(target=self._build, args=(basis, list(ngram.words), vocabulary), daemon=True)
        self._building.start()

    def _build(self, basis: _Basis, words: list[str], vocabulary: GlideDecoder | None) -> None:
        try:
            geometry = KeyGeometry(basis.boxes) if vocabulary is None else vocabulary.geometry
        except ValueError:  # a layout without letters has no glides
            self._built = None
            return
        if vocabulary is None:
            vocabulary = GlideDecoder(basis.ngram.vocabulary.words, geometry, hand=basis.known)
        self._built = _Built(vocabulary, GlideDecoder(words, geometry, hand=basis.known), basis)

    def begin(self) -> None:
        """Forgets what was worked out for an earlier glide: a finger has begun to glide."""
        self._decoding = self._prior = None

    def foresee(self, gesture: Gesture, context: str, count: int) -> Generator[None, None, None]:
        """Works out in steps what `words` returns if the finger is lifted where it is now."""
        if not self._up_to_date and self._building is not None and self._building.is_alive():
            return
        self._decoding = decoding = _Decoding(gesture, context, count, self._decode(gesture, context, count))
        while decoding.words is None:
            decoding.proceed()
            yield

    def words(self, gesture: Gesture, context: str, count: int = 1 + ALTERNATIVES) -> list[str]:
        """Returns the words that a gesture may mean after a context, likeliest first, as they are written."""
        decoding = self._decoding
        if decoding is None or not decoding.decodes(gesture, context, count) or self._fitting() is None:
            decoding = _Decoding(gesture, context, count, self._decode(gesture, context, count))
        while decoding.words is None:
            decoding.proceed()
        self._decoding = self._prior = None
        return decoding.words

    def _decode(self, gesture: Gesture, context: str, count: int) -> Generator[None, None, list[str]]:
        built = self._finished()
        if built is None:
            return []
        size, own = len(built.vocabulary.words), len(built.own.words)
        # A prior of fewer words was worked out before the person wrote the newest of these words.
        if self._prior is None or self._prior[0] != context or len(self._prior[1]) < size + own:
            self._prior = context, self._models.log_prior(context)
            yield
        prior = self._prior[1]
        found = built.vocabulary.decode(gesture, prior[:size], count)
        yield
        found += built.own.decode(gesture, prior[size : size + own], count)
        best = sorted(found, key=lambda candidate: -candidate.score)[:count]
        return [self._models.written(candidate.word) for candidate in best]

    def _finished(self) -> _Built | None:
        """Returns the decoders for the keys and words in use; waits for those that are being built, but not for a newer hand."""
        for _ in range(2):  # the first may have been begun for other keys
            self.follow()
            if not self._up_to_date and self._building is not None:
                self._building.join()
        return self._fitting()

    @property
    def _up_to_date(self) -> bool:
        built = self._fitting()
        return built is not None and len(built.own.words) >= len(self._models.ngram.words)

    def _fitting(self) -> _Built | None:
        """Returns the decoders if they belong to the keys, the vocabulary and the hand in use."""
        built = self._built
        if built is None or built.basis.boxes != self._boxes or built.basis.hand is not self._touches.hand:
            return None
        return built if built.basis.ngram is self._models.ngram else None
