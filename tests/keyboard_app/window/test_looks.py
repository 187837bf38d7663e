"""The look of the real window: shapes, text sizes, controls large enough for a finger, and a loop that sleeps when idle."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyboard_app.window.drawing.shapes import rounded_box, strokes

_LEAST = 40  # smallest width and height of a control, in dp; only the keys are narrower on a phone


@given(st.lists(st.integers(1, 24), min_size=4, max_size=4), st.integers(0, 4))
def test_a_box_has_round_corners_and_can_be_stretched_between_them(radii: list[int], shadow: int) -> None:
    pixels, (bottom, right, top, left) = rounded_box(radii, shadow)
    height, width, _ = pixels.shape
    assert (height, width) == (2 * max(radii) + 2 + shadow, 2 * max(radii) + 2)
    assert (left, right, top, bottom) == (max(radii),) * 3 + (max(radii) + shadow,)
    # The parts that are stretched are uniform.
    assert (pixels[:, left : width - right] == pixels[:, left : left + 1]).all()
    assert (pixels[bottom : height - top] == 255).all()
    box = pixels[shadow:, :, 3] * (pixels[shadow:, :, 0] / 255.0**2)  # without the shadow
    corners = sum(radius**2 for radius in radii) * (1 - pi / 4)
    assert box.sum() == pytest.approx((height - shadow) * width - corners, abs=1 + 0.1 * sum(radii))
    assert not (pixels[:shadow, :, 0] * pixels[:shadow, :, 3]).any()  # the shadow is black


@given(st.lists(st.tuples(st.integers(4, 20), st.integers(4, 20)), min_size=2, max_size=6), st.integers(1, 3))
def test_strokes_cover_only_their_lines(line: list[tuple[int, int]], scale: int) -> None:
    opacity = strokes([line], 24 * scale, scale, 3.0)[..., 3]
    for x, y in line:
        assert opacity[y * scale, x * scale] == 255
    xs, ys = zip(*line, strict=True)
    outside = np.ones_like(opacity, bool)
    outside[min(ys) * scale - 3 : max(ys) * scale + 3, min(xs) * scale - 3 : max(xs) * scale + 3] = False
    assert not opacity[outside].any()


def test_boxes_share_their_texture_and_an_empty_box_is_not_painted(person: Any) -> None:
    from keyboard_app.window.drawing.rounded_box import RoundedBox

    box, other = RoundedBox(size=(50, 40), radius=[8]), RoundedBox(size=(90, 20), radius=[8, 8, 8, 8])
    assert box.texture is other.texture
    box.size = (50, 10)  # the radius is limited by the room
    assert tuple(box.border) == (5, 5, 5, 5)
    for nothing in ((0, 0), (50, 0), (0, 40)):
        box.size = nothing
        assert tuple(box.border) == (0, 0, 0, 0)


def _fonts(widget: Any) -> Iterator[tuple[str, float]]:
    from kivy.uix.label import Label

    from keyboard_app.window.keys.suggestion_strip import SuggestionPlace
    from keyboard_app.window.widgets.chart import Chart
    from keyboard_app.window.widgets.text_view import TextView

    if isinstance(widget, (Label, TextView, SuggestionPlace, Chart)):
        yield f"{type(widget).__name__} {getattr(widget, 'text', '')!r}", widget.font_size
    for child in reversed(widget.children):
        yield from _fonts(child)


@pytest.mark.parametrize("page", ["", "learned", "data", "federation", "settings"])
def test_all_text_has_the_size_the_person_chose(person: Any, page: str) -> None:
    person.say("hello there")
    person.screen.page = page
    person.wait()
    if page == "learned":
        person.wait_until(lambda: person.page().moment)  # the models are compared once typing pauses
    person.wait()
    before = list(_fonts(person.screen))
    assert len(before) > 5
    person.device.choose(text_scale=1.5)
    person.screen.apply_settings()
    person.wait()
    after = list(_fonts(person.screen))
    # The settings name the size.
    assert [name.replace("150%", "100%") for name, _ in after] == [name for name, _ in before]
    for (name, size), (_, larger) in zip(before, after, strict=True):
        assert larger == pytest.approx(1.5 * size, abs=1), name


def test_every_control_is_large_enough_for_a_finger(person: Any) -> None:
    from kivy.metrics import dp

    from keyboard_app.window.keys.key import Key
    from keyboard_app.window.keys.text_area import TextArea

    screen, small = person.screen, set()
    states: dict[str, Callable[[], object]] = {
        "typing": lambda: person.say("hello there"),
        "emoji": screen.composer.show_emoji,
        "search": screen.composer.search_emoji,
        **{page: partial(setattr, screen, "page", page) for page in ("learned", "data", "federation", "settings")},
    }
    for begin in states.values():
        begin()
        person.wait(5)
        for control in screen.controls():
            if not isinstance(control, (Key, TextArea)) and min(control.size) < dp(_LEAST):
                small.add((control.name, *control.size))
    assert not small


_IDLE = """
import sys
from pathlib import Path
from keyboard_app.window.kivy_settings import prepare_kivy
prepare_kivy()
from kivy.base import EventLoop
from kivy.clock import Clock
from kivy.core.window import Window
from keyboard_app.device import Device
from keyboard_app.window.app import KeyboardApp

with Device.open(Path(sys.argv[1]), Path(sys.argv[2]), consenting=True, use_keyring=False) as device:
    app = KeyboardApp(device)
    turns, frames, ticks = [], [], []
    idle = EventLoop.idle

    def turn():
        turns.append(1)
        return idle()

    def begin(_elapsed):
        EventLoop.idle = turn
        Window.bind(on_flip=lambda _window: frames.append(1) and None)
        Clock.schedule_interval(ticks.append, 0.2)
        Clock.schedule_once(lambda _elapsed: app.stop(), 3)

    Clock.schedule_once(begin, 2)  # once everything is drawn
    app.run()
    print(len(turns), len(frames), len(ticks))
"""


def test_an_idle_window_sleeps(display: None, small_model_folder: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-c", _IDLE, tmp_path / "profile", small_model_folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=os.environ)
    assert done.returncode == 0, done.stderr
    turns, frames, ticks = map(int, done.stdout.split())
    assert 2 <= ticks <= 15  # scheduled callbacks run
    assert turns <= 90  # 180 at 60 frames a second; about 60 for the ticks, the caret and the scroll bar
    assert frames <= 30  # the caret blinks, and a scroll bar may fade out
