"""The keys of a layout, one page at a time, and the fingers on them.

A character is typed when its finger is lifted, or when the next finger comes down, because fast typists overlap their keys. A held
key shows its alternates, and the finger slides to one of them. A held backspace repeats faster and faster. A finger that slides
along the space bar moves the cursor. A finger that slides over the letters glides, which writes a word; if the keypad takes no
glides, such a finger types the key where it is lifted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kivy.clock import Clock, ClockEvent
from kivy.input import MotionEvent
from kivy.lang import Builder
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty, OptionProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.floatlayout import FloatLayout
from kivy.uix.widget import Widget

from keyboard_app.input.gliding import has_left
from keyboard_app.input.layout import KeySpec, Page
from keyboard_app.window.after_frame import after_frame
from keyboard_app.window.keys.glide_trail import GlideTrail
from keyboard_app.window.keys.key import Key
from keyboard_app.window.keys.key_popup import KeyPopup
from keyboard_app.window.widgets.layer import Layer
from model.device.gliding.geometry import Box
from model.device.gliding.gesture import Gesture

__all__ = ("KeyRow", "Keypad", "Place")

_REPEAT_FIRST, _REPEAT_LAST = 0.11, 0.025  # seconds between repeats, at first and at the fastest
_REPEAT_SHRINK = 0.9  # factor by which this pause shrinks with each repeat
_CURSOR_STEP = 11  # dp that a finger slides on the space bar to move the cursor by one character
_AT_ONCE = ("shift", "backspace")  # keys that act when the finger comes down


class Place(NamedTuple):
    """Where a finger came down, and its key, in pixels from the keypad's upper left corner."""

    x: float
    y: float
    box: Box


@dataclass
class _Finger:
    """A finger on a key."""

    key: Key
    began: tuple[float, float]
    timer: ClockEvent | None = None  # until the key counts as held, or repeats
    held: bool = False
    done: bool = False  # the key has acted already
    over: bool = False  # the finger has no further effect
    slid: bool = False  # it came down on another key
    steps: int = 0  # characters that it has moved the cursor by
    glides: bool = False
    points: list[tuple[float, float, float]] = field(default_factory=list)  # x, y from the keypad's top in pixels, ms


class KeyRow(Layer):
    """A row of keys; a pressed key repaints only its own row."""


