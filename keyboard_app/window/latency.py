"""Measures latency: from the start to the first suggestion, and from a key to the frame that shows its suggestions.

1. The window opens on a temporary profile with a history to learn from; the newest messages of the history are shown.
2. A thread posts mouse presses on the keys of a few sentences, at irregular intervals, to the event queue of the system. The time
   begins when the mouse button is released, which types the character. It ends when the frame with the suggestions has been handed
   to the display, so it includes any wait in the event loop.
3. The thread types once while the keyboard is otherwise idle, and once while it learns over and over. After some keys it glides a
   word; the time is that from lifting the finger to the frame that shows the word.
4. Then the window shows only a counter of presses, with the same event loop. Its latency is the minimum that Kivy and the display
   take on this machine, whatever is shown.
"""

import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.input.motionevent import MotionEvent
from kivy.uix.label import Label

from data.peak_memory import ResidentMemory, peak_memory_mib, resident_memory
from keyboard_app.device import Device
from keyboard_app.window.app import KeyboardApp
from keyboard_app.window.keys.key import Key
from keyboard_app.window.posted_mouse import TOUCH, glide, press
from model.device.folder import PRETRAINED

_SENTENCES = (
    "i think we can go there tonight if you like that",
    "what do you want to do when you get home from work",
    "that sounds really good to me, see you then",
    "i have not been there for a long time but it was fun",
    "are you sure that they are open on the weekend",
)
_GLIDED = ("think", "tonight", "what", "home", "sounds", "really", "weekend", "there")
_HISTORY = 150  # repetitions of the sentences, about 8,000 words
_PAUSE = (0.05, 0.13)  # seconds between two keys of a fast typist, least and most
_GLIDE_EVERY = 10  # presses
_WARM_UP = 10  # presses before the first one that counts


@dataclass(frozen=True)
class Latency:
    """The measured times, in seconds, and the memory used."""

    start_to_first_suggestion: float
    idle: list[float]  # from a key to its suggestions, for each key
    learning: list[float]  # the same while the keyboard learns
    glides_idle: list[float]  # from a lifted finger to the glided word, for each glide
    glides_learning: list[float]  # the same while the keyboard learns
    bare: list[float]  # from a press to the frame of a window that shows only a number
    bare_memory_mb: float  # peak resident memory of the window before it holds a keyboard, in MiB
    peak_memory_mb: float  # peak resident memory of the whole run, in MiB
    largest: ResidentMemory | None  # the largest seen between two keys; None if the system does not tell

    def as_json(self) -> dict[str, Any]:
        """Returns the medians and 99th percentiles in milliseconds, and the other figures."""
        memory = {
            "bare_memory_mb": round(self.bare_memory_mb, 1),
            "peak_memory_mb": round(self.peak_memory_mb, 1),
        }
        if self.largest is not None:
            memory |= {f"{part}_memory_mb": round(size, 1) for part, size in self.largest._asdict().items()}
        return {
            "start_to_first_suggestion_s": round(self.start_to_first_suggestion, 3),
            "press_to_suggestions_ms": {"idle": _percentiles(self.idle), "learning": _percentiles(self.learning)},
            "lift_to_word_ms": {"idle": _percentiles(self.glides_idle), "learning": _percentiles(self.glides_learning)},
            "press_to_bare_frame_ms": _percentiles(self.bare),
            "presses": {"idle": len(self.idle), "learning": len(self.learning)},
            **memory,
        }

    def __str__(self) -> str:
        json = self.as_json()
        lines = [f"start to first suggestion   {json['start_to_first_suggestion_s']:.2f} s"]
        for name, words in (("idle", "while idle"), ("learning", "while learning")):
            p = json["press_to_suggestions_ms"][name]
            lines.append(f"key to its suggestions      {p['p50']:.1f} ms (99th percentile {p['p99']:.1f} ms), {words}")
        for name, words in (("idle", "while idle"), ("learning", "while learning")):
            p = json["lift_to_word_ms"][name]
            lines.append(f"glide to its word           {p['p50']:.1f} ms (99th percentile {p['p99']:.1f} ms), {words}")
        p = json["press_to_bare_frame_ms"]
        lines.append(f"window with one number      {p['p50']:.1f} ms (99th percentile {p['p99']:.1f} ms)")
        memory = f"{json['peak_memory_mb']:.0f} MiB, {json['bare_memory_mb']:.0f} for the window alone"
        lines.append(f"peak memory                 {memory}")
        if self.largest is not None:
            parts = f"{self.largest.private:.0f} MiB private, {self.largest.shared:.0f} of files and shared"
            lines.append(f"of that between two keys    {parts}")
        return "\n".join(lines)


def _percentiles(seconds: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}


