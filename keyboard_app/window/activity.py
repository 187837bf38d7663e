"""How a person uses the window: fingers, keys and pauses, and the background tasks that give way to them."""

import math
from collections.abc import Sequence

from kivy.clock import Clock

from keyboard_app.learning.background import BackgroundTasks
from keyboard_app.window.after_frame import after_frame

PAUSE = 0.3  # seconds without use that count as a pause
_BETWEEN_KEYS = 0.1  # seconds within which a person who types on a physical keyboard presses the next key


class Activity:
    """When the window was used last. Background tasks make way for each touch and key, and go on once it is answered."""

    def __init__(self, backgrounds: Sequence[BackgroundTasks]) -> None:
        self._backgrounds = backgrounds
        self._fingers: set[object] = set()  # the ids of those that are on the window
        self.last_used = Clock.get_time()
        self.last_typed = -math.inf
        self._resume = after_frame(self._go_on)
        self._resume_later = Clock.create_trigger(lambda _elapsed: self._go_on(), _BETWEEN_KEYS)

    @property
    def touches(self) -> bool:
        """Whether a finger is on the window."""
        return bool(self._fingers)

    @property
    def pauses(self) -> bool:
        """Whether the person makes a pause, with no finger on the window."""
        return not self._fingers and self.idle_seconds() >= PAUSE

    def idle_seconds(self) -> float:
        """Returns the seconds since the window was last used in any way; safe to call from any thread."""
        return float(Clock.get_time() - self.last_used)

    def seconds_since_typing(self) -> float:
        """Returns the seconds since something was typed; safe to call from any thread."""
        return float(Clock.get_time() - self.last_typed)

    def typed(self) -> None:
        """Notes that something was typed."""
        self.last_used = self.last_typed = Clock.get_time()

    def key_pressed(self) -> None:
        """Notes a key of a physical keyboard; tasks give way to the next one, too, which gives no notice before it is pressed."""
        self.typed()
        self._make_way()
        self._resume_later.cancel()
        self._resume_later()

    def touched(self, finger: object) -> None:
        """Notes a finger that has come down."""
        self.last_used = Clock.get_time()
        self._fingers.add(finger)
        self._make_way()

    def moved(self) -> None:
        """Notes a finger that moves: tasks make way for as long as it glides."""
        self._make_way()

    def lifted(self, finger: object) -> None:
        """Notes a finger that was lifted; tasks go on once its effect is painted."""
        self._fingers.discard(finger)
        self._resume()

    def _make_way(self) -> None:
        for background in self._backgrounds:
            background.make_way()

    def _go_on(self) -> None:
        if not self._fingers:
            for background in self._backgrounds:
                background.go_on()
