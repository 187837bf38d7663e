"""How long a person waits: from the start to the first suggestion, and from a key to the suggestions painted for it.

1. The window opens on a profile that is thrown away, with a history to learn from.
2. A thread in the place of a finger touches the keys of a few sentences, at uneven moments, as an input device of Kivy's. What
   counts begins when the finger goes up, which types the character, and ends when the frame that shows its suggestions has been
   handed to the display: waiting for the next frame counts.
3. It types once while nothing else goes on, and once while the keyboard learns, again and again, beside it.
"""

import os
import random
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kivy.base import EventLoop
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.input.motionevent import MotionEvent
from kivy.input.provider import MotionEventProvider

from keyboard_app.device import Device
from keyboard_app.script import peak_memory_mib
from keyboard_app.window.key import Key
from keyboard_app.window.window import KeyboardApp
from model.device.folder import PRETRAINED

_SENTENCES = (
    "i think we can go there tonight if you like that",
    "what do you want to do when you get home from work",
    "that sounds really good to me, see you then",
    "i have not been there for a long time but it was fun",
    "are you sure that they are open on the weekend",
)
_HISTORY = 60  # times the sentences: about 3,000 words
_PAUSE = (0.05, 0.13)  # seconds between two keys, of a fast typist
_TOUCH = 0.03  # seconds that a finger stays down


@dataclass(frozen=True)
class Waits:
    """Seconds, except as named."""

    start_to_first_suggestion: float
    idle: list[float]  # from a key to its suggestions, each
    learning: list[float]  # the same, beside learning
    peak_memory_mb: float  # MiB, resident

    def as_json(self) -> dict[str, Any]:
        """Medians and 99th percentiles, in milliseconds."""
        return {
            "start_to_first_suggestion_s": round(self.start_to_first_suggestion, 3),
            "press_to_suggestions_ms": {"idle": _percentiles(self.idle), "learning": _percentiles(self.learning)},
            "presses": {"idle": len(self.idle), "learning": len(self.learning)},
            "peak_memory_mb": round(self.peak_memory_mb, 1),
        }

    def __str__(self) -> str:
        json = self.as_json()
        lines = [f"start to first suggestion   {json['start_to_first_suggestion_s']:.2f} s"]
        for name, words in (("idle", "nothing else going on"), ("learning", "while it learns")):
            p = json["press_to_suggestions_ms"][name]
            lines.append(f"key to its suggestions      {p['p50']:.1f} ms (99th percentile {p['p99']:.1f} ms), {words}")
        return "\n".join([*lines, f"peak memory                 {json['peak_memory_mb']:.0f} MiB"])


def _percentiles(seconds: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}


class _Touch(MotionEvent):
    """A finger, in shares of the window."""

    def __init__(self, *arguments: Any, **properties: Any) -> None:
        properties.setdefault("is_touch", True)
        properties.setdefault("type_id", "touch")
        super().__init__(*arguments, **properties)

    def depack(self, args: tuple[float, float]) -> None:
        """Where it is."""
        self.sx, self.sy = args
        self.profile = ["pos"]
        super().depack(args)


class _Finger(MotionEventProvider):
    """Hands touches that another thread makes to Kivy's loop, as a driver of an input device does."""

    def __init__(self) -> None:
        super().__init__("finger", "")
        self._waiting: deque[tuple[str, _Touch, float]] = deque()
        self._count = 0
        self.unanswered: list[float] = []  # when fingers went up whose frame has not been painted yet

    def touch(self, x: float, y: float) -> None:
        """Touches a place, in shares of the window, and lets go."""
        self._count += 1
        touch = _Touch("finger", f"finger{self._count}", (x, y))
        self._waiting.append(("begin", touch, time.perf_counter()))
        time.sleep(_TOUCH)
        self._waiting.append(("end", touch, time.perf_counter()))

    def update(self, dispatch_fn: Callable[[str, MotionEvent], object]) -> None:
        """Kivy's loop asks what has come."""
        while self._waiting:
            what, touch, when = self._waiting.popleft()
            dispatch_fn(what, touch)
            if what == "end":
                self.unanswered.append(when)


class _Measurement:
    """Types in an open window, and notes the waits."""

    def __init__(self, app: KeyboardApp, presses: int, begun: float) -> None:
        self._app = app
        self._presses = presses
        self._begun = begun
        self._finger = _Finger()
        self._answered = threading.Event()
        self._answer = 0.0
        self._thread = threading.Thread(target=self._type_all, daemon=True)
        self.first = 0.0
        self.idle: list[float] = []
        self.learning: list[float] = []

    def begin(self) -> None:
        """Begins with the first frame that shows a suggestion."""
        EventLoop.add_input_provider(self._finger)
        Window.bind(on_flip=self._flip)

    def _flip(self, window: Any) -> bool:
        window.flip()
        now = time.perf_counter()
        if not self.first and self._app.screen.composer.ids.strip.offers:
            self.first = now - self._begun
            self._thread.start()
        if self._finger.unanswered:
            self._answer = now - self._finger.unanswered[-1]
            self._finger.unanswered.clear()
            self._answered.set()
        return True  # the frame has been handed over

    def _type_all(self) -> None:
        pause = random.Random(0)
        for key in self._keys():
            if len(self.idle) == self._presses:
                Clock.schedule_once(self._learn)
            learns = self._app.screen.busy
            self._answered.clear()
            self._finger.touch(key.center_x / Window.width, key.center_y / Window.height)
            self._answered.wait()
            if learns:
                self.learning.append(self._answer)
            elif len(self.idle) < self._presses:
                self.idle.append(self._answer)
            if len(self.learning) >= self._presses:
                break
            time.sleep(pause.uniform(*_PAUSE))
        Clock.schedule_once(lambda _elapsed: self._app.stop())

    def _learn(self, _elapsed: float) -> None:
        if not self._app.screen.busy:
            self._app.screen.learn()

    def _keys(self) -> Iterator[Key]:
        keypad = self._app.screen.composer.ids.keypad
        keys = {key.label.lower() or key.action: key for key in keypad.shown_keys()}
        keys[" "] = next(key for key in keypad.shown_keys() if key.action == "space")
        while True:
            for sentence in _SENTENCES:
                yield from (keys[character] for character in sentence)
                yield keys["enter"]


def _process_began() -> float:
    """When this process was started, on the clock of `time.perf_counter`, to a hundredth of a second; now where nobody knows."""
    now = time.perf_counter()
    stat = Path("/proc/self/stat")
    if not stat.exists():
        return now
    ticks = int(stat.read_text().rpartition(")")[2].split()[19])  # since the machine was started
    return now - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


def measure(presses: int, shipped: Path = PRETRAINED) -> Waits:
    """Opens a window and types; must be called before any other window, in the main thread.

    Args:
      presses: keys to measure in each of the two states.
      shipped: the model folder.

    Raises:
      DataError: no window can be opened, or the model is damaged or missing.
    """
    with (
        tempfile.TemporaryDirectory(prefix="keyboard-") as profile,
        Device.open(Path(profile) / "profile", shipped, consenting=True, use_keyring=False) as device,
    ):
        app = KeyboardApp(device)
        measurement = _Measurement(app, presses, _process_began())
        measurement.begin()
        Clock.schedule_once(lambda _elapsed: _write_history(device))
        app.run()
    return Waits(measurement.first, measurement.idle, measurement.learning, peak_memory_mib())


def _write_history(device: Device) -> None:
    for sentence in _SENTENCES * _HISTORY:
        device.profile.store.add_message(sentence, [])