class Keypad(FloatLayout):
    """Dispatches `on_key(action, character, place)`, `on_cursor(steps)` and `on_held(action)`; handles the keys that turn pages.

    `place` is where the finger came down on the key of a character; None for other keys, alternates, and fingers that slid there.
    Before a key acts, `on_press()` says that a finger has come down on it, and `on_foresee(character, place)` what it will type if
    the finger is lifted there.

    If it `takes_glides`, it dispatches `on_glide_move(points)` while a finger glides that has left its first letter, and
    `on_glide(gesture)` when the finger is lifted. A point is x and y in pixels from the keypad's upper left corner, and the time
    in milliseconds.
    """

    page = StringProperty()
    shift = OptionProperty("off", options=["off", "once", "locked"])

    takes_glides = BooleanProperty(False)
    hold_time = NumericProperty(0.38)  # seconds until a key counts as held

    __events__ = ("on_cursor", "on_foresee", "on_glide", "on_glide_move", "on_held", "on_key", "on_press")

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self._rows = BoxLayout(orientation="vertical", size_hint=(1, 1), pos_hint={"x": 0, "y": 0})
        self._popup = KeyPopup(size_hint=(None, None), size=(0, 0))
        self.add_widget(self._rows)
        self._trail = GlideTrail(size_hint=(None, None), size=(0, 0))
        self.add_widget(self._popup)
        self.add_widget(self._trail)
        self._pages: Mapping[str, Page] = {}
        self._built: dict[str, list[Widget]] = {}
        self._keys: list[Key] = []
        self._fingers: dict[Any, _Finger] = {}
        self._space_label = ""
        # Relabelling repaints all keys, so it happens one frame after the frame that answers the key.
        self._show_shift = after_frame(self._label_keys)
        self._lifted: list[Key] = []  # keys that are still painted as pressed
        self._show_lifted = after_frame(self._release_lifted)

    def use(self, pages: Mapping[str, Page], space_label: str) -> None:
        """Shows the first page of a layout, with `space_label` on the space bar."""
        for widget in (widget for rows in self._built.values() for row in rows for widget in row.walk(restrict=True)):
            # A key that is collected while the theme changes would fail then.
            Builder.unbind_widget(widget.uid)
        self._pages, self._built, self._space_label = pages, {}, space_label
        self.property("page").set(self, next(iter(pages)))
        self.on_page(self, self.page)

    def shown_keys(self) -> list[Key]:
        """Returns the keys of the page shown."""
        return self._keys

    @property
    def shows_letters(self) -> bool:
        """Whether the first page is shown."""
        return bool(self._pages) and self.page == next(iter(self._pages))

    def letter_boxes(self) -> dict[str, Box]:
        """Returns the left, top, width and height of the shown keys of letters, in pixels from the keypad's upper left corner."""
        letters = [key for key in self._keys if key.action == "character" and key.spec.label.isalpha()]
        return {key.spec.label: self._box(key) for key in letters}

    def _box(self, key: Key) -> Box:
        return key.x - self.x, self.top - key.top, key.width, key.height

    def on_key(self, action: str, character: str, place: Place | None) -> None:
        """Event for the composer to bind."""

    def on_cursor(self, steps: int) -> None:
        """Event: a finger slid along the space bar by `steps` characters, negative to the left."""

    def on_foresee(self, character: str, place: Place) -> None:
        """Event: a finger came down on the key of a character."""

    def on_glide_move(self, points: list[tuple[float, float, float]]) -> None:
        """Event: a finger glides over the letters."""

    def on_glide(self, gesture: Gesture) -> None:
        """Event: a gliding finger was lifted."""

    def on_press(self) -> None:
        """Event: a finger has come down on a key."""

    def on_held(self, action: str) -> None:
        """Event: a key without alternates was held."""

    def on_page(self, _keypad: "Keypad", page: str) -> None:
        """Shows another page of keys."""
        if page not in self._built:
            self._built[page] = [self._row(keys) for keys in self._pages[page]]
        self._rows.clear_widgets()
        for row in self._built[page]:
            self._rows.add_widget(row)
        self._keys = [key for row in self._built[page] for key in reversed(row.children) if isinstance(key, Key)]
        self._label_keys()

    def on_shift(self, _keypad: "Keypad", _shift: str) -> None:
        """Shows the letters in their new case, one frame later."""
        self._show_shift()

    def _label_keys(self) -> None:
        for key in self._keys:
            key.show_capital(self.shift != "off")
            if key.action == "shift":
                key.lit = self.shift != "off"
                key.icon = "caps" if self.shift == "locked" else "shift"

    def _row(self, keys: list[KeySpec]) -> Widget:
        row = KeyRow()
        for spec in keys:
            row.add_widget(Widget(size_hint_x=spec.width) if spec.action == "gap" else self._key(spec))
        return row

    def _key(self, spec: KeySpec) -> Key:
        key = Key(spec)
        if spec.action == "space":
            key.label = self._space_label
        key.bind(on_activate=self._type)
        return key

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """Presses the key under a new finger, after finishing the keys of the fingers before it."""
        if not self.collide_point(*touch.pos) or touch.is_mouse_scrolling or self.disabled:
            return False
        for finger in self._fingers.values():
            self._finish(finger)
        key = self._key_at(*touch.pos)
        if key is None:
            return True
        touch.grab(self)
        finger = self._fingers[touch.uid] = _Finger(key, touch.pos)
        self._add_point(finger, touch)
        self.dispatch("on_press")
        self._press(finger)
        if key.action == "character":
            self.dispatch("on_foresee", self._typed_by(key), self._place(finger))
        return True

    def on_touch_move(self, touch: MotionEvent) -> bool:
        """Follows a sliding finger to another alternate or key, or moves the cursor."""
        finger = self._fingers.get(touch.uid)
        if finger is None:
            return bool(super().on_touch_move(touch))
        if finger.done or finger.over:
            return True
        self._add_point(finger, touch)
        if finger.glides:
            self._trail.extend(*touch.pos)
            self.dispatch("on_glide_move", list(finger.points))
        elif finger.held:
            self._popup.choose_at(touch.x)
        elif finger.key.action == "space":
            steps = int((touch.x - finger.began[0]) / dp(_CURSOR_STEP))
            if steps != finger.steps:
                self._stop_timer(finger)
                self.dispatch("on_cursor", steps - finger.steps)
                finger.steps = steps
        elif self._may_glide(finger):
            if has_left((*finger.key.pos, *finger.key.size), finger.began, *touch.pos):
                self._glide(finger)
        elif finger.key.action == "character" and not finger.key.collide_point(*touch.pos):
            key = self._key_at(*touch.pos) if self.collide_point(*touch.pos) else None
            if key is not None and key is not finger.key and key.action == "character":
                self._release(finger)
                finger.key, finger.slid = key, True
                self._press(finger)
        return True

    def on_touch_up(self, touch: MotionEvent) -> bool:
        """Finishes the key of a lifted finger."""
        finger = self._fingers.pop(touch.uid, None)
        if finger is None:
            return bool(super().on_touch_up(touch))
        touch.ungrab(self)
        self._finish(finger)
        return True

    def _add_point(self, finger: _Finger, touch: MotionEvent) -> None:
        finger.points.append((touch.x - self.x, self.top - touch.y, touch.time_update * 1000))

    def _may_glide(self, finger: _Finger) -> bool:
        key = finger.key
        return self.takes_glides and self.shows_letters and key.action == "character" and key.spec.label.isalpha()

    def _glide(self, finger: _Finger) -> None:
        """Turns a finger into a gliding one, which will not type its key."""
        finger.glides = True
        self._release(finger)
        self._trail.begin([(self.x + x, self.top - y) for x, y, _ in finger.points])
        self.dispatch("on_glide_move", list(finger.points))

    def _key_at(self, x: float, y: float) -> Key | None:
        """Returns the key nearest to a point, so that the gaps between keys belong to them."""
        return min(
            self._keys,
            key=lambda key: (max(key.y - y, y - key.top, 0) ** 2) + (max(key.x - x, x - key.right, 0) ** 2),
            default=None,
        )

    def _typed_by(self, key: Key) -> str:
        return key.typed(self.shift != "off")

    def _press(self, finger: _Finger) -> None:
        key = finger.key
        key.pressed = True
        if key.action in _AT_ONCE:
            finger.done = True
            self._type(key)
        if key.action == "character":
            self._popup.show(key, [self._typed_by(key)], (self.x, self.right))
        finger.timer = Clock.schedule_once(lambda _elapsed: self._hold(finger), self.hold_time)

    def _hold(self, finger: _Finger) -> None:
        key = finger.key
        if key.action == "backspace":
            self._repeat(finger, _REPEAT_FIRST)
        elif key.action == "character" and key.spec.alternates:
            capital = self._typed_by(key) != key.spec.label
            others = [a.upper() if capital and len(a.upper()) == 1 else a for a in key.spec.alternates]
            finger.held = True
            self._popup.show(key, others, (self.x, self.right))
        elif key.action not in ("character", "shift"):
            finger.done = True
            self.dispatch("on_held", key.action)

    def _repeat(self, finger: _Finger, pause: float) -> None:
        self._type(finger.key)
        shorter = max(pause * _REPEAT_SHRINK, _REPEAT_LAST)
        finger.timer = Clock.schedule_once(lambda _elapsed: self._repeat(finger, shorter), pause)

    def _finish(self, finger: _Finger) -> None:
        """Lets the key of a finger act, unless it has acted already."""
        if finger.over:
            return
        finger.over = True
        choice = self._popup.choice if finger.held else ""
        self._lift(finger)
        if finger.glides:
            self._trail.end()
            self.dispatch("on_glide", Gesture.of(finger.points))
        if finger.done or finger.steps or finger.glides:
            return
        if choice:
            self.dispatch("on_key", "character", choice, None)
        else:
            self._type(finger.key, None if finger.slid else self._place(finger))

    def _place(self, finger: _Finger) -> Place:
        return Place(*finger.points[0][:2], self._box(finger.key))

    def _release(self, finger: _Finger) -> None:
        finger.key.pressed = False
        self._stop_timer(finger)
        self._popup.hide()

    def _lift(self, finger: _Finger) -> None:
        """Releases a key one frame after the frame that answers it."""
        self._stop_timer(finger)
        self._lifted.append(finger.key)
        self._show_lifted()

    def _release_lifted(self) -> None:
        held = [finger.key for finger in self._fingers.values() if not finger.over and not finger.glides]
        for key in self._lifted:
            key.pressed = key in held
        self._lifted.clear()
        if self._popup.key not in held:
            self._popup.hide()

    def _stop_timer(self, finger: _Finger) -> None:
        if finger.timer is not None:
            finger.timer.cancel()
            finger.timer = None

    def _type(self, key: Key, place: Place | None = None) -> None:
        if key.action == "page":
            self.page = key.spec.page
        else:
            typed = key.action == "character"
            self.dispatch("on_key", key.action, self._typed_by(key) if typed else "", place if typed else None)
            if key.action == "shift":
                self._label_keys()  # the shift key itself answers at once
