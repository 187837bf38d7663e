"""Glides in the real window: a finger slides over the letters of a word."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from keyboard_app.device import Device

POINTS = 8  # between two keys


def slide(person: Any, word: str, lift: bool = True) -> Any:
    """Slides a finger from key to key; returns the touch."""
    centres = [person.key(letter if person.key_exists(letter) else letter.upper()).center for letter in word]
    touch = person.press_at(*centres[0])
    for one, other in pairwise(centres):
        for x, y in np.linspace(one, other, POINTS + 1)[1:]:
            touch.touch_move(x, y)  # without a frame in between, which may take so long that the key counts as held
        person.wait(1)
    if lift:
        touch.touch_up()
        person.wait(1)
    return touch


@pytest.fixture
def person(person: Any) -> Any:
    def key_exists(label: str) -> bool:
        return any(label == key.label for key in person.screen.composer.ids.keypad.shown_keys())

    person.key_exists = key_exists
    return person


def test_glided_words_stand_in_the_text_and_are_recorded(person: Any) -> None:
    for word in ("think", "they", "good"):
        slide(person, word)
    assert person.text == "Think they good"
    person.touch_keys([".", "enter"])
    assert person.recorded == person.sent == ["Think they good."]


def test_the_strip_offers_other_words_and_a_tap_takes_one(person: Any) -> None:
    slide(person, "clothes")
    assert person.text == "Clothes"
    others = [place.shown for place in person.strip.places[:3]]
    assert all(others)
    assert "Clothes" not in others
    person.touch(person.suggestion(1))
    assert person.text == others[1] + " "
    assert not any(place.shown in others for place in person.strip.places), "the next words are suggested"


def test_backspace_takes_the_word_away_and_the_same_gesture_gives_the_next_one(person: Any) -> None:
    person.touch_keys(["S", "o", "space"])
    slide(person, "good")
    first, (second, *_) = person.text, [offer.text for offer in person.strip.offers]
    assert first == "So good"
    person.touch_keys(["backspace"])
    assert person.text == "So "
    slide(person, "good")
    assert person.text == f"So {second}"


def test_taps_and_glides_are_told_apart_within_the_first_key(never_held: None, person: Any) -> None:
    key = person.key("G")
    touch = person.press(key)
    touch.touch_move(key.right - 2, key.center_y)
    person.wait(1)
    assert key.pressed, "a finger within its key taps"
    touch.touch_up()
    assert person.text == "G"
    person.wait_until(lambda: person.key_exists("g"))
    touch = person.press(person.key("g"))
    touch.touch_move(*person.key("h").center)
    assert not person.key("g").pressed, "beyond it, it glides"
    assert person.screen.composer.ids.keypad._popup.choices == ()
    touch.touch_move(*person.key("g").center)
    person.wait(3)
    touch.touch_up()
    assert person.text.split()[0] == "G"
    assert person.text != "Gg"


def test_a_held_key_still_offers_its_alternates_and_the_space_bar_moves_the_cursor(person: Any) -> None:
    keypad = person.screen.composer.ids.keypad
    assert keypad.takes_glides
    touch = person.press(person.key("E"))
    person.wait_until(lambda: len(keypad._popup.choices) > 1)
    touch.touch_move(touch.x + 2 * person.key("E").width, touch.y)
    touch.touch_up()
    assert len(person.text) == 1
    assert person.text not in ("E", "R", "T")
    space = person.key("space")
    touch = person.press(space)
    touch.touch_move(touch.x - 13, touch.y)
    touch.touch_up()
    assert person.area.cursor == 0


def test_a_glide_is_not_held(person: Any) -> None:
    keypad = person.screen.composer.ids.keypad
    touch = slide(person, "the", lift=False)
    person.wait(120)  # longer than a key is held
    assert keypad._popup.choices == ()
    touch.touch_up()
    assert person.text == "The"


def test_a_second_finger_ends_the_glide(person: Any) -> None:
    first = slide(person, "they", lift=False)
    second = person.press(person.key("space"))
    assert person.text == "They"
    second.touch_up()
    first.touch_up()
    assert person.text == "They "


def test_a_trail_follows_the_finger_and_fades(person: Any) -> None:
    trail = person.screen.composer.ids.keypad._trail
    touch = person.press(person.key("T"))
    assert not trail.shown
    for letter in "hink":
        touch.touch_move(*person.key(letter.upper()).center)
        person.wait(1)
    assert trail.shown
    assert tuple(trail._line.points[-2:]) == pytest.approx(person.key("K").center)
    with_trail = person.pixels()
    touch.touch_up()
    person.wait_until(lambda: not trail.shown)
    assert (person.pixels() != with_trail).any()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_of_the_trail_is_painted(person: Any, theme: str) -> None:
    from keyboard_app.window.drawing.look import look

    person.device.choose(theme=theme)
    person.screen.apply_settings()
    person.wait()
    for _ in range(2):  # the second trail is painted over what the first one left in the graphics card
        touch = slide(person, "goal", lift=False)
        person.wait(4)
        pixels, accent = person.pixels(), np.round(255 * np.array(look.accent[:3]))
        points = np.array(person.screen.composer.ids.keypad._trail._line.points).reshape(-1, 2)
        painted = [np.abs(pixels[int(y), int(x)] - accent).max() < 8 for x, y in (points[:-1] + points[1:]) / 2]
        assert len(painted) > 20
        assert all(painted)
        touch.touch_up()
        person.wait_until(lambda: not person.screen.composer.ids.keypad._trail.shown)
        person.touch_keys(["backspace"])


def test_it_can_be_switched_off(person: Any) -> None:
    person.screen.page = "settings"
    person.touch_control("glide typing")
    assert person.device.profile.settings.glide is False
    person.screen.page = ""
    person.wait()
    slide(person, "they")
    assert person.text == "Y", "the key where the finger is lifted"


@pytest.mark.parametrize("size", [(320, 480), (360, 640), (412, 915), (800, 600), (1280, 800)])
def test_every_size_and_a_change_of_size(
    open_window: Callable[..., Any], device: Device, size: tuple[int, int]
) -> None:
    person = open_window(device, *size)
    person.key_exists = lambda label: any(label == key.label for key in person.screen.composer.ids.keypad.shown_keys())
    slide(person, "clothes")
    assert person.text == "Clothes"
    person.resize(size[0] + 60, size[1] + 40)
    slide(person, "climbing")
    assert person.text == "Clothes climbing"


def test_another_layout(person: Any) -> None:
    person.screen.choose_layout("azerty")
    person.wait()
    slide(person, "what")
    assert person.text == "What"
    person.screen.choose_layout("dvorak")
    person.wait()
    slide(person, "they")
    assert person.text == "What they"


def test_private_mode_records_no_glide(person: Any) -> None:
    person.screen.set_private(True)
    slide(person, "they")
    person.touch_keys(["enter"])
    assert (person.sent, person.recorded) == (["They"], [])


def test_a_search_takes_no_glides(person: Any) -> None:
    person.touch_keys(["emoji"])
    person.touch_control("search emoji")
    assert not person.screen.composer.ids.keypad.takes_glides
    person.screen.composer.edit_message()
    assert person.screen.composer.ids.keypad.takes_glides


def test_digits_and_symbols_are_tapped(person: Any) -> None:
    person.touch_keys(["123"])
    touch = person.press(person.key("1"))
    touch.touch_move(*person.key("3").center)
    touch.touch_up()
    assert person.text == "3"


def test_the_decoder_is_built_for_the_keys_in_their_places(person: Any) -> None:
    """Once, before the first glide: in the first frame the keys have no places yet."""
    person.wait_until(lambda: person.device.gliding._built is not None)
    assert person.device.gliding._built.basis.boxes == person.screen.composer.ids.keypad.letter_boxes()
