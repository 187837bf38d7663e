"""A key of the on-screen keyboard."""

from typing import Any

from kivy.clock import Clock, ClockEvent
from kivy.properties import BooleanProperty, OptionProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.label import Label

from keyboard_app.layout import ACTIONS

__all__ = ("Key",)

_REPEATED = "backspace"
_REPEAT_AFTER, _REPEAT_EVERY = 0.4, 0.06  # seconds, as phones do


class Key(ButtonBehavior, Label):
    """Dispatches `on_key` when it is touched, and again and again while backspace is held."""

    action = OptionProperty("character", options=ACTIONS)
    page = StringProperty()
    lit = BooleanProperty(False)  # drawn as switched on

    __events__ = ("on_key",)

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self._repeating: ClockEvent | None = None

    def on_key(self) -> None:
        """What the keypad binds to."""

    def on_press(self) -> None:
        """A finger came down."""
        self.dispatch("on_key")
        if self.action == _REPEATED:
            self._repeating = Clock.schedule_once(self._repeat, _REPEAT_AFTER)

    def on_state(self, _key: "Key", state: str) -> None:
        """The finger may go up on the key or outside of it."""
        if state == "normal" and self._repeating is not None:
            self._repeating.cancel()
            self._repeating = None

    def _repeat(self, _elapsed: float) -> None:
        self.dispatch("on_key")
        self._repeating = Clock.schedule_once(self._repeat, _REPEAT_EVERY)
