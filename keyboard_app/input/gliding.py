"""Glides on the keys of the screen: the words that they may mean, by the person's own models.

The decoder is built in the background whenever the keys or the words change. The probabilities of the words are worked out while
the finger is still gliding, so that lifting it takes little time.
"""

from collections.abc import Mapping
from threading import Thread
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keyboard_app.input.glided_word import ALTERNATIVES
from keyboard_app.learning.models import Models
from model.device.gliding.decoder import GlideDecoder
from model.device.gliding.geometry import Box, KeyGeometry
from model.device.gliding.gesture import Gesture
from model.device.suggesting.personal import PersonalNgram

_BEYOND = 0.15  # of a key's width or height: a finger this far beyond its first key has left it
_FARTHER = 0.6  # of a key's width: a finger that has moved less has only rolled


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


class _Built(NamedTuple):
    """A decoder, and what it was built from."""

    decoder: GlideDecoder
    boxes: Mapping[str, Box]
    own: PersonalNgram


class Gliding:
    """The words that glides mean on the keys in use, ranked by a keyboard's models. For one thread."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._boxes: Mapping[str, Box] = {}
        self._built: _Built | None = None
        self._building: Thread | None = None
        self._prior: tuple[str, NDArray[np.float32]] | None = None  # a context and the prior after it

    def use_keys(self, boxes: Mapping[str, Box]) -> None:
        """Expects glides over these keys from now on: the left, top, width and height of each, with y growing downwards."""
        if boxes != self._boxes:
            self._boxes = dict(boxes)
            self.follow()

    def follow(self) -> None:
        """Starts to build the decoder in the background if the keys or the words have changed. Call it between two keys."""
        if self._building is not None and self._building.is_alive():
            return
        own, built = self._models.own_words_written, self._built
        same_keys = built is not None and built.boxes == self._boxes
        if built is not None and same_keys and built.own is own and len(built.decoder.words) == len(own):
            return
        if not self._boxes:
            return
        words = [*own.vocabulary.words, *own.words]
        self._building = Thread(target=self._build, args=(self._boxes, own, words), daemon=True)
        self._building.start()

    def _build(self, boxes: Mapping[str, Box], own: PersonalNgram, words: list[str]) -> None:
        try:
            geometry = KeyGeometry(boxes)
        except ValueError:  # a layout without letters has no glides
            self._built = None
            return
        self._built = _Built(GlideDecoder(words, geometry), boxes, own)

    def begin(self, context: str) -> None:
        """Works out how probable the words are after a context, while the finger glides."""
        self._prior = context, self._models.log_prior(context)

    def words(self, gesture: Gesture, context: str, count: int = 1 + ALTERNATIVES) -> list[str]:
        """Returns the words that a gesture may mean after a context, likeliest first, as they are written."""
        self.follow()
        if self._building is not None and self._fits_nothing():
            self._building.join()
            self.follow()  # what changed meanwhile
        built = self._built
        if built is None or self._fits_nothing():
            return []
        prepared, self._prior = self._prior, None
        prior = prepared[1] if prepared is not None and prepared[0] == context else self._models.log_prior(context)
        prior = prior[: len(built.decoder.words)]  # words that the person wrote since it was built are the last ones
        return [self._models.written(found.word) for found in built.decoder.decode(gesture, prior, count)]

    def _fits_nothing(self) -> bool:
        """Returns whether the decoder that there is belongs to other keys or another vocabulary."""
        built = self._built
        return built is None or built.boxes != self._boxes or built.own is not self._models.own_words_written
