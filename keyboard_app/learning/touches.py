"""Where a person touches the keys: the touches of each message teach the hand (`model.device.gliding.hand`) once it is sent.

1. Each tap on a letter is kept with the letter that it typed, and each glide with its word, until the message is sent
   (`keyboard_app.input.touched_text`). A tap also gives the costs of other letters, which corrections use at once.
2. Sending the message accepts its words. A message that is not recorded teaches nothing.
3. In the next pause in typing, the hand learns from the accepted touches, some in each frame, and is saved.

The hand stays on the device: it is in no update, no export and no log.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from data.errors import UserFacingError
from model.device.gliding.geometry import Box, KeyGeometry
from model.device.gliding.gesture import Gesture
from model.device.gliding.hand import Hand

_A_STEP = 20  # touches that are learned in a frame: a fraction of a millisecond


class Tap(NamedTuple):
    """A finger that typed a letter."""

    letter: str  # in lower case
    x: float  # pixels, as the geometry has them
    y: float
    geometry: KeyGeometry
    costs: Mapping[str, float] | None = None  # the costs of the other letters (`Hand.touch_costs`)


class Glide(NamedTuple):
    """A finger that glided a word."""

    gesture: Gesture
    geometry: KeyGeometry


class Meant(NamedTuple):
    """A touch, and the letter or the word that it meant."""

    touch: Tap | Glide
    text: str


class Touches:
    """The person's hand, and the touches that it is still to learn from. For the typing thread.

    `glides` is the number of glides that the hand has learned from since the start.
    """

    def __init__(self, hand: Hand, save: Callable[[Hand], object]) -> None:
        """Takes the hand so far, and a function that saves it, which may raise a `UserFacingError`."""
        self.hand, self.glides = hand, 0
        self.geometry: KeyGeometry | None = None  # of the keys in use
        self._save = save
        self._accepted: deque[Meant] = deque()
        self._unsaved = False

    def use_keys(self, boxes: Mapping[str, Box]) -> None:
        """Expects touches on these keys from now on: the left, top, width and height of each, with y growing downwards."""
        try:
            geometry = KeyGeometry(boxes)
        except ValueError:  # a layout without letters
            self.geometry = None
            return
        if self.geometry is None or self.geometry.boxes != geometry.boxes:
            self.geometry = geometry

    def tap(self, letter: str, x: float, y: float, box: Box) -> Tap | None:
        """Returns a tap on the key with this box; None if it is not one of the keys in use, as after a change of size."""
        letter = letter.lower()
        if self.geometry is None or self.geometry.boxes.get(letter) != box:
            return None
        return Tap(letter, x, y, self.geometry, self.hand.touch_costs(letter, x, y, self.geometry))

    def glide(self, gesture: Gesture) -> Glide | None:
        """Returns a glide over the keys in use; None if no letter has a key."""
        return None if self.geometry is None else Glide(gesture, self.geometry)

    def accept(self, meant: Iterable[Meant]) -> None:
        """Has the hand learn from the touches of a message that was sent, in the next pause."""
        self._accepted.extend(meant)

    def proceed(self, everything: bool = False) -> bool:
        """Learns from some touches, or all, and saves the hand after the last one; returns whether anything is left to do."""
        steps = len(self._accepted) if everything else min(_A_STEP, len(self._accepted))
        for _ in range(steps):
            self._learn(self._accepted.popleft())
        if self._unsaved and not self._accepted:
            self._unsaved = False
            with suppress(UserFacingError):  # a full disk: the next message saves it
                self._save(self.hand)
        return bool(self._accepted)

    def forget(self) -> None:
        """Forgets where the person touches the keys; the owner of the file deletes it."""
        self._accepted.clear()
        self.hand, self._unsaved = Hand(), False  # a new one, so that whoever uses the old one can tell

    def close(self) -> None:
        """Learns from the touches that are left, and saves the hand."""
        self.proceed(everything=True)

    def _learn(self, meant: Meant) -> None:
        self._unsaved = True
        touch, text = meant
        if isinstance(touch, Tap):
            self.hand.taps.learn(text, touch.x, touch.y, touch.geometry)
        else:
            self.hand.learn_glide(text, touch.gesture, touch.geometry)
            self.glides += 1
