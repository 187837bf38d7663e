"""Painting only what has changed gives the same pixels as painting the whole window."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

RIGHT, LEFT, TAB = 275, 276, 9


def shown(person: Any) -> np.ndarray:
    """Returns the pixels of the frame that is shown, without painting."""
    from kivy.graphics.opengl import GL_RGB, GL_UNSIGNED_BYTE, glReadPixels

    width, height = person._window.size
    read = glReadPixels(0, 0, width, height, GL_RGB, GL_UNSIGNED_BYTE)
    return np.frombuffer(read, np.uint8)[: height * width * 3].reshape(height, width, 3)


def letter_key(person: Any, letter: str) -> Any:
    return next(key for key in person.screen.composer.ids.keypad.shown_keys() if key.spec.label == letter)


def slide(person: Any, letters: str, lift: bool) -> None:
    from kivy.tests.common import UnitTestTouch

    keys = [letter_key(person, letter) for letter in letters]
    touch = UnitTestTouch(*keys[0].center)
    touch.touch_down()
    for key in keys[1:]:
        touch.touch_move(*key.center)
        person.wait(1)
    if lift:
        touch.touch_up()
    person.touches.append(touch)


def letter(label: str) -> Callable[[Any], object]:
    return lambda person: person.touch(letter_key(person, label))


def hold(person: Any) -> None:
    """Holds a key until its alternates are shown, and lifts the finger from another one."""
    key = letter_key(person, "e")
    touch = person.press(key)
    keypad = person.screen.composer.ids.keypad
    if touch.uid in keypad._fingers:  # nothing is in front of the keys
        keypad._hold(keypad._fingers[touch.uid])
    person.wait(1)
    touch.touch_move(key.right + 30, key.top)
    person.wait(1)
    touch.touch_up()


def page(name: str) -> Callable[[Any], object]:
    return lambda person: person.screen.show_page(name)


ACTIONS: dict[str, Callable[[Any], object]] = {
    **{label: letter(label) for label in "hiteo"},
    "space": lambda person: person.touch(person.key("space")),
    "backspace": lambda person: person.touch(person.key("backspace")),
    "enter": lambda person: person.touch(person.key("enter")),
    "shift": lambda person: person.touch(person.key("shift")),
    "hold": hold,
    "glide": lambda person: slide(person, "the", lift=True),
    "trail": lambda person: slide(person, "ilop", lift=False),
    "take": lambda person: person.touch(person.suggestion(1)),
    "forget": lambda person: person.suggestion(1).offer and person.suggestion(1).dispatch("on_hold"),
    "undo": lambda person: person.screen.composer.undo(),
    "physically": lambda person: person.type_physically("hello th"),
    "ghost": lambda person: person.press_physically(RIGHT),
    "select": lambda person: person.press_physically(LEFT, "shift"),
    "lines": lambda person: person.screen.composer.type_text("many words that fill the second line of the text area "),
    "cleared": lambda person: (person.screen.composer.select_all(), person.screen.key("backspace")),
    "menu": lambda person: person.screen.composer.open_menu(),
    "pasted": lambda person: person.screen.composer.cut(),
    "emoji": lambda person: person.screen.composer.show_emoji(),
    "keys": lambda person: person.screen.composer.show_keys(),
    "private": lambda person: person.screen.toggle_private(),
    "foot": lambda person: person.screen.say("a line at the foot"),
    "progress": lambda person: setattr(person.screen, "busy", not person.screen.busy),
    **{name: page(name) for name in ("learned", "settings")},
    "focus": lambda person: person.screen.step_focus(1),
    "escape": lambda person: person.screen.escape(),
    "question": lambda person: person.screen.ask("Really?", "It is gone then.", "Yes", lambda: None),
}


@pytest.fixture
def painted(person: Any) -> Any:
    """A person at a window that is painted in parts."""
    person.touches = []
    assert person.app._painting is not None, "the tests need a renderer that keeps its frames"
    return person


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), st.integers(1, 2)), min_size=6, max_size=15))
def test_every_frame_shows_what_painting_the_whole_window_shows(painted: Any, actions: list[tuple[str, int]]) -> None:
    person = painted
    while person.screen.escape():
        person.wait(1)
    person.screen.composer.show_keys()
    for name, frames in actions:
        if name in ("glide", "trail", "hold", *"hiteo") and not person.screen.composer.ids.keypad.shows_letters:
            continue
        ACTIONS[name](person)
        for _ in range(frames):
            person.paint()
            seen = shown(person)
            np.testing.assert_array_equal(seen, person.pixels(), err_msg=name)
            person.work_ahead()  # what this shows is painted in the next frame
        while person.touches:
            person.touches.pop().touch_up()
