"""Fixtures: a device on a small model, a display, and a person at an open window."""

import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import DataError
from federation.benchmarks.loads.display import display as display_for_windows
from keyboard_app.device import Device
from model.device.folder import Model

# Kivy reads this when it is first imported.
os.environ["KIVY_HOME"] = tempfile.mkdtemp(prefix="kivy-")


@pytest.fixture
def device(tmp_path: Path, small_model_folder: Path) -> Iterator[Device]:
    """A device on an empty profile in `tmp_path / "profile"`."""
    with Device.open(tmp_path / "profile", small_model_folder, consenting=True) as device:
        yield device


@pytest.fixture
def next_model(small_model: Model, tmp_path: Path) -> Model:
    """A model that could follow the small model, one round later."""
    from dataclasses import replace

    from model.device.weights import digest

    weights = {name: array * 0.9 for name, array in small_model.weights.items()}
    provenance = replace(small_model.provenance, round=12, parent=digest(small_model.weights))
    return small_model.with_weights(weights, provenance)


@pytest.fixture(scope="session")
def display() -> Iterator[None]:
    """A display for windows: the existing one, or a virtual one, with Kivy's settings applied.

    Kivy opens its window when the module of the window is first imported. Without a display, SDL would open one off screen, of
    another size, and all tests of this process would see only a part of what is painted. So no test module imports it by itself.
    """
    assert "kivy.core.window" not in sys.modules, "a test module has imported Kivy's window, or a module that does"
    with ExitStack() as stack:
        try:
            stack.enter_context(display_for_windows())
        except DataError as error:  # a skipped test would hide that nothing was tested
            pytest.fail(str(error), pytrace=False)
        from keyboard_app.window.kivy_settings import prepare_kivy

        prepare_kivy()
        yield


_FRAME = 1 / 60  # seconds
_TO_ANSWER = 2  # frames: the one that answers a key, and the one after it with what may come later


