"""The pages of the real window: the first questions, what it learned, my data, settings, private mode, keyboard focus."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keyboard_app.device import Device
from keyboard_app.window.drawing.fonts import marked_up
from keyboard_app.window.drawing.theme import contrast
from model.device.folder import PRETRAINED

BACKSPACE, TAB, ENTER, ESCAPE, SPACE, DOWN, F6 = 8, 9, 13, 27, 32, 274, 287
LINES = ["i think you are good", "go to the climbing hall tonight", "meet at the hall at seven"]


@pytest.fixture
def new_device(tmp_path: Path, small_model_folder: Path) -> Iterator[Device]:
    """A device on which the first questions have not been answered."""
    with Device.open(tmp_path / "profile", small_model_folder, use_keyring=False) as device:
        yield device


def test_the_first_start_explains_and_asks_before_it_records(
    open_window: Callable[..., Any], new_device: Device
) -> None:
    person = open_window(new_device)
    person.say("Before")
    person.press_at(200, 180).touch_up()  # a key lies below the questions there
    assert (person.text, person.recorded, new_device.profile.settings.consent) == ("", [], None)
    titles = [person.screen._welcome.title]
    for _ in range(2):
        person.touch_control("Next")
        titles.append(person.screen._welcome.title)
    assert titles == ["It learns how you write", "Your words stay here", "What is shared, if you join"]
    person.touch_control("back")
    person.touch_control("Next")
    person.touch_control("Yes, learn how I write")
    person.say("After")
    assert (new_device.profile.settings.consent, person.recorded) == (True, ["After"])


def test_a_person_who_declines_can_type_and_nothing_is_recorded(
    open_window: Callable[..., Any], new_device: Device
) -> None:
    person = open_window(new_device)
    for key in (TAB, TAB, ENTER, ENTER):  # by the physical keyboard alone; the back button is not shown yet
        person.press_physically(key)
    while not person.screen._welcome.last:
        person.press_physically(ENTER)
    person.touch_control("No, record nothing")
    person.say("Hello")
    assert (new_device.profile.settings.consent, person.recorded, person.sent) == (False, [], ["Hello"])
    person.touch_control("settings")
    person.touch_control("record my messages")
    person.press_physically(ESCAPE)
    person.say("Again")
    assert person.recorded == ["Again"]


def test_private_mode_looks_different_and_records_nothing(person: Any) -> None:
    from keyboard_app.window.drawing.look import look

    before = tuple(look.key), tuple(look.background)
    person.touch_control("private mode")
    assert person.screen.private
    assert (tuple(look.key), tuple(look.background)) != before
    assert person.screen.status.startswith("Private")
    person.say("A secret")
    assert (person.recorded, person.sent) == ([], ["A secret"])
    person.touch_control("private mode")
    person.say("I think")
    assert person.recorded == ["I think"]


def test_a_message_that_looks_like_a_secret_is_sent_but_not_recorded(person: Any) -> None:
    person.say("4111 1111 1111 1111")
    assert (person.recorded, person.sent) == ([], ["4111 1111 1111 1111"])
    assert person.screen.status.startswith("Not recorded: it looks like")


def test_learning_is_shown_and_can_be_undone(open_window: Callable[..., Any], device: Device) -> None:
    for _ in range(12):
        for line in LINES:
            device.keyboard.text = line
            device.keyboard.enter()
    person = open_window(device)
    person.touch_control("what it learned")
    page = person.page()
    assert page.verdict == "It has not learned yet."
    person.touch_control("Learn now")
    person.wait_until(lambda: not person.screen.busy)
    assert device.models.personalized
    assert page.verdict.endswith("so it switched to it.")
    judgement = device.profile.store.last_judgement()
    assert judgement is not None and judgement.kept == "new"
    figures = f"The last learning {judgement}."
    assert figures in page.details and marked_up(figures) not in texts(page), "figures are one tap away"
    person.touch_control("details of learning")
    assert marked_up(figures) in texts(page)
    assert page.ids.new_words.texts == []  # all are in the vocabulary
    for span, chart in (("By model", page._bars), ("Word by word", page._plot), ("By week", page._bars)):
        person.touch_control(f"chart: {span}")
        assert page.ids.chart.children == [chart]
    assert [len(shares) for _, shares in page._bars.groups] == [2]
    person.touch_control("Compare with before")
    person.wait_until(lambda: page.ids.rising.texts)
    person.wait_until(lambda: len(page.ids.shipped.words) == 3)
    assert len(page.ids.personal.words) == 3
    person.touch_control("Go back to the previous model")
    person.touch_control("Cancel")
    assert device.models.personalized
    person.touch_control("Go back to the previous model")
    person.touch_control("Go back")
    assert not device.models.personalized
    person.touch_control("Forget what it learned")
    person.touch_control("Forget everything")
    assert page.ids.undone.line.startswith("Everything that was learned is forgotten"), "beside the button"
    assert person.screen.foot == person.screen.usual


@pytest.fixture
def slow_device(tmp_path: Path) -> Iterator[Device]:
    """A device with the shipped model and enough words to learn from for some seconds."""
    with Device.open(tmp_path / "profile", PRETRAINED, consenting=True, use_keyring=False) as device:
        for _ in range(500):
            device.profile.store.add_message(f"{' '.join(LINES)} " * 3, [])
        yield device


def test_learning_is_paused_and_stopped(open_window: Callable[..., Any], slow_device: Device) -> None:
    device, person = slow_device, open_window(slow_device)
    person.touch_control("what it learned")
    person.touch_control("Learn now")
    person.touch_control("pause learning")
    assert (device.background.paused, person.page().schedule) == (True, "Paused.")
    person.touch_control("stop learning")
    person.wait_until(lambda: device.background.task is None)
    assert (device.background.task, person.screen.busy, device.models.personalized) == (None, False, False)
    assert device.profile.store.last_judgement() is None
    person.touch_control("Learn now")
    person.touch_control("pause learning")
    assert device.background.paused
    person.touch_control("pause learning")
    assert not device.background.paused
    person.wait_until(lambda: device.background.task is None)
    assert device.profile.store.last_judgement() is not None


def test_my_data_is_read_searched_and_deleted(person: Any) -> None:
    for line in LINES:
        person.say(line.capitalize())
    person.touch_control("my data")
    rows = person.page().ids.messages.children
    assert sorted(row.text for row in rows) == sorted(line.capitalize() for line in LINES)
    person.touch_control("search my messages")
    assert person.screen.composer.searching
    person.touch_keys(["h", "a", "l", "l"])
    person.wait_until(lambda: len(rows) == 2)
    person.touch_control("delete “Meet at the hall at seven”")
    person.touch_control("Cancel")
    assert len(person.recorded) == 3
    person.touch_control("delete “Meet at the hall at seven”")
    person.touch_control("Delete permanently")
    assert person.recorded == ["I think you are good", "Go to the climbing hall tonight"]
    assert [row.text for row in rows] == ["Go to the climbing hall tonight"]
    person.press_physically(ESCAPE)
    person.press_physically(ESCAPE)
    assert (person.screen.page, person.text) == ("", "")  # the searched text is not in the message
    assert person.sent == person.recorded
    person.touch_control("my data")
    person.touch_control("Delete all messages")
    assert len(person.recorded) == 2
    person.touch_control("Delete all permanently")
    assert (person.recorded, person.sent) == ([], [])


def test_messages_are_exported_and_imported(person: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "Texts").mkdir(parents=True)
    (tmp_path / "home" / "Texts" / "mine.txt").write_text("rope rope chalk\nsnacks\n")
    (tmp_path / "home" / "Texts" / "broken.txt").write_bytes(b"\xff\xfe\x00")
    person.say("Hello")
    person.touch_control("my data")
    person.touch_control("Import a file")
    person.touch_control("Texts")
    person.touch_control("mine.txt")
    person.wait_until(lambda: not person.screen.busy)
    assert person.screen.status.startswith("Imported 2 messages")
    person.touch_control("Import a file")
    person.touch_control("Texts")
    person.touch_control("broken.txt")
    person.wait_until(lambda: "is not UTF-8 text" in person.screen.status)
    assert sorted(person.recorded) == ["Hello", "rope rope chalk", "snacks"]
    chat = "31.12.20, 21:15 - Ann: are you there?\n31.12.20, 21:16 - Bob: chalk\n31.12.20, 21:17 - Ann: snacks here\n"
    (tmp_path / "home" / "Texts" / "chat.txt").write_text(chat)
    for answer, count in (("cancel", 3), ("Bob", 4)):
        person.touch_control("Import a file")
        person.touch_control("Texts")
        person.touch_control("chat.txt")
        person.wait_until(lambda: any(c.name == "Bob" for c in person.screen.controls()))
        assert [c.text for c in person.screen.controls() if c.name in ("Ann", "Bob")] == [
            "Ann: 2 messages",
            "Bob: 1 message",
        ]
        person.touch_control(answer)
        person.wait_until(lambda: not person.screen.busy)
        assert len(person.recorded) == count
    person.touch_control("delete “chalk”")
    person.touch_control("Delete permanently")
    person.touch_control("Export all")
    person.touch_control("Export to this folder")
    assert (tmp_path / "home" / "my messages.jsonl").read_text().count("\n") == 3


def test_settings_apply_at_once_and_are_saved(person: Any) -> None:
    from keyboard_app.window.drawing.look import look

    person.touch_control("settings")
    for theme in ("Light", "Dark"):
        person.touch_control(f"colours: {theme}")
        assert look.theme == theme.lower()
        assert contrast(_hex(look.text), _hex(look.background)) > 7
    size = look.size(20)
    person.touch_control("text size: more")
    assert look.size(20) > size
    person.touch_control("text size: less")
    person.touch_control("layout: Dvorak")
    person.touch_control("learn until this hour: less")
    person.touch_control("suggest offensive words")
    person.touch_control("correct typos")
    person.touch_control("automatic capitals")
    settings = person.device.profile.settings
    assert (settings.theme, settings.text_scale, settings.layout) == ("dark", 1.0, "dvorak")
    assert (settings.learn_until, settings.offensive_words, settings.autocorrect) == (23, True, False)
    assert not person.device.keyboard.capitalizes
    assert person.device.models.word_preferences.offensive
    person.press_physically(ESCAPE)
    assert person.screen.composer.ids.keypad.shown_keys()[3].label == "p"


@pytest.mark.parametrize(("width", "height"), [(360, 640), (412, 892), (820, 1180), (1280, 800), (892, 412)])
def test_at_every_size_all_controls_are_in_view_named_and_reachable(
    open_window: Callable[..., Any], device: Device, width: int, height: int
) -> None:
    device.choose(text_scale=1.3)
    person = open_window(device, width, height)
    for page in ("", "learned", "data", "federation", "settings"):
        person.screen.page = page if page or not person.screen.beside else "learned"
        person.wait()
        controls = person.screen.controls()
        names = [control.name for control in controls]
        assert all(names)
        assert len(set(names)) == len(names) or page == "data", sorted(n for n in names if names.count(n) > 1)
        focused = set()
        for _ in controls:
            person.press_physically(F6)
            control = person.screen.focus.focused
            focused.add(control)
            x, y = control.to_window(*control.center)
            assert 0 <= x <= width, control.name
            assert 0 <= y <= height, control.name
            assert control.focused
        assert focused == set(controls)
        person.press_physically(ESCAPE)
        assert person.screen.focus.focused is None


def test_controls_are_operated_by_the_physical_keyboard(person: Any) -> None:
    while person.screen.focus.focused is None or person.screen.focus.focused.name != "what it learned":
        person.press_physically(F6)
    person.press_physically(SPACE)
    person._window.dispatch("on_textinput", " ")
    assert (person.screen.page, person.text) == ("learned", "")
    person.press_physically(DOWN)
    assert person.screen.focus.focused.name != "what it learned"
    person.press_physically(ESCAPE)
    person.press_physically(ESCAPE)
    person.type_physically("x")
    assert (person.screen.page, person.text) == ("", "x")


def texts(page: Any) -> str:
    """Returns all text that a page shows."""
    return " ".join(getattr(widget, "text", "") for widget in page.walk())


def _hex(color: Any) -> str:
    return "#" + "".join(f"{round(share * 255):02X}" for share in color[:3])
