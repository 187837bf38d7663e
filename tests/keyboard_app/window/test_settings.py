"""The settings of the keys in the real window."""

from typing import Any

import pytest

from keyboard_app.window.drawing.look import DESKTOP, PHONE, TABLET
from keyboard_app.window.keys.board_size import board_height


def labels(person: Any) -> list[str]:
    return [key.label for key in person.screen.composer.ids.keypad.shown_keys()]


def test_a_row_of_numbers_stands_above_the_letters(person: Any) -> None:
    before = person.key("Q").height
    person.screen.page = "settings"
    person.touch_control("row of numbers")
    person.screen.page = ""
    person.wait(5)
    assert labels(person)[:11] == [*"1234567890", "Q"]
    assert person.key("Q").height == pytest.approx(before, abs=2)
    person.touch_keys(["7", "123", "abc"])
    assert person.text == "7"
    assert len(labels(person)) > 40


def test_keys_become_higher_and_lower(person: Any) -> None:
    usual = person.key("Q").height
    person.screen.page = "settings"
    person.touch_control("height of the keys: more")
    person.screen.page = ""
    person.wait(5)
    assert person.key("Q").height > usual
    person.device.choose(key_height=0.8)
    person.screen.apply_settings()
    person.wait(5)
    assert person.key("Q").height < usual


@pytest.mark.parametrize("side", ["left", "right"])
def test_keys_for_one_hand(person: Any, side: str) -> None:
    wide = person.key("Q").width
    person.device.choose(one_handed=side)
    person.screen.apply_settings()
    person.wait(5)
    keypad = person.screen.composer.ids.keypad
    assert person.key("Q").width < 0.85 * wide
    assert (keypad.x < 10) == (side == "left")
    assert (keypad.right > person.screen.width - 10) == (side == "right")
    person.touch_keys(["H", "i"])
    assert person.text == "Hi"


def test_the_time_to_hold_a_key(person: Any) -> None:
    person.device.choose(hold_ms=200)
    person.screen.apply_settings()
    assert person.screen.composer.ids.keypad.hold_time == 0.2


def test_the_page_previews_the_layout_and_says_what_the_keyboard_is(person: Any) -> None:
    person.screen.page = "settings"
    page = person.page()
    assert page.letters.splitlines()[0] == "q w e r t y u i o p"
    person.touch_control("layout: AZERTY")
    assert page.letters.splitlines()[0] == "a z e r t y u i o p"
    assert page.learned == "Nothing has been learned yet."
    assert "words, made without federated rounds" in page.model


def test_the_board_leaves_room_for_the_messages() -> None:
    for kind in (PHONE, TABLET, DESKTOP):
        for height in (320, 480, 640, 915, 1280):
            usual = board_height(kind, height)
            assert usual <= 0.46 * height
            assert usual < board_height(kind, height, 1.2) <= 0.56 * height
            assert usual < board_height(kind, height, 1.0, number_row=True) <= 0.56 * height
            assert board_height(kind, height, 0.8) < usual
            assert board_height(kind, height, 1.5, number_row=True) <= 0.56 * height
