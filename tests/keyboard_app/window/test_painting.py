"""Painting in the window: the frame after a key shows the effect of the key and repaints little else."""

import time
from typing import Any

import numpy as np
import pytest

HELLO = "hello there 😀"


class Paintings:
    """Counts how often the contents of a layer are painted."""

    def __init__(self, layer: Any) -> None:
        from kivy.graphics import Callback

        self.times = 0
        layer._picture.before.add(Callback(self._paint))

    def _paint(self, _instruction: object) -> None:
        self.times += 1


def rows_of(person: Any) -> list[Any]:
    """Returns the rows of keys, the top row first."""
    return list(reversed(person.screen.composer.ids.keypad._rows.children))


def test_a_layer_is_repainted_only_when_something_in_it_has_changed(person: Any) -> None:
    person.say(HELLO)
    messages, rows = Paintings(person.screen.ids.layer), [Paintings(row) for row in rows_of(person)]
    person.touch_keys(["H", "o"])
    person.wait(3)
    before, keys = messages.times, [row.times for row in rows]
    person.touch_keys(["o"])
    person.wait(3)
    assert [row.times > times for row, times in zip(rows, keys, strict=True)] == [True, False, False, False]
    assert messages.times == before
    person.touch_keys(["enter"])
    person.wait(3)
    assert messages.times > before


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_widgets_look_the_same_inside_a_layer_and_outside(person: Any, theme: str) -> None:
    from kivy.uix.boxlayout import BoxLayout

    from keyboard_app.window.drawing.look import look
    from keyboard_app.window.widgets.layer import Layer
    from keyboard_app.window.widgets.messages import MessageBubble

    person.device.choose(theme=theme)
    person.screen.apply_settings()
    person.screen.clear_widgets()

    def painted(box: Any) -> np.ndarray:
        box.add_widget(MessageBubble(text=HELLO))
        box.add_widget(MessageBubble(text="see you at the climbing hall at seven, or at eight if that is too early"))
        person.screen.add_widget(box)
        person.wait(3)
        box.pos = 31.6, 57.3
        box.width = 360.2
        person.wait(3)
        pixels = person.pixels()
        person.screen.remove_widget(box)
        person.wait(3)
        return pixels

    where = {"size": (340, 200), "size_hint": (None, None), "pos": (3, 4), "orientation": "vertical"}
    nothing = person.pixels()
    plain = painted(BoxLayout(**where))
    layered = painted(Layer(background=look.background, **where))
    assert (plain != nothing).any()
    np.testing.assert_allclose(layered.astype(int), plain.astype(int), atol=2)


def test_scrolling_contents_are_clipped_to_their_layer(person: Any) -> None:
    """Messages above the layer must not show over the header, and messages within it must not be cut off."""
    from keyboard_app.window.drawing.look import look

    for line in range(30):
        person.say(f"line {line} of many")
    person.wait(5)
    painted = person.pixels()
    layer = person.screen.ids.layer
    bubble = person.screen._messages.ids.column.children[0]  # the newest
    y = round(bubble.to_window(*bubble.center)[1])
    assert layer.y < y < layer.top
    blue = np.round(np.array(look.bubble[:3]) * 255)
    assert (np.abs(painted[y, : round(layer.right)] - blue).max(axis=1) <= 2).any()
    header = painted[round(layer.top) + 1 :, 20 : round(layer.right) - 20]
    assert not (np.abs(header - blue).max(axis=2) <= 2).any()


def test_nothing_is_painted_while_nothing_happens(person: Any) -> None:
    """Only the caret blinks, twice a second. Kivy's own scroll bar would fade out for half a second, frame by frame."""
    person.say(HELLO)
    person.wait(5)
    frames = []
    person._window.bind(on_draw=lambda _window: frames.append(time.monotonic()))
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        person.wait(1)
    assert len(frames) <= 6


def test_two_fingers_within_a_frame_type_in_the_current_case(person: Any) -> None:
    """The keys are relabelled one frame after the capital letter that begins a message."""
    person.press(person.key("H")).touch_up()
    i = next(key for key in person.screen.composer.ids.keypad.shown_keys() if key.spec.label == "i")
    person.press(i).touch_up()
    assert person.text == "Hi"
    person.wait(2)
    assert i.label == "i"
    person.press(person.key("shift"))
    assert i.label == "I", "the shift key answers at once"


def test_a_message_is_shown_in_the_frame_after_the_one_that_answers_its_key(person: Any) -> None:
    person.type_physically(HELLO)
    person._window.dispatch("on_key_down", 13, 0, None, [])
    assert (person.text, person.sent) == ("", [])
    person.wait(2)
    assert person.sent == [HELLO]
