"""Painting in the window: the frame after a key shows the effect of the key and repaints little else."""

import time
from typing import Any

import numpy as np
import pytest

HELLO = "hello there 😀"
ENTER = 13


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


@pytest.mark.parametrize("corner", [(20, 30), (20.4, 30.6), (20.6, 29.8)])
def test_an_opaque_box_looks_like_a_rectangle(person: Any, corner: tuple[float, float]) -> None:
    from kivy.graphics import Color, Rectangle

    from keyboard_app.window.drawing.opaque_box import OpaqueBox

    def painted(*instructions: Any) -> np.ndarray:
        for instruction in instructions:
            person.screen.canvas.after.add(instruction)
        person.wait(3)
        pixels = person.pixels()
        for instruction in instructions:
            person.screen.canvas.after.remove(instruction)
        return pixels[:120, :160]  # without the caret, which blinks

    color, size = (0.2, 0.4, 0.6, 1), (100.3, 50.7)
    box = painted(OpaqueBox(rgba=color, pos=corner, size=size))
    np.testing.assert_array_equal(box, painted(Color(*color), Rectangle(pos=corner, size=size)))


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


@pytest.mark.parametrize("physical", [False, True], ids=["touch", "physical key"])
def test_what_a_key_does_not_show_comes_after_its_frame(
    person: Any, physical: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A physical key comes between two frames, and a touch within one."""
    from kivy.clock import Clock

    order: list[str] = []
    for what, name in ((person.device, "read_ahead"), (person.screen._messages, "add")):
        monkeypatch.setattr(what, name, lambda *_, name=name: order.append(name))
    person.type_physically("hello")
    person.wait(5)
    del order[:]
    person._window.bind(on_flip=lambda _window: order.append("frame"))
    if physical:
        person._window.dispatch("on_key_down", ENTER, 0, None, [])
    else:
        enter = person.key("enter")
        Clock.schedule_once(lambda _elapsed: person.press(enter).touch_up(), -1)
    person.paint()
    assert order == ["frame"]
    person.wait(5)
    assert {"add", "read_ahead"} <= set(order[1:])


def test_a_sent_message_is_ranked_in_a_pause(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kivy.clock import Clock

    caught_up: list[int] = []

    def catch_up(steps: int) -> bool:
        caught_up.append(steps)
        return False

    monkeypatch.setattr(person.device, "catch_up", catch_up)
    person.say(HELLO)
    for _ in range(8):
        Clock.tick()
        person.screen.activity.typed()  # a person who types on
        person.wait(1)
    assert not caught_up
    person.wait_until(lambda: caught_up)


def test_a_message_is_shown_in_the_frame_after_the_one_that_answers_its_key(person: Any) -> None:
    person.type_physically(HELLO)
    person._window.dispatch("on_key_down", 13, 0, None, [])
    assert (person.text, person.sent) == ("", [])
    person.wait(2)
    assert person.sent == [HELLO]
