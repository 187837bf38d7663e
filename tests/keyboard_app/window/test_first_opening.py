"""The tour in the real window: three sentences, the strip changes, and it ends at "What it learned"."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keyboard_app.device import Device


@pytest.fixture
def person(open_window: Callable[..., Any], tmp_path: Path, small_model_folder: Path) -> Iterator[Any]:
    """A person who has just agreed to recording."""
    with Device.open(tmp_path / "profile", small_model_folder, use_keyring=False) as device:
        person = open_window(device)
        person.touch_control("Next")
        person.touch_control("Next")
        person.touch_control("Yes, learn how I write")
        yield person


def card(person: Any) -> Any:
    return person.screen.ids.tour


def test_the_tour_ends_at_what_it_learned(person: Any) -> None:
    assert (card(person).heading, card(person).shown) == ("A tour: sentence 1 of 3", True)
    person.say("meet me at the zebra hall")
    assert card(person).heading == "A tour: sentence 2 of 3"
    assert card(person).text.startswith("26 keys for 25 characters.") or card(person).text.startswith("25 keys for 25")
    person.wait_until(lambda: "zebra" in person.device.models._ngram.words)
    person.say("meet me at the zebra hall")
    assert card(person).heading == "A tour: sentence 3 of 3"
    person.type_physically("meet me at the ")
    person.wait_until(lambda: "zebra" in [offer.text for offer in person.strip.offers])
    person.type_physically("zebra hall")
    person.press_physically(13)
    assert not card(person).shown
    assert person.screen.page == "learned"
    assert "This is what it has learned so far." in person.screen.status
    assert person.device.profile.settings.toured


def test_it_can_be_left_and_taken_again(person: Any) -> None:
    person.touch_control("leave the tour")
    assert not card(person).shown
    assert card(person).height == 0
    assert person.device.profile.settings.toured
    person.say("meet me")
    assert not card(person).shown
    person.screen.show_page("settings")
    person.touch_control("Take the tour")
    assert card(person).shown
    assert person.screen.page == ""


def test_a_person_who_declines_recording_gets_no_tour(
    open_window: Callable[..., Any], tmp_path: Path, small_model_folder: Path
) -> None:
    with Device.open(tmp_path / "other", small_model_folder, use_keyring=False) as device:
        person = open_window(device)
        person.touch_control("Next")
        person.touch_control("Next")
        person.touch_control("No, record nothing")
        assert not card(person).shown
        person.leave()
