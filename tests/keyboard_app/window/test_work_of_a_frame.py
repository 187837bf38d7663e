"""The frame that answers a finger: most of its work is done before, while the finger is down."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyboard_app.device import Device
from model.device.gliding.decoder import GlideDecoder
from model.device.runtime import Program
from model.device.suggesting.corrections import Corrections

pytestmark = pytest.mark.usefixtures("never_held")

SENTENCE = "what do you think of it"


class Counter:
    """Counts calls by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *methods: tuple[type, str]) -> None:
        from keyboard_app.window.drawing.glyphs import drawn_once

        self._pieces, self._calls, self._drawn = drawn_once, {name: 0 for _, name in methods}, 0
        for owner, name in methods:
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name), name))

    def _counted(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._calls[name] += 1
            return method(*arguments, **options)

        return counted

    def begin(self) -> None:
        self._calls = dict.fromkeys(self._calls, 0)
        self._drawn = self._pieces.cache_info().misses

    @property
    def calls(self) -> dict[str, int]:
        """The calls since `begin`, and the pieces of text that were drawn for the first time."""
        return {**self._calls, "drawn": self._pieces.cache_info().misses - self._drawn}


def letter_key(person: Any, letter: str) -> Any:
    return next(key for key in person.screen.composer.ids.keypad.shown_keys() if letter in (key.spec.label, key.action))


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch, display: None) -> Counter:
    return Counter(monkeypatch, (Program, "step"), (Corrections, "_next_row"), (GlideDecoder, "decode"))


def test_a_letter_costs_no_step_no_correction_and_no_drawing(person: Any, counter: Counter) -> None:
    for letter in SENTENCE:
        key = letter_key(person, "space" if letter == " " else letter)
        touch = person.press(key)
        person.wait(2)  # the finger is down for some frames
        counter.begin()
        touch.touch_up()
        person.paint()
        if letter == " ":
            assert counter.calls["step"] == counter.calls["_next_row"] == 0
        else:
            calls = counter.calls
            assert calls.pop("drawn") <= 1, "a word that has to be shortened is drawn when it is shown"
            assert calls == {"step": 0, "_next_row": 0, "decode": 0}, person.text
        person.wait(2)
    assert person.text.lower() == SENTENCE


def test_what_was_foreseen_is_what_is_shown_without(open_window: Callable[..., Any], device: Device) -> None:
    """A key that is lifted at once shows the same suggestions as one that is held down."""
    shown: list[list[list[tuple[str, bool]]]] = []
    for frames in (0, 3):
        person = open_window(device)
        # Before it knows where its keys are, taps say nothing of other letters.
        person.wait_until(lambda: device.touches.geometry is not None)
        offers = []
        for letter in SENTENCE + " knwo":
            touch = person.press(letter_key(person, "space" if letter == " " else letter))
            person.wait(frames)
            touch.touch_up()
            person.paint()
            offers.append([(offer.text, offer.applied) for offer in person.strip.offers])
            person.wait(2)
        shown.append(offers)
        person.screen.composer.select_all()
        person.screen.key("backspace")
        person.leave()
    assert shown[0] == shown[1]


def test_a_finger_that_rests_at_the_end_of_a_glide_is_answered_without_decoding(person: Any, counter: Counter) -> None:
    person.say("so")
    person.wait_until(lambda: person.device.gliding._up_to_date)
    centres = [letter_key(person, letter).center for letter in "think"]
    touch = person.press_at(*centres[0])
    for x, y in np.concatenate([np.linspace(a, b, 8) for a, b in pairwise(centres)]):
        touch.touch_move(x, y)
    person.wait(1)
    counter.begin()
    touch.touch_up()
    person.paint()
    assert (counter.calls["step"], counter.calls["decode"]) == (0, 0)
    assert person.text == "Think"


