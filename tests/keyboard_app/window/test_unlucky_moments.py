"""The window in unlucky moments: others' words on its pages, places that cannot be written to, and damaged files."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keyboard_app.device import Device
from model.device.folder import WEIGHTS

MARKUP = "[font=nowhere]all[/font] [b]is[/b] [size=400]well & [color=#12]"


def shown(widget: Any) -> str:
    return " ".join(getattr(part, "text", "") for part in widget.walk())


def test_words_of_others_are_no_markup(open_window: Callable[..., Any], device: Device) -> None:
    from keyboard_app.window.drawing.fonts import marked_up

    person = open_window(device)
    person.touch_control("federation")
    page = person.page()
    page.problem = page._round_card.line = page._standing_card.place = MARKUP  # a coordinator chose these words
    person.wait()
    for card in (page._link_card, page._round_card, page._standing_card):
        assert marked_up(MARKUP) in shown(card)


def test_names_of_folders_are_no_markup(open_window: Callable[..., Any], device: Device, tmp_path: Path) -> None:
    from keyboard_app.window.drawing.fonts import marked_up
    from keyboard_app.window.pages.file_picker import FilePicker

    person = open_window(device)
    (folder := tmp_path / "[font=nowhere]").mkdir()
    picker = FilePicker(folder, title="Choose")
    person.screen.add_widget(picker)
    person.wait()
    assert marked_up(str(folder)) in shown(picker)
    person.screen.remove_widget(picker)


def test_an_export_to_a_place_that_cannot_be_reached_says_so(open_window: Callable[..., Any], device: Device) -> None:
    person = open_window(device)
    person.touch_control("my data")
    person.page()._export_to(Path("/" + "a" * 5_000))
    assert person.screen.status.startswith("File name too long")


def test_every_notice_is_shown_at_the_start_and_later(open_window: Callable[..., Any], device: Device) -> None:
    device.profile.notices += ["the settings were reset", "the hand is learned anew"]
    person = open_window(device)
    assert person.screen.status == "The settings were reset\nthe hand is learned anew"
    device.profile.notices.append("the file of your federation was damaged")
    person.screen.serve()
    assert person.screen.status == "The file of your federation was damaged"
    person.screen.say("learned")
    person.screen.serve()
    assert person.screen.status == "Learned"


def test_a_shipped_model_that_is_damaged_meanwhile_is_no_end(
    open_window: Callable[..., Any], tmp_path: Path, small_model_folder: Path
) -> None:
    shutil.copytree(small_model_folder, tmp_path / "shipped")
    with Device.open(tmp_path / "profile", tmp_path / "shipped", consenting=True) as device:
        person = open_window(device)
        (tmp_path / "shipped" / WEIGHTS).write_bytes(b"damaged")
        person.touch_control("what it learned")
        person.wait_until(lambda: "damaged" in person.page().moment, seconds=30)
        person.touch_control("back to the messages")
        person.say("on")
        assert person.recorded == ["on"]
