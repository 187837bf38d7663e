"""The touches of a text follow its changes, and say what each letter and each glide meant."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.text_field import Move, TextField
from keyboard_app.learning.touches import Glide, Tap
from model.device.gliding.geometry import qwerty
from model.device.gliding.gesture import Gesture

KEYS = qwerty(0, 0, 400, 168)
GLIDE = Glide(Gesture([0, 9], [0, 9], [0, 9]), KEYS)
CORRECTIONS = {"teh": "the", "thimk": "think", "definately": "definitely", "hav": "have"}


def tap(letter: str) -> Tap:
    return Tap(letter.lower(), 1.0, 2.0, KEYS, {"x": 3.0})


def keyboard() -> Keyboard:
    board = Keyboard(lambda _context, _prefix: [], lambda _text: None, lambda _context, word: CORRECTIONS.get(word))
    board.capitalizes = False
    return board


def typed(board: Keyboard, keys: str) -> Keyboard:
    for key in keys:
        if key == "<":
            board.backspace()
        else:
            board.press(key, tap=tap(key) if key.isalpha() else None)
    return board


def meant(board: Keyboard) -> list[tuple[str, str]]:
    found = board.field.touched.meant(board.text)
    return [(m.touch.letter if isinstance(m.touch, Tap) else "glide", m.text) for m in found]


def letters(word: str) -> list[tuple[str, str]]:
    return [(letter, letter) for letter in word]


def test_a_word_that_stands_as_typed_says_what_each_tap_meant() -> None:
    assert meant(typed(keyboard(), "i am here")) == letters("iamhere")


def test_letters_that_were_deleted_pasted_or_typed_on_a_physical_keyboard_say_nothing() -> None:
    board = typed(keyboard(), "theb<re ")
    assert meant(board) == letters("there")
    board.paste("pasted ")
    board.press("x", as_typed=True)
    typed(board, "y")
    assert meant(board) == [*letters("there"), ("y", "y")]
    board.move(Move.WORD_LEFT)
    assert board.touch_costs("xy") is None
    board.move(Move.END)
    assert board.touch_costs("xy") == [None, {"x": 3.0}]
    board.move_to(0)
    board.move_to(3, extend=True)
    board.press("b", tap=tap("b"))
    assert meant(board) == [("b", "b"), *letters("re"), ("y", "y")]


def test_one_missed_key_of_a_corrected_word_means_the_corrected_letter() -> None:
    board = typed(keyboard(), "thimk ")
    assert board.text == "think "
    assert meant(board) == [*letters("thi"), ("m", "n"), ("k", "k")]
    board.backspace()
    assert board.text == "thimk "
    assert meant(board) == letters("thimk"), "the person insists on it"


def test_swapped_letters_were_no_missed_keys_and_other_lengths_keep_the_beginning() -> None:
    assert meant(typed(keyboard(), "teh ")) == letters("t")
    assert meant(typed(keyboard(), "hav ")) == letters("hav")
    board = typed(keyboard(), "thin")
    board.take("thought")
    assert meant(board) == letters("th")
    board = typed(keyboard(), "thimg")
    board.take("thing")
    assert meant(board) == [*letters("thi"), ("m", "n"), ("g", "g")], "the person took a correction"


def test_touches_after_a_change_in_the_middle_keep_their_places() -> None:
    board = typed(keyboard(), "i go home")
    board.move_to(2)
    typed(board, "will ")
    assert board.text == "i will go home"
    assert meant(board) == letters("iwillgohome")


def test_a_glide_means_its_word_unless_it_is_taken_back() -> None:
    board = typed(keyboard(), "so ")
    board.glide(["good", "god"], GLIDE)
    assert meant(board) == [*letters("so"), ("glide", "good")]
    board.take_offer(board.strip[0])
    assert board.text == "so god "
    assert meant(board) == [*letters("so"), ("glide", "god")], "the person chose the other word"
    board.glide(["now"], GLIDE)
    board.backspace()
    assert meant(board) == [*letters("so"), ("glide", "god")]
    board.move_to(5)
    board.backspace()
    assert meant(board) == letters("so"), "the word was changed by hand"


def test_touches_say_something_only_of_letters_that_they_typed() -> None:
    board = typed(keyboard(), "so thimk ")
    assert board.touch_costs("think") == [{"x": 3.0}] * 3 + [None, {"x": 3.0}]
    board.text = ""
    assert meant(typed(board, "Wow")) == letters("wow"), "capitals are no other keys"


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4), st.text("abc", max_size=4)), max_size=12), st.data())
def test_a_touch_stays_with_its_letter_through_any_edits(
    edits: list[tuple[int, int, str]], data: st.DataObject
) -> None:
    field, number = TextField(), 0
    marked: list[int | None] = []  # what each letter was typed by
    for start, length, text in edits:
        start = min(start, len(field.text))
        end = min(start + length, len(field.text))
        field.replace(start, end, text)
        numbers: list[int | None] = [None] * len(text)
        for place, letter in enumerate(text):
            if data.draw(st.booleans()):
                number += 1
                numbers[place] = number
                field.touched.add(start + place, start + place + 1, Tap(letter, float(number), 0.0, KEYS))
        marked[start:end] = numbers
    expected = [(float(n), letter) for n, letter in zip(marked, field.text, strict=True) if n is not None]
    assert [(m.touch.x, m.text) for m in field.touched.meant(field.text) if isinstance(m.touch, Tap)] == expected
    assert np.isfinite([x for x, _ in expected]).all()
