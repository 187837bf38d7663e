"""The real window on a real or virtual display, touched and typed at as a person would."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation.protocol.mailbox import Mailbox
from federation.protocol.messages import Invitation
from keyboard_app.device import Device
from keyboard_app.kivy_settings import prepare_kivy
from keyboard_app.learning import Learning
from keyboard_app.typist import type_message
from keyboard_app.worker import run
from model.device.folder import WEIGHTS, Model, save_model

BACKSPACE, TAB, ENTER = 8, 9, 13
LINE = "i think you are good ."


class Person:
    """Eyes and fingers at an open window."""

    def __init__(self, device: Device) -> None:
        from kivy.base import EventLoop
        from kivy.core.window import Window

        from keyboard_app.window import KeyboardApp

        self._loop, self._window = EventLoop, Window
        self.app = KeyboardApp(device)
        self.app._run_prepare()
        self.screen = self.app.screen
        self.wait()

    def wait(self, frames: int = 3) -> None:
        for _ in range(frames):
            self._loop.idle()

    def wait_until(self, true: Callable[[], bool], frames: int = 2000) -> None:
        for _ in range(frames):
            if true():
                return
            self.wait(1)
        pytest.fail(f"it did not come to that; the status is {self.screen.status!r}")

    def press(self, widget: object) -> object:
        """Puts a finger on the middle of a widget."""
        from kivy.tests.common import UnitTestTouch

        touch = UnitTestTouch(*widget.to_window(*widget.center))
        touch.touch_down()
        self.wait(1)
        return touch

    def touch(self, widget: object) -> None:
        self.press(widget).touch_up()
        self.wait(1)

    def key(self, text: str) -> object:
        return next(k for k in self.screen.ids.keypad.shown_keys() if k.text == text or k.action == text)

    def touch_keys(self, keys: list[str]) -> None:
        for key in keys:
            self.touch(self.key(key))

    def suggestion(self, place: int) -> object:
        """The place on the strip, from the left."""
        return self.screen.ids.suggestions.children[2 - place]

    def type_physically(self, text: str) -> None:
        for character in text:
            self._window.dispatch("on_textinput", character)
            self.wait(1)

    def press_physically(self, key: int) -> None:
        self._window.dispatch("on_key_down", key, 0, None, [])
        self._window.dispatch("on_key_up", key, 0)
        self.wait(1)

    @property
    def text(self) -> str:
        return self.screen.ids.text_area.text

    def leave(self) -> None:
        self.app.stop()


@pytest.fixture
def open_window(display: None) -> Iterator[Callable[[Device], Person]]:
    prepare_kivy()
    people = []

    def open_one(device: Device) -> Person:
        people.append(Person(device))
        return people[-1]

    yield open_one
    for person in people:
        person.leave()


@pytest.fixture
def person(open_window: Callable[[Device], Person], device: Device) -> Person:
    return open_window(device)


def test_touched_keys_write(person: Person) -> None:
    person.touch_keys(["H", "i", "space", "backspace", ",", "space", "shift", "Y", "o"])
    assert person.text == "Hi, Yo"
    person.touch_keys(["123", "5", "?", "abc", "space"])
    person.touch_keys(["A", "b", "shift", "C"])  # at the start of a sentence shift is on already
    assert person.text == "Hi, Yo5? AbC"
    person.touch_keys(["enter"])
    assert person.text == ""
    assert [m.text for m in person.screen.device.profile.store.messages()] == ["Hi, Yo5? AbC"]
    assert person.screen.ids.messages.children[0].text == "Hi, Yo5? AbC"


def test_a_held_backspace_repeats(person: Person) -> None:
    person.type_physically("something long")
    touch = person.press(person.key("backspace"))
    person.wait_until(lambda: len(person.text) < 10)
    touch.touch_up()
    person.wait()
    left = person.text
    person.wait(30)
    assert person.text == left


def test_suggestions_are_taken_from_their_places(person: Person) -> None:
    best, second, third = person.screen.device.keyboard.suggestions
    assert [person.suggestion(place).text for place in range(3)] == [second, best, third]
    person.touch(person.suggestion(0))
    assert person.text == second + " "
    person.touch_keys(["."])
    assert person.text == second + "."
    person.type_physically(" cl")
    assert person.suggestion(1).text.lower().startswith("cl")


def test_physical_keys(person: Person) -> None:
    person.type_physically("grüße 😀x")
    person.press_physically(BACKSPACE)
    assert person.text == "Grüße 😀"
    person.type_physically(" th")
    best = person.screen.device.keyboard.suggestions[0]
    person.press_physically(TAB)
    assert person.text == f"Grüße 😀 {best} "
    person.press_physically(ENTER)
    assert person.text == ""
    assert person.screen.device.profile.store.messages()[0].text == f"Grüße 😀 {best}"


def test_it_learns_while_typing_goes_on(open_window: Callable[[Device], Person], device: Device) -> None:
    for _ in range(300):
        device.profile.store.add_message(LINE * 11, [])
    person = open_window(device)
    person.touch(person.screen.ids.learn)
    assert person.screen.busy
    assert person.screen.ids.learn.disabled
    seen, typed = set(), 0
    while person.screen.busy:
        person.touch_keys(["o"] if typed else ["O"])
        typed += 1
        seen.add(person.screen.progress)
    assert person.text.lower() == "o" * typed
    assert len(seen) > 2
    assert "Learned from 19,028 words in" in person.screen.status
    assert person.screen.status.endswith("kept the new model: it expects your newest words at least as well")
    assert device.models.personalized


def test_what_it_learned_is_drawn(open_window: Callable[[Device], Person], device: Device) -> None:
    for _ in range(20):
        type_message(device.keyboard, LINE)
    run(Learning(device.profile, device.models))
    person = open_window(device)
    person.touch(person.screen.ids.panel)
    (panel,) = person.screen.ids.body.children
    assert "type on to see" in panel.summary
    person.type_physically(LINE)
    person.press_physically(ENTER)
    assert panel.summary.startswith("Recall at 3 before learning ")
    assert panel.verdict.startswith("The last learning kept the new model: on ")
    assert panel.ids.plot.marks == [120]
    assert panel.ids.plot.first == 10
    assert [len(values) for _, values in panel.ids.plot.curves] == [117, 117]
    person.touch(person.screen.ids.panel)
    assert person.screen.ids.body.children == [person.screen.ids.messages_scroll.__self__]


def test_messages_outlive_the_panel_before_them(person: Person) -> None:
    person.touch(person.screen.ids.panel)
    gc.collect()
    person.type_physically("hi")
    person.press_physically(ENTER)
    person.touch(person.screen.ids.panel)
    assert person.screen.ids.messages.children[0].text == "Hi"


def test_a_message_that_cannot_be_recorded_stays_in_the_text_area(person: Person) -> None:
    store = person.screen.device.profile.store
    store._connection.execute("PRAGMA query_only = ON")
    person.type_physically("hi")
    person.press_physically(ENTER)
    assert person.text == "Hi"
    assert person.screen.status.startswith("Not sent: the recorded messages cannot be read or written")
    store._connection.execute("PRAGMA query_only = OFF")
    person.press_physically(ENTER)
    assert (person.text, [m.text for m in store.messages()]) == ("", ["Hi"])


def test_a_task_that_fails_of_anything_ends_nothing(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("while\nlearning")

    with monkeypatch.context() as patched:
        patched.setattr(Learning, "work", fail)
        person.touch(person.screen.ids.learn)
        person.wait_until(lambda: person.screen.status == "While learning")
        assert not person.screen.busy
    monkeypatch.setattr("keyboard_app.device.Learning", fail)
    person.screen.status = ""
    person.touch(person.screen.ids.learn)
    assert person.screen.status == "While learning"


def test_the_rules_are_loaded_once(person: Person) -> None:
    from kivy.lang import Builder

    assert [Path(file).name for file in Builder.files if file is not None].count("keyboard.kv") == 1


def test_it_answers_the_desktop_and_takes_over_its_model(
    person: Person, small_model_folder: Path, next_model: Model, tmp_path: Path
) -> None:
    desktop = Mailbox(tmp_path / "profile")
    for _ in range(20):
        person.type_physically(LINE)
        person.press_physically(ENTER)
    desktop.invite(Invitation("r3", 0.1, 1.0, 2, 1000, 0), small_model_folder / WEIGHTS)
    person.wait_until(lambda: desktop.contribution("r3") is not None)
    assert desktop.contribution("r3").words == 140
    person.wait_until(lambda: person.screen.status.startswith("Gave round r3"))
    save_model(tmp_path / "released", next_model)
    desktop.release(tmp_path / "released")
    person.wait_until(lambda: person.screen.device.models.personalized)
    assert person.screen.device.models.global_model.provenance.round == 12


def test_a_damaged_release_is_said_and_typing_goes_on(person: Person, tmp_path: Path) -> None:
    (tmp_path / "profile" / "mailbox" / "release").mkdir(parents=True)
    person.wait_until(lambda: "Refused the released global model" in person.screen.status)
    person.touch_keys(["A"])
    assert person.text == "A"


def test_what_was_sent_before_is_shown(open_window: Callable[[Device], Person], device: Device) -> None:
    device.profile.store.add_message("from [b]before[/b] & 😀", [])
    person = open_window(device)
    assert person.screen.ids.messages.children[0].text == "from [b]before[/b] & 😀"
