"""The work while a finger is on the keys: the tap or glide that it becomes, and the words that it will show."""

from collections.abc import Sequence

from kivy.clock import Clock

from keyboard_app.device import Device
from keyboard_app.learning.touches import Tap
from keyboard_app.window.after_frame import after_frame
from keyboard_app.window.keys.keypad import Keypad, Place
from keyboard_app.window.keys.suggestion_strip import SuggestionStrip
from keyboard_app.window.spare_time import Work, spare_time
from model.device.gliding.gesture import Gesture

__all__ = ("FingerDown",)

_SETTLED = 0.2  # seconds after which the keys have their places at a new size


class FingerDown:
    """Tells the device where the letters are, and prepares in spare time what the finger that is down will type.

    Lifting the finger is then answered at once: the words are ranked and drawn already.
    """

    def __init__(self, keypad: Keypad, strip: SuggestionStrip) -> None:
        self._keypad, self._strip = keypad, strip
        self._foreseeing: Work | None = None  # what the finger that is down will show
        self._foreseen: tuple[str, Place, Tap | None] | None = None  # the key under it, and its tap
        self._keys_known = False  # whether the device knows where the letters are that are glided over
        # In the first frame, the keys have no places yet.
        self.measure_keys = after_frame(Clock.create_trigger(self._use_keys, _SETTLED))
        keypad.bind(size=lambda *_: self.measure_keys())

    def begin(self, device: Device) -> None:
        """Sets the device that reads the touches."""
        self._device = device

    def touched(self) -> None:
        """Begins a touch, whose glide is read from new places of the letters."""
        self._keys_known = False

    def foresee(self, letter: str, place: Place) -> None:
        """Prepares what a letter will show, whose key the finger is on."""
        spare_time.drop(self._foreseeing)
        self._foreseeing = self._foresee(letter, place)
        spare_time.begin(self._foreseeing, first=True)

    def _foresee(self, letter: str, place: Place) -> Work:
        tap = self._device.touches.tap(letter, *place)
        self._foreseen = letter, place, tap
        yield
        words = self._device.foresee(letter, tap)
        yield
        yield from self._strip.draw_ahead(words)

    def tap(self, character: str, place: Place | None) -> Tap | None:
        """Returns the tap that typed a letter; None for other characters and without a place, which says nothing of the hand."""
        foreseen, self._foreseen = self._foreseen, None
        if place is None or not character.isalpha():
            return None
        if foreseen is not None and foreseen[:2] == (character, place):
            tap = foreseen[2]
        else:
            tap = self._device.touches.tap(character, *place)
        if tap is None:  # the keys have changed since they were measured
            self.measure_keys()
        return tap

    def follow_glide(self, points: Sequence[tuple[float, float, float]]) -> None:
        """Works out which word the finger has glided so far: it may be lifted there."""
        spare_time.drop(self._foreseeing)
        self._foreseeing = self._follow_glide(points)
        spare_time.begin(self._foreseeing, first=True)

    def _follow_glide(self, points: Sequence[tuple[float, float, float]]) -> Work:
        if not self._keys_known:
            self._use_keys(0)
            self._keys_known = True
            self._device.gliding.begin()
        yield
        yield from self._device.foresee_glide(Gesture.of(points))

    def end_glide(self) -> None:
        """Stops working out a glide that has ended; the device knows the places of its letters afterwards."""
        spare_time.drop(self._foreseeing)
        if not self._keys_known:
            self._use_keys(0)
        self._keys_known = False

    def _use_keys(self, _elapsed: float) -> None:
        """Tells the device where the letters are."""
        if self._keypad.shows_letters:
            self._device.use_keys(self._keypad.letter_boxes())
