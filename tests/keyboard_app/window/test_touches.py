"""Touches in the real window: what the hand learns from fingers on the keys, and the picture of it."""

from collections.abc import Callable
from typing import Any

import pytest

from keyboard_app.device import Device
from keyboard_app.recording.user_profile import HAND


def tap(person: Any, keys: str, right: float = 0.5, down: float = 0.5) -> None:
    """Taps keys at a share of their width from the left and of their height from the top."""
    for label in keys:
        shown = {key.label.lower() or key.action: key for key in person.screen.composer.ids.keypad.shown_keys()}
        key = shown["space" if label == " " else label] if label != " " else person.key("space")
        person.press(key, right, 1 - down).touch_up()
        person.wait(2)


def ready(person: Any) -> None:
    """Waits until the keys where they are now have been measured, after the window has got its size."""

    def measured() -> bool:
        geometry = person.device.touches.geometry
        return geometry is not None and geometry.boxes == person.screen.composer.ids.keypad.letter_boxes()

    person.wait_until(measured)


def send(person: Any) -> None:
    person.touch_keys(["enter"])
    person.wait_until(lambda: not person.device.touches._accepted and not person.device.touches._unsaved)


@pytest.mark.parametrize(("size", "one_handed"), [((320, 480), "off"), ((412, 892), "left"), ((1280, 800), "off")])
def test_taps_teach_where_the_keys_are_touched_in_any_size(
    open_window: Callable[..., Any], device: Device, size: tuple[int, int], one_handed: str
) -> None:
    device.choose(one_handed=one_handed)
    person = open_window(device, *size)
    ready(person)
    tap(person, "here", 0.7, 0.6)
    send(person)
    sums, geometry = device.touches.hand.taps.sums, device.touches.geometry
    assert geometry is not None
    assert {letter: row[0] for letter, row in sums.items()} == {"h": 1, "e": 2, "r": 1}
    for letter, row in sums.items():
        _, _, width, height = geometry.boxes[letter]
        assert row[1:3] / row[0] == pytest.approx([0.2 * width / geometry.unit, 0.1 * height / geometry.unit], abs=0.05)
    assert (device.profile.path / HAND).exists(), "it was saved in the pause"


def test_physical_keys_alternates_and_private_mode_teach_nothing(
    open_window: Callable[..., Any], device: Device
) -> None:
    person = open_window(device)
    ready(person)
    person.type_physically("hello ")
    touch = person.press(person.key("e"))
    person.wait_until(lambda: len(person.screen.composer.ids.keypad._popup.choices) > 1)
    touch.touch_up()
    person.screen.set_private(True)
    tap(person, "so")
    send(person)
    person.screen.set_private(False)
    device.catch_up()
    assert device.touches.hand.taps.sums == {}


def test_the_edge_of_a_key_offers_the_word_of_the_key_beside_it(
    open_window: Callable[..., Any], device: Device
) -> None:
    person = open_window(device)
    ready(person)
    tap(person, "th")
    tap(person, "r", 0.02)
    costs = device.keyboard.touch_costs("Thr")
    assert costs is not None
    assert costs[2] is not None
    assert min(costs[2], key=costs[2].__getitem__) == "e"
    assert costs[2]["e"] < min(cost for letter, cost in costs[0].items()), "t was touched in its middle"  # type: ignore[union-attr]


def test_a_changed_size_is_measured_before_taps_count(open_window: Callable[..., Any], device: Device) -> None:
    person = open_window(device)
    ready(person)
    before = device.touches.geometry
    person.resize(500, 800)
    person.wait_until(lambda: device.touches.geometry is not before)
    tap(person, "so")
    send(person)
    assert set(device.touches.hand.taps.sums) == {"s", "o"}


def test_what_it_learned_shows_the_picture_and_forgets_it(open_window: Callable[..., Any], device: Device) -> None:
    person = open_window(device)
    ready(person)
    person.screen.page = "learned"
    person.wait(5)
    page = person.page()
    assert "you will see here" in page.hand
    assert len(page.ids.hand.keys) == 26
    person.screen.page = ""
    person.wait(3)
    tap(person, "eeeeeeee", 0.8, 0.5)
    send(person)
    person.screen.page = "learned"
    person.wait(10)
    assert "8 touches landed to the right of the middle" in page.hand
    (shown,) = [key for key in page.ids.hand.keys if key.taps is not None]
    assert shown.letter == "e"
    assert shown.taps.x > shown.box[0] + 0.5 * shown.box[2]
    assert page.ids.hand.width <= person.screen.width
    device.reset()
    person.screen.refresh_page()
    person.wait(3)
    assert "you will see here" in page.hand
    assert all(key.taps is None for key in page.ids.hand.keys)