def test_no_message_is_ranked_while_a_finger_is_down(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kivy.clock import Clock

    caught_up: list[int] = []

    def catch_up(steps: int) -> bool:
        caught_up.append(steps)
        return False

    monkeypatch.setattr(person.device, "catch_up", catch_up)
    touch = person.press(letter_key(person, "shift"))
    person.wait(1)
    person.screen.activity.last_used = Clock.get_time() - 60
    person.screen._do_what_is_left(0)
    person.wait(3)
    assert not caught_up
    touch.touch_up()
    person.wait_until(lambda: caught_up)


def test_reading_stops_while_a_finger_is_down_and_goes_on_if_it_types_nothing(person: Any) -> None:
    from keyboard_app.window.spare_time import spare_time

    composer = person.screen.composer
    person.type_physically("what do you")
    composer.refresh()
    reading = composer._reading
    touch = person.press(letter_key(person, "w"))
    person.wait(1)
    assert composer._reading is reading is not None
    composer.ids.keypad._fingers[touch.uid].over = True  # it will do nothing
    touch.touch_up()
    assert spare_time.wanted
    person.wait(1)
    assert composer._reading is None


def test_a_letter_paints_the_text_and_the_strip_and_no_key(person: Any) -> None:
    person.touch_keys(["I", "space"])
    person.wait(3)
    key = letter_key(person, "g")
    touch = person.press(key)
    person.wait(2)
    touch.touch_up()
    person.paint()
    painted, keypad = person.app._painting.painted, person.screen.composer.ids.keypad
    assert key.pressed, "it is released one frame later"
    assert painted.bottom > keypad.top - 25
    assert painted.top < person.screen.ids.layer.center_y
    person.wait(2)
    assert not key.pressed
    assert keypad._popup.choices == ()


def test_a_line_more_or_fewer_moves_the_messages_one_frame_after_the_key(person: Any) -> None:
    person.say("hello")
    person.type_physically("are you sure that they are open")
    person.wait(3)
    area, layer, foot = person.area, person.screen._layer, person.screen.ids.composer.ids.upper
    for change in ("on the weekend and the day before", "and for how long they are open on these days", "enter"):
        before, room, slot = area.height, layer.height, foot.height
        person.screen.key("enter") if change == "enter" else person.screen.type_text(f" {change}")
        person.paint()
        painted = person.app._painting.painted
        assert area.height != before, "the field itself answers at once"
        assert (layer.height, foot.height) == (room, slot)
        assert painted.top - painted.bottom < 0.3 * person.screen.height
        person.work_ahead()
        person.paint()
        assert layer.height - room == before - area.height == slot - foot.height
        person.wait(3)


def test_what_learning_says_while_a_person_types_paints_a_line(person: Any) -> None:
    person.screen.busy = True
    person.wait(3)
    person.screen.say("learning … 40%")
    person.screen.progress = 0.4
    person.paint()
    painted, composer = person.app._painting.painted, person.screen.composer
    assert 0 < painted.top - painted.bottom < 60
    assert painted.bottom >= composer.top - 1


def test_a_message_that_was_sent_moves_and_draws_no_other_bubble(person: Any) -> None:
    for text in ("one", "two and a few words more, so that there are more lines than one of it", "three"):
        person.say(text)
    person.wait(3)
    column, layer = person.screen._messages.ids.column, person.screen._layer
    bubbles = list(column.children)
    places = [tuple(bubble.pos) for bubble in bubbles]
    drawn = [[group for _, group in bubble.ids.bubble._drawn] for bubble in bubbles]
    shown = [bubble.to_window(*bubble.pos)[1] for bubble in bubbles]
    assert shown[0] == layer.y + column.padding[1]
    person.say("four")
    person.wait(3)
    assert [tuple(bubble.pos) for bubble in bubbles] == places
    assert [[group for _, group in bubble.ids.bubble._drawn] for bubble in bubbles] == drawn
    newest = column.children[0]
    assert newest.to_window(*newest.pos)[1] == shown[0]
    up = newest.height + column.spacing
    assert [bubble.to_window(*bubble.pos)[1] for bubble in bubbles] == [y + up for y in shown]


@given(st.lists(st.tuples(st.integers(10, 300), st.booleans()), max_size=12), st.integers(0, 500))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bubbles_end_at_the_bottom_in_their_order(display: None, heights: list[tuple[int, bool]], least: int) -> None:
    from kivy.uix.widget import Widget

    from keyboard_app.window.widgets.messages import BubbleColumn

    column = BubbleColumn(padding=(14, 8), spacing=7, least_height=least, width=300, size_hint=(1, None))
    column.do_layout()
    for height, drops_the_oldest in heights:
        column.add_widget(Widget(height=height, size_hint=(None, None)))
        if drops_the_oldest:
            column.remove_widget(column.children[-1])
        column.do_layout()
    bottom = column.y + 8
    for bubble in column.children:
        assert column.to_parent(*bubble.pos) == (column.x + 14, bottom)
        assert (bubble.width, *column.to_local(*column.to_parent(*bubble.pos))) == (300 - 28, *bubble.pos)
        bottom += bubble.height + 7
    whole = bottom - 7 + 8 if column.children else 16
    assert column.height == max(whole, least)


def test_the_first_frame_shows_suggestions_before_the_slow_work_is_done(person: Any) -> None:
    from keyboard_app.window.app import KeyboardApp

    person.leave()
    app = KeyboardApp(person.device)
    person.device.models.use_neighbours({})  # the table of corrections has to be built again
    try:
        app._run_prepare()
        person.paint()
        assert app.screen.composer.ids.strip.offers
        spellings = person.device.models._in_use.spellings
        assert spellings._corrections is None
        person.work_ahead()
        assert spellings._corrections is not None
    finally:
        app.stop()


def test_learning_makes_way_for_as_long_as_a_finger_moves(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    touch = person.press(letter_key(person, "i"))
    asked: list[bool] = []
    monkeypatch.setattr(person.device.background, "make_way", lambda: asked.append(True))
    for x in range(3):
        touch.touch_move(touch.x + 20 * x, touch.y)
    touch.touch_up()
    assert len(asked) == 3


def test_only_the_word_that_changes_is_drawn_anew(person: Any) -> None:
    person.type_physically("what do you think of")
    groups = list(person.area._letters.children)
    person.type_physically("f")
    assert list(person.area._letters.children)[: len(groups) - 1] == groups[:-1]
    assert len(person.area._letters.children) == len(groups)
