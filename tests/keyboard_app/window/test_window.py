"""Typing in the real window, on a real or virtual display, by touch and by physical keys."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federation.protocol.exchange_folder import Mailbox
from federation.protocol.json_messages import Invitation
from keyboard_app.device import Device
from keyboard_app.input.text_field import Move
from keyboard_app.learning.learning import Learning
from model.device.folder import WEIGHTS, Model, save_model

BACKSPACE, TAB, ENTER, ESCAPE, DELETE = 8, 9, 13, 27, 127
UP, DOWN, RIGHT, LEFT, HOME, END = 273, 274, 275, 276, 278, 279
LINE = "i think you are good ."


def test_touched_keys_type(person: Any) -> None:
    person.touch_keys(["H", "i", "space", "backspace", ",", "space", "shift", "Y", "o"])
    assert person.text == "Hi, Yo"
    person.touch_keys(["123", "5", "?", "abc", "space", "A"])
    for _ in range(2):  # without a frame in between, which may take too long for a double tap
        person.press(person.key("shift")).touch_up()
    assert person.key("shift").icon == "caps"
    person.touch_keys(["B", "C", "shift", "d"])
    assert person.text == "Hi, Yo5? ABCd"
    person.touch_keys(["enter"])
    assert person.text == ""
    assert person.recorded == person.sent == ["Hi, Yo5? ABCd"]


def test_a_second_finger_types_the_key_of_the_first(person: Any) -> None:
    first = person.press(person.key("H"))
    second = person.press(person.key("I"))
    assert person.text == "H"
    first.touch_up()
    second.touch_up()
    assert person.text == "Hi"


def test_without_glides_a_finger_can_slide_to_another_key(person: Any) -> None:
    person.device.choose(glide=False)
    person.screen.apply_settings()
    touch = person.press(person.key("H"))
    touch.touch_move(*person.key("J").center)
    touch.touch_up()
    assert person.text == "J"


def test_a_held_key_offers_its_alternates(person: Any) -> None:
    keypad = person.screen.composer.ids.keypad
    touch = person.press(person.key("E"))
    assert keypad._popup.choices == ["E"]  # in the popup above the finger
    person.wait_until(lambda: len(keypad._popup.choices) > 1)
    assert keypad._popup.choice == "3"
    touch.touch_move(touch.x + person.key("E").width, touch.y)
    assert keypad._popup.choice == "È"
    touch.touch_up()
    assert person.text == "È"
    person.wait(3)  # it goes one frame after the frame that answers
    assert keypad._popup.choices == ()


def test_a_held_backspace_repeats(person: Any) -> None:
    person.type_physically("something long that takes a while")
    touch = person.press(person.key("backspace"))
    person.wait_until(lambda: len(person.text) < 10)
    touch.touch_up()
    person.wait()
    left = person.text
    person.wait(20)
    assert person.text == left


def test_a_finger_on_the_space_bar_moves_the_cursor_and_a_held_one_offers_layouts(person: Any) -> None:
    person.type_physically("Hello")
    space = person.key("space")
    touch = person.press(space)
    touch.touch_move(touch.x - 24, touch.y)
    touch.touch_up()
    assert (person.text, person.area.cursor) == ("Hello", 3)
    assert space.label == "QWERTY"
    touch = person.press(space)
    person.wait_until(lambda: person.screen.composer._menu.parent)
    touch.touch_up()
    person.touch_control("AZERTY")
    assert person.key("space").label == "AZERTY"
    assert [key.label for key in person.screen.composer.ids.keypad.shown_keys()][:3] == ["a", "z", "e"]


def test_suggestions_are_taken_from_their_places(person: Any) -> None:
    best, second, _ = person.device.keyboard.suggestions
    assert person.offered[:2] == [second, best]
    person.touch(person.suggestion(0))
    assert person.text == second + " "
    person.touch_keys(["."])
    assert person.text == second + "."
    person.type_physically(" Clo")
    assert person.offered[:2] == ["“Clo”", person.device.keyboard.suggestions[0]]
    assert person.offered[1] in ("Close", "Clothes")
    person.touch(person.suggestion(0))
    assert person.text == second + ". Clo "


def test_a_typo_is_corrected_and_backspace_undoes_it(person: Any) -> None:
    person.touch_keys(["T", "g", "i", "n", "k"])
    assert person.suggestion(1).applied
    person.touch_keys(["space"])
    assert person.text == "Think "
    person.touch_keys(["backspace"])
    assert person.text == "Tgink "
    person.touch_keys(["backspace", "space"])
    assert person.text == "Tgink "


def test_a_held_suggestion_is_forgotten_and_undo_brings_it_back(person: Any) -> None:
    person.type_physically("Go cl")
    word = person.device.keyboard.suggestions[0]
    touch = person.press(person.suggestion(1))
    person.wait_until(lambda: person.strip.notice)
    touch.touch_up()
    assert person.text == "Go cl"
    assert word not in person.device.keyboard.suggestions
    person.touch_control("undo")
    assert (person.device.keyboard.suggestions[0], person.strip.notice) == (word, "")


def test_a_physical_keyboard_types_small_letters(person: Any) -> None:
    person.type_physically("ls -la. iPhone")
    assert person.text == "ls -la. iPhone"


def test_letters_come_back_after_a_space_and_after_sending(person: Any) -> None:
    keypad = person.screen.composer.ids.keypad
    for key in ("space", "enter"):
        keypad.page = "symbols"
        person.touch_keys(["5"])
        assert keypad.page == "symbols"
        person.touch_keys([key])
        assert keypad.page == "letters"


def test_physical_keys(person: Any) -> None:
    person.type_physically("Grüße 😀x")
    person.press_physically(BACKSPACE)
    assert person.text == "Grüße 😀"
    person.type_physically(" th")
    best = person.suggestion(1).shown
    person.press_physically(TAB)
    assert person.text == f"Grüße 😀 {best} "
    person.press_physically(ENTER)
    assert (person.text, person.recorded) == ("", [f"Grüße 😀 {best}"])


def test_physical_keys_move_select_and_edit(person: Any) -> None:
    person.type_physically("One two three")
    person.press_physically(LEFT, "ctrl", "shift")
    person.press_physically(ord("x"), "ctrl")
    assert person.text == "One two "
    person.press_physically(HOME)
    person.press_physically(ord("v"), "ctrl")
    person.press_physically(RIGHT, "ctrl")
    assert (person.text, person.area.cursor) == ("threeOne two ", 8)
    person.press_physically(LEFT, "shift")
    person.press_physically(LEFT, "shift")
    person.press_physically(DELETE)
    person.press_physically(BACKSPACE, "ctrl")
    assert person.text == " two "
    person.press_physically(ord("a"), "ctrl")
    person.press_physically(ord("c"), "ctrl")
    person.press_physically(END)
    person.press_physically(ord("v"), "ctrl")
    assert person.text == " two  two "


def test_the_cursor_moves_up_and_down_by_the_lines_shown(person: Any) -> None:
    person.type_physically("word " * 40)
    lines = person.area.layout.lines
    assert len(lines) > person.area.shown_lines == person.area.max_lines  # the end is in view
    assert person.area.first_line == len(lines) - person.area.shown_lines
    person.press_physically(UP)
    assert person.area.layout.line_of(int(person.area.cursor)) == len(lines) - 2
    for _ in range(len(lines)):
        person.press_physically(UP)
    assert (person.area.cursor, person.area.first_line) == (0, 0)
    person.press_physically(DOWN)
    assert person.area.layout.line_of(int(person.area.cursor)) == 1


def test_touches_place_the_cursor_and_select(person: Any) -> None:
    person.type_physically("Hello wonderful world")
    area = person.area

    def at(index: int) -> tuple[float, float]:
        x, y = area.place_of(index)
        return area.to_window(x + 0.5, y + area.line_height / 2)

    person.press_at(*at(5)).touch_up()
    assert area.cursor == 5
    person.type_physically(",")
    assert person.text == "Hello, wonderful world"
    touch = person.press_at(*at(7))
    touch.touch_move(*at(16))
    touch.touch_up()
    assert (area.selection_start, area.selection_end) == (7, 16)
    person.touch_control("Cut")
    assert person.text == "Hello,  world"
    person.press_at(*at(10), double_tap=True).touch_up()
    assert (area.selection_start, area.selection_end) == (8, 13)
    person.touch_control("Paste")
    assert person.text == "Hello,  wonderful"
    touch = person.press_at(*at(2))  # held
    person.wait_until(lambda: area.selection_start < area.selection_end)
    touch.touch_up()
    assert (area.selection_start, area.selection_end) == (0, 5)
    x, y = at(5)
    touch = person.press_at(x, y - area.line_height / 2 - 7)  # the handle at its end
    touch.touch_move(*at(3))
    touch.touch_up()
    assert (area.selection_start, area.selection_end) == (0, 3)


def test_emoji_are_chosen_searched_and_offered_again(person: Any) -> None:
    person.type_physically("Hi ")
    person.touch_keys(["emoji"])
    person.wait_until(lambda: any(c.name == "grinning face" for c in person.screen.controls()))
    person.touch_control("grinning face")
    assert person.text == "Hi 😀"
    person.touch_control("search emoji")
    person.touch_keys(["p", "i", "z"])
    person.touch_control("pizza")
    assert person.text == "Hi 😀🍕"
    person.touch_keys(["emoji"])
    person.touch_control("search emoji")
    person.touch_keys(["p", "i", "z", "enter"])
    assert person.text == "Hi 😀🍕🍕", "Enter takes the first one"
    person.touch_keys(["backspace"])
    person.touch_keys(["emoji"])
    assert person.device.recent_emoji.signs == ["🍕", "😀"]
    person.touch_control("keys")
    person.touch_keys(["backspace", "enter"])
    assert person.recorded == ["Hi 😀"]


def test_a_person_can_type_while_it_learns(open_window: Callable[..., Any], device: Device) -> None:
    for _ in range(300):
        device.profile.store.add_message(LINE * 11, [])
    person = open_window(device)
    person.screen.learn()
    seen, typed = set(), 0
    while person.screen.busy:
        person.touch_keys(["o"] if typed else ["O"])
        typed += 1
        seen.add(person.screen.progress)
    assert person.text.lower() == "o" * typed
    assert len(seen) > 2
    assert person.screen.status == (
        "Learned from 15,620 words and kept the new model: it guesses your newest words at least as well"
    )
    assert device.models.personalized


def test_a_message_that_cannot_be_recorded_stays_in_the_text_area(person: Any) -> None:
    store = person.device.profile.store
    store._connection.execute("PRAGMA query_only = ON")
    person.say("Hi")
    assert person.text == "Hi"
    assert person.screen.status.startswith("Not sent: the recorded messages cannot be read or written")
    store._connection.execute("PRAGMA query_only = OFF")
    person.press_physically(ENTER)
    assert (person.text, person.recorded) == ("", ["Hi"])


def test_any_error_in_a_task_is_shown_and_typing_continues(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("while\nlearning")

    with monkeypatch.context() as patched:
        patched.setattr(Learning, "work", fail)
        person.screen.learn()
        person.wait_until(lambda: person.screen.status == "While learning")
        assert not person.screen.busy
    monkeypatch.setattr("keyboard_app.device.Learning", fail)
    person.screen.status = ""
    person.screen.learn()
    assert person.screen.status == "While learning"


def test_the_kv_rules_are_loaded_once(person: Any) -> None:
    from kivy.lang import Builder

    for page in ("settings", "data", "settings"):  # those of the pages with the first page
        person.screen.page = page
    names = [Path(file).name for file in Builder.files if file is not None]
    assert [names.count(f"{rules}.kv") for rules in ("controls", "keyboard", "pages", "screen")] == [1, 1, 1, 1]


def test_the_keyboard_answers_a_round_of_the_desktop_and_installs_its_model(
    person: Any, small_model_folder: Path, next_model: Model, tmp_path: Path
) -> None:
    desktop = Mailbox(tmp_path / "profile")
    for _ in range(20):
        person.say(LINE)
    desktop.invite(Invitation("r3", 0.1, 1.0, 2, 1000, 0), small_model_folder / WEIGHTS)
    person.wait_until(lambda: desktop.contribution("r3") is not None)
    contribution = desktop.contribution("r3")
    assert contribution is not None and contribution.words == 140
    person.wait_until(lambda: person.screen.status.startswith("Contributed to round r3"))
    save_model(tmp_path / "released", next_model)
    desktop.release(tmp_path / "released")
    person.wait_until(lambda: person.device.models.personalized)
    assert person.device.models.global_model.provenance.round == 12


def test_a_damaged_release_is_reported_and_typing_continues(person: Any, tmp_path: Path) -> None:
    (tmp_path / "profile" / "mailbox" / "release").mkdir(parents=True)
    person.wait_until(lambda: "Refused a newer shared model" in person.screen.status)
    person.touch_keys(["A"])
    assert person.text == "A"


def test_earlier_messages_are_shown(open_window: Callable[..., Any], device: Device) -> None:
    device.profile.store.add_message("from [b]before[/b] & 😀", [])
    assert open_window(device).sent == ["from [b]before[/b] & 😀"]


@pytest.mark.parametrize(
    "long", ["some words here " * 1_700, "a" * 32_000, "नमस्ते" * 4_000], ids=["words", "word", "syllables"]
)
def test_only_the_part_of_a_long_text_around_the_cursor_is_laid_out(
    person: Any, long: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyboard_app.window.drawing.text_layout import lay_out

    laid_out: list[int] = []

    def spy(text: str, *more: Any) -> Any:
        laid_out.append(len(text))
        return lay_out(text, *more)

    monkeypatch.setattr("keyboard_app.window.widgets.text_view.lay_out", spy)
    keyboard, composer = person.device.keyboard, person.screen.composer
    keyboard.paste(long)
    composer.refresh()
    person.wait()
    assert keyboard.text == long
    for move in (Move.WORD_LEFT, Move.LINE_END, Move.START):
        composer.move(move)
        person.type_physically("x")
        assert keyboard.text[keyboard.cursor - 1] == "x"
        x, y = person.area.place_of(keyboard.cursor)
        assert person.area.y <= y <= person.area.top, "the cursor is in view"
        assert person.area.index_at(x, y + 1) == keyboard.cursor
    composer.select_all()
    assert keyboard.copy() == keyboard.text
    composer.move(Move.END)
    for _ in range(60):
        person.area._scroll_by(-1)
    x, y = person.area.x + person.area.padding[0], person.area.top - person.area.padding[1] - 2
    first = person.area.index_at(x, y)
    assert 0 < first < keyboard.cursor - 1_000, "scrolling goes on beyond the part"
    person.press_at(x, y).touch_up()
    assert keyboard.cursor == first
    message = keyboard.text
    person.press_physically(ENTER)
    assert person.recorded == person.sent == [message.strip()]
    person.wait()
    assert max(laid_out) <= 1_600
