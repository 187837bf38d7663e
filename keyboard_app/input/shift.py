"""The shift key."""

from collections.abc import Callable
from enum import Enum

_DOUBLE_TAP = 0.35  # seconds


class Shift(Enum):
    """What the shift key does to the next letters."""

    OFF = "off"
    ONCE = "once"
    LOCKED = "locked"


class ShiftKey:
    """One capital or none by a press; all capitals by a double tap, until it is pressed again. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.release()

    def release(self) -> None:
        """Forgets what was pressed."""
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
        """A character as it is typed; some letters have no capital of their own that leads back to them (ß, ı): they stay."""
        capital = character.upper()
        return capital if self.state is not Shift.OFF and capital.lower() == character else character

    def follow(self, before: str) -> None:
        """Another key was pressed or the cursor moved: a sentence begins with a capital, given what stands before the cursor."""
        self._pressed = None
        if self.state is not Shift.LOCKED:
            ended = before.rstrip()
            starts = not ended or before[len(ended) :].startswith("\n") or (ended[-1] in ".!?" and before != ended)
            self.state = Shift.ONCE if starts else Shift.OFF
