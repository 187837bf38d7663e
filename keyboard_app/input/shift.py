"""The shift key."""

from collections.abc import Callable
from enum import Enum

from keyboard_app.input.sentences import starts_sentence

_DOUBLE_TAP = 0.35  # seconds


class Shift(Enum):
    """The effect of the shift key on the next letters."""

    OFF = "off"
    ONCE = "once"
    LOCKED = "locked"


class ShiftKey:
    """The shift key: a press toggles one capital; a double tap locks capitals until the next press. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.capitalizes = True  # whether a sentence gets a capital by itself
        self.release()

    def release(self) -> None:
        """Resets the key."""
        self.state = Shift.OFF
        self._pressed: float | None = None

    def press(self) -> None:
        """Presses the key."""
        now, before = self._clock(), self._pressed
        if before is not None and now - before <= _DOUBLE_TAP:
            self.state, self._pressed = Shift.LOCKED, None
        else:
            self.state = Shift.ONCE if self.state is Shift.OFF else Shift.OFF
            self._pressed = now

    def applied(self, character: str) -> str:
        """Returns the character as typed; a letter without a capital that maps back to it (ß, ı) stays as it is."""
        capital = character.upper() if self.state is Shift.LOCKED else character.title()
        return capital if self.state is not Shift.OFF and capital.lower() == character else character

    def follow(self, before: str) -> None:
        """Updates the state after another key or a cursor move, given the text before the cursor: a sentence gets a capital."""
        self._pressed = None
        if self.state is not Shift.LOCKED:
            self.state = Shift.ONCE if self.capitalizes and starts_sentence(before) else Shift.OFF