class Person:
    """A person at an open window, who touches it, types and reads it."""

    def __init__(self, device: Device, size: tuple[int, int] = (412, 892)) -> None:
        from kivy.base import EventLoop
        from kivy.core.window import Window

        from keyboard_app.window.app import KeyboardApp
        from keyboard_app.window.spare_time import spare_time

        self._loop, self._window, self._spare_time = EventLoop, Window, spare_time
        self.resize(*size)
        self.app = KeyboardApp(device)
        self.app._run_prepare()
        self.device, self.screen = device, self.app.screen
        self.wait()

    def resize(self, width: int, height: int) -> None:
        if tuple(self._window.size) != (width, height):
            self._window.size = (width, height)
            self.wait_until(lambda: tuple(self._window.size) == (width, height))
            self.wait(5)

    def paint(self) -> None:
        """Lets a frame be painted, and nothing be done after it."""
        self._loop.idle()

    def work_ahead(self) -> None:
        """Lets the window do all work that it does between two frames."""
        self._spare_time.proceed(until=lambda: False)

    def wait(self, frames: int = 3, pause: float = 0.004) -> None:
        for _ in range(frames):
            self.paint()
            self.work_ahead()
            time.sleep(pause)  # lets background threads run

    def wait_until(self, condition: Callable[[], object], seconds: float = 240) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            self.wait(1, _FRAME)  # more frames would take processor time from the threads that are waited for
        pytest.fail(f"the condition was not met; the status is {self.screen.status!r}")

    def press(self, widget: Any, x: float = 0.5, y: float = 0.5) -> Any:
        """Puts a finger on a widget, at its middle or at other shares of its width and height."""
        return self.press_at(*widget.to_window(widget.x + x * widget.width, widget.y + y * widget.height))

    def press_at(self, x: float, y: float, double_tap: bool = False) -> Any:
        from kivy.tests.common import UnitTestTouch

        touch = UnitTestTouch(x, y)
        touch.is_double_tap = double_tap  # for real touches, a module of Kivy detects this
        touch.touch_down()
        return touch

    def touch(self, widget: Any) -> None:
        self.press(widget).touch_up()  # at once, because after a slow frame the touch would count as held
        self.wait(_TO_ANSWER)

    def key(self, label: str) -> Any:
        keys = self.screen.composer.ids.keypad.shown_keys()
        found = next((k for k in keys if label in (k.label, k.action)), None)
        assert found is not None, f"there is no key {label!r} among {[k.label or k.action for k in keys]}"
        return found

    def touch_keys(self, keys: list[str]) -> None:
        for key in keys:
            self.touch(self.key(key))

    def control(self, name: str) -> Any:
        """Returns the only control with this name among those that can be operated now."""
        named = [c for c in self.screen.controls() if c.name == name]
        assert len(named) == 1, (
            f"{len(named)} controls are named {name!r}, among {sorted(c.name for c in self.screen.controls())}"
        )
        return named[0]

    def touch_control(self, name: str) -> None:
        """Waits for a control, scrolls it into view and touches it."""
        from kivy.uix.recycleview import RecycleView
        from kivy.uix.scrollview import ScrollView

        end = time.monotonic() + 20  # an earlier touch may take long on a busy machine
        while time.monotonic() < end and not any(c.name == name for c in self.screen.controls()):
            self.wait(1)
        control = self.control(name)
        scrolls = [p for p in control.walk_reverse() if isinstance(p, ScrollView) and control in p.walk()]
        for scroll in scrolls:
            if not isinstance(scroll, RecycleView):
                scroll.scroll_to(control, animate=False)
        self._wait_until_at_rest(name)
        self.touch(self.control(name))  # a list rebuilt meanwhile has a new control of this name
        end = time.monotonic() + 0.25  # a scroll view waits for scrolling before it passes a tap on
        while scrolls and time.monotonic() < end:
            self.wait(1, _FRAME)

    def _wait_until_at_rest(self, name: str) -> None:
        """Waits until a control stays in its place: on a busy machine a list takes longer to be laid out."""
        places: list[tuple[float, ...]] = []
        end = time.monotonic() + 20
        while time.monotonic() < end and (len(places) < 3 or len(set(places[-3:])) > 1):
            self.wait(1)
            control = self.control(name)
            places.append((*control.to_window(control.x, control.y), *control.size))

    @property
    def strip(self) -> Any:
        return self.screen.ids.composer.ids.strip

    def suggestion(self, place: int) -> Any:
        """Returns a place on the strip, counted from the left."""
        return self.strip.places[place]

    @property
    def offered(self) -> list[str]:
        """The texts on the strip, from the left."""
        return [place.shown for place in self.strip.places if place.shown]

    def type_physically(self, text: str) -> None:
        for character in text:
            self._window.dispatch("on_textinput", character)
        self.wait(_TO_ANSWER)

    def press_physically(self, key: int, *modifiers: str) -> None:
        self._window.dispatch("on_key_down", key, 0, None, list(modifiers))
        self._window.dispatch("on_key_up", key, 0)
        self.wait(_TO_ANSWER)

    def say(self, text: str) -> None:
        """Types and sends a message."""
        self.type_physically(text)
        self.press_physically(13)

    @property
    def area(self) -> Any:
        return self.screen.ids.composer.ids.text_area

    @property
    def text(self) -> str:
        return self.area.text

    @property
    def sent(self) -> list[str]:
        """The messages shown."""
        return self.screen._messages.texts

    @property
    def recorded(self) -> list[str]:
        return [message.text for message in self.device.profile.store.messages()]

    def pixels(self) -> np.ndarray:
        """Returns the pixels of the window as painted now, [height, width, 3], the lowest row first."""
        from kivy.graphics.opengl import GL_RGB, GL_UNSIGNED_BYTE, glReadPixels

        width, height = self._window.size
        self._window.canvas.ask_update()  # the whole window
        self._window.dispatch("on_draw")
        read = glReadPixels(0, 0, width, height, GL_RGB, GL_UNSIGNED_BYTE)
        self._window.flip()
        return np.frombuffer(read, np.uint8)[: height * width * 3].reshape(height, width, 3)

    def page(self) -> Any:
        return self.screen._pages[self.screen.page]

    def leave(self) -> None:
        self.app.stop()


@pytest.fixture(scope="module")
def earlier_frozen() -> None:
    """Exempts what the tests of other files made from garbage collection.

    Not before each test: the window of the test before is often still referred to, and would stay for good.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def kept_frozen(earlier_frozen: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the objects of other tests out of the garbage collection of windows.

    A window collects garbage after its first frame, for which it unfreezes all objects. Those of pytest and TFF would be among
    them, and each window would scan them for half a second.
    """
    monkeypatch.setattr(gc, "unfreeze", lambda: None)
    monkeypatch.setattr(gc, "freeze", lambda: None)


@pytest.fixture
def open_window(display: None, kept_frozen: None) -> Iterator[Callable[..., Person]]:
    """Opens the window of a device, at the size of a phone unless another is given."""
    people = []

    def open_one(device: Device, width: int = 412, height: int = 892) -> Person:
        people.append(Person(device, (width, height)))
        return people[-1]

    yield open_one
    for person in people:
        person.leave()


@pytest.fixture
def person(open_window: Callable[..., Person], device: Device) -> Person:
    return open_window(device)


@pytest.fixture
def never_held(display: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key counts as held, so that it does not matter how long frames take while a finger is down."""
    from keyboard_app.window.keys.keypad import Keypad

    monkeypatch.setattr(Keypad, "_hold", lambda _keypad, _finger: None)
