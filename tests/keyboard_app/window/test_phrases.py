"""Phrases in the real window: on the strip for fingers, and as a ghost in the text for a physical keyboard."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keyboard_app.device import Device
from keyboard_app.window.drawing.look import look

TAB, ESCAPE, RIGHT, BACKSPACE = 9, 27, 275, 8
SENTENCE = "meet me at the climbing hall tonight"


@pytest.fixture
def person(open_window: Callable[..., Any], device: Device) -> Any:
    """A person who has written one sentence very often."""
    for _ in range(20):
        device.models.ngram.learn(SENTENCE)
    return open_window(device)


def best(person: Any) -> Any:
    return next(place for place in person.strip.places if place.best)


def begin(person: Any) -> Any:
    """Types the beginning of the sentence by touch, until the phrase is shown; returns its place on the strip."""
    person.touch_keys(["M", "e", "e", "t", "space", "m", "e", "space", "a"])
    person.wait_until(lambda: best(person).rest)
    return best(person)


def test_the_strip_shows_the_phrase_in_a_lighter_colour(person: Any) -> None:
    place = begin(person)
    assert (place.shown, place.rest) == ("at", "the climbing hall tonight")
    assert place.rest_color == look.muted != place.color
    assert place.name == "at the climbing hall tonight"
    assert place._rest_shown == 3, "more does not fit on this place"


def test_a_tap_on_the_first_word_takes_that_word(person: Any) -> None:
    place = begin(person)
    person.press_at(place._rest_from - 8, place.center_y).touch_up()
    assert person.text == "Meet me at "
    assert person.area._whole_cursor == len("Meet me at ")


def test_a_tap_on_the_rest_takes_what_is_shown_of_it(person: Any) -> None:
    place = begin(person)
    person.press_at(place._rest_from + 8, place.center_y).touch_up()
    assert person.text == "Meet me at the climbing hall "
    person.touch_keys(["."])
    assert person.text == "Meet me at the climbing hall."


def test_a_wider_window_shows_the_whole_phrase(open_window: Callable[..., Any], person: Any) -> None:
    person.resize(1280, 800)
    place = begin(person)
    person.wait_until(lambda: place._rest_shown == 4)
    person.press_at(place.right - 20, place.center_y).touch_up()
    assert person.text == SENTENCE.capitalize() + " "


def test_phrases_are_not_part_of_the_frame_that_answers_a_key(person: Any) -> None:
    begin(person)
    person.touch_keys(["t"])
    person.press(person.key("space")).touch_up()
    assert best(person).shown == "the"
    assert best(person).rest == "", "it is read between two keys"
    person.wait_until(lambda: best(person).rest == "climbing hall tonight")


def test_tab_takes_a_word_and_tab_again_the_rest(person: Any) -> None:
    person.type_physically("meet me a")
    person.wait_until(lambda: best(person).rest)
    person.press_physically(TAB)
    assert person.text == "meet me at "
    person.press_physically(TAB)
    assert person.text == "meet me at the climbing hall tonight "
    assert person.device.keyboard.message_keystrokes == len("meet me a") + 2


def test_a_ghost_stands_behind_the_text_and_right_takes_it(person: Any) -> None:
    ghost: Any = person.screen.composer._ghost
    for character in "meet me a":
        person._window.dispatch("on_textinput", character)
    person.paint()
    assert not ghost.offer, "nor is the ghost part of the frame that answers a key"
    without = person.pixels()
    person.wait_until(lambda: ghost.offer)
    assert (ghost.offer.text, ghost.offer.rest) == ("at", "the climbing hall tonight")
    assert (person.pixels() != without).any()
    person.press_physically(RIGHT)
    assert person.text == "meet me at the climbing hall tonight "


def test_right_moves_the_cursor_where_no_ghost_is(person: Any) -> None:
    person.type_physically("meet me a")
    person.wait_until(lambda: person.screen.composer._ghost.offer)
    person.press_physically(276)
    person.wait(5)
    assert person.screen.composer._ghost.offer is None, "the cursor is within the text"
    person.press_physically(RIGHT)
    assert (person.text, person.area._whole_cursor) == ("meet me a", 9)


def test_no_ghost_is_shown_to_fingers(person: Any) -> None:
    person.type_physically("meet me a")
    person.wait_until(lambda: person.screen.composer._ghost.offer)
    person.touch_keys(["backspace", "a"])
    person.wait_until(lambda: best(person).rest)
    assert person.screen.composer._ghost.offer is None


def test_a_ghost_that_is_typed_stays_in_place(person: Any) -> None:
    """The letters that were typed cover those of the ghost, so that it does not flicker."""
    ghost = person.screen.composer._ghost
    person.type_physically("meet me ")
    person.wait_until(lambda: ghost.offer)
    assert ghost._text == "meet me at the climbing hall tonight"
    person._window.dispatch("on_textinput", "a")
    assert ghost._letters.children, "still drawn"
    assert ghost.offer is None, "but it cannot be taken before it fits the text"
    person.wait_until(lambda: ghost.offer)
    person._window.dispatch("on_textinput", "x")
    assert not ghost._letters.children


def test_a_ghost_is_cut_at_the_end_of_the_line(open_window: Callable[..., Any], person: Any) -> None:
    person.resize(320, 480)
    person.type_physically("so i think we can meet me a")
    person.wait_until(lambda: person.screen.composer._ghost.offer)
    offer = person.screen.composer._ghost.offer
    assert len(offer.rest.split()) < 4
    person.press_physically(RIGHT)
    assert person.text == f"so i think we can meet me {offer.text} {offer.rest}".strip() + " "


def test_nothing_is_continued_in_a_search(person: Any) -> None:
    person.touch_keys(["emoji"])
    person.touch_control("search emoji")
    person.type_physically("meet")
    person.wait(5)
    assert person.screen.composer._ghost.offer is None
    assert isinstance(person.pixels(), np.ndarray)


def test_a_ghost_leaves_with_its_text(person: Any) -> None:
    ghost = person.screen.composer._ghost
    person.type_physically("meet me a")
    person.wait_until(lambda: ghost.offer)
    person.press_physically(13)
    person.wait(5)
    assert not ghost._letters.children, "the message is sent"
    person.type_physically("meet me a")
    person.wait_until(lambda: ghost.offer)
    person.touch_keys(["emoji"])
    person.touch_control("search emoji")
    assert not ghost._letters.children, "keys go to a search"