class _Measurement:
    """Types in an open window and measures the latencies."""

    def __init__(self, app: KeyboardApp, presses: int, process_start: float) -> None:
        self._app = app
        self._presses = presses
        self._process_start = process_start
        self._pauses = random.Random(0)
        self._released = False  # whether the loop has handled a release and has not painted since
        self._painted = threading.Event()
        self._painted_at = 0.0
        self._thread = threading.Thread(target=self._type_all, daemon=True)
        self.first = 0.0  # seconds from the start of the process to the first suggestion
        self.idle: list[float] = []
        self.learning: list[float] = []
        self.glides_idle: list[float] = []
        self.glides_learning: list[float] = []
        self.bare: list[float] = []
        self.largest: ResidentMemory | None = None

    def begin(self) -> None:
        """Starts to type at the first frame that shows a suggestion."""
        Window.bind(on_touch_up=self._release, on_flip=self._flip)

    def _release(self, _window: Any, _touch: MotionEvent) -> bool:
        self._released = True
        return False

    def _flip(self, window: Any) -> bool:
        window.flip()
        now = time.perf_counter()
        if not self.first and self._app.screen.composer.ids.strip.offers:
            self.first = now - self._process_start
            self._thread.start()
        if self._released:
            self._released, self._painted_at = False, now
            self._painted.set()
        return True  # Kivy must not hand the frame over again

    def _time_press(self, x: float, y: float) -> float:
        """Presses at a point; returns the seconds until the frame with the answer was handed to the display."""
        time.sleep(self._pauses.uniform(*_PAUSE))
        self._painted.clear()
        began = press(x, y)
        self._painted.wait()
        seconds = self._painted_at - began
        self._look_at_memory()
        return seconds

    def _look_at_memory(self) -> None:
        now = resident_memory()
        if now is not None and (self.largest is None or sum(now) > sum(self.largest)):
            self.largest = now

    def _time_glide(self) -> float:
        """Glides a word and takes it away again; returns the seconds until the frame with the word was handed to the display."""
        time.sleep(self._pauses.uniform(*_PAUSE))
        keys = self._keys_by_label()
        self._painted.clear()
        began = glide([keys[letter].center for letter in self._pauses.choice(_GLIDED)])
        self._painted.wait()
        seconds = self._painted_at - began
        self._time_press(*keys["backspace"].center)
        return seconds

    def _type_all(self) -> None:
        keys = self._keys()
        for _ in range(_WARM_UP):
            self._time_press(*next(keys).center)
        for number in range(self._presses):
            self.idle.append(self._time_press(*next(keys).center))
            if number % _GLIDE_EVERY == 0:
                self.glides_idle.append(self._time_glide())
        while len(self.learning) < self._presses:
            if not self._app.screen.busy:
                Clock.schedule_once(self._learn)
            learning = self._app.screen.device.background.works
            seconds = self._time_press(*next(keys).center)
            if learning and self._app.screen.device.background.works:
                self.learning.append(seconds)
                if len(self.learning) % _GLIDE_EVERY == 1:
                    self.glides_learning.append(self._time_glide())
        while self._app.screen.device.background.works:  # memory is that of a whole learning, to its end
            time.sleep(TOUCH)
            self._look_at_memory()
        Clock.schedule_once(self._show_counter)
        while self._app.screen.parent is not None:
            time.sleep(TOUCH)
        for _ in range(self._presses):
            self.bare.append(self._time_press(*Window.center))
        Clock.schedule_once(lambda _elapsed: self._app.stop())

    def _learn(self, _elapsed: float) -> None:
        if not self._app.screen.busy:
            self._app.screen.learn()

    def _show_counter(self, _elapsed: float) -> None:
        """Replaces the screen by a counter of presses."""
        self._app.screen.stop_learning()
        counter = Label(text="0")
        counter.bind(on_touch_up=lambda counter, _touch: setattr(counter, "text", str(int(counter.text) + 1)))
        Window.remove_widget(self._app.screen)
        Window.add_widget(counter)

    def _keys_by_label(self) -> dict[str, Key]:
        keypad = self._app.screen.composer.ids.keypad
        return {key.label.lower() or key.action: key for key in keypad.shown_keys()}

    def _keys(self) -> Iterator[Key]:
        keypad, keys = self._app.screen.composer.ids.keypad, self._keys_by_label()
        keys[" "] = next(key for key in keypad.shown_keys() if key.action == "space")
        while True:
            for sentence in _SENTENCES:
                yield from (keys[character] for character in sentence)
                yield keys["enter"]


def _process_start() -> float:
    """Returns the start of this process on the clock of `time.perf_counter`, to 10 ms, or the current time if it is unknown."""
    now = time.perf_counter()
    stat = Path("/proc/self/stat")
    if not stat.exists():
        return now
    ticks = int(stat.read_text().rpartition(")")[2].split()[19])  # since the machine started
    return now - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


def measure(presses: int, shipped: Path = PRETRAINED) -> Latency:
    """Opens a window and types in it; call this in the main thread, before any other window opens.

    Args:
      presses: number of presses in each of the three states.
      shipped: the model folder.

    Raises:
      DataError: no window can be opened, or the model is damaged or missing.
    """
    bare_memory = peak_memory_mib()
    with (
        tempfile.TemporaryDirectory(prefix="keyboard-") as profile,
        Device.open(Path(profile) / "profile", shipped, consenting=True, use_keyring=False) as device,
    ):
        app = KeyboardApp(device)
        measurement = _Measurement(app, presses, _process_start())
        measurement.begin()
        Clock.schedule_once(lambda _elapsed: _write_history(app))
        app.run()
    return Latency(
        measurement.first,
        measurement.idle,
        measurement.learning,
        measurement.glides_idle,
        measurement.glides_learning,
        measurement.bare,
        bare_memory,
        peak_memory_mib(),
        measurement.largest,
    )


def _write_history(app: KeyboardApp) -> None:
    for sentence in _SENTENCES * _HISTORY:
        app.screen.device.profile.store.add_message(sentence, [])
    app.screen.show_messages()
