import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.tokenizer import PUNCTUATION
from keyboard_app.keyboard import Keyboard, Shift

WORDS = ["hello", "there", "i'm", "don't", "5", "50", "house"]


def suggest(_context: str, prefix: str) -> list[str]:
    return [word for word in WORDS if word.startswith(prefix.lower())][:3]


@pytest.fixture
def sent() -> list[str]:
    return []


@pytest.fixture
def keyboard(sent: list[str]) -> Keyboard:
    return Keyboard(suggest, sent.append)


def type_in(keyboard: Keyboard, text: str) -> None:
    for character in text:
        if character == " ":
            keyboard.space()
        else:
            keyboard.press(character)


def test_a_suggestion_replaces_what_is_typed_of_the_word_and_brings_a_space(keyboard: Keyboard) -> None:
    type_in(keyboard, "Well, he")
    keyboard.take(keyboard.suggestions[0])
    assert keyboard.text == "Well, hello "
    assert keyboard.typing.keystrokes == 9


@pytest.mark.parametrize("mark", sorted(PUNCTUATION))
def test_punctuation_swallows_the_space_of_a_suggestion(keyboard: Keyboard, mark: str) -> None:
    keyboard.take("hello")
    keyboard.press(mark)
    assert keyboard.text == "hello" + mark


def test_punctuation_leaves_a_space_that_was_typed(keyboard: Keyboard) -> None:
    keyboard.take("hello")
    keyboard.space()
    keyboard.press("!")
    assert keyboard.text == "hello !"


def test_other_symbols_and_words_stay_behind_the_space(keyboard: Keyboard) -> None:
    keyboard.take("hello")
    keyboard.press("(")
    assert keyboard.text == "hello ("


def test_a_space_behind_a_suggestion_is_not_doubled_and_backspace_takes_it(keyboard: Keyboard) -> None:
    keyboard.take("hello")
    keyboard.space()
    assert keyboard.text == "hello "
    keyboard.backspace()
    assert (keyboard.text, keyboard.prefix) == ("hello", "hello")


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("", ""),
        ("He", "He"),
        ("He ", ""),
        ("don'", "don'"),
        ("don’t", "don’t"),
        ("it cost 3.", "3."),
        ("end.", ""),
        ("(wo", "wo"),
        ("😀", ""),
        ("😀he", "he"),
        ("größ", "größ"),
        ("new\u00a0lo", "lo"),
    ],
)
def test_prefix(keyboard: Keyboard, text: str, prefix: str) -> None:
    keyboard.text = text
    assert keyboard.prefix == prefix


def test_sentences_start_with_a_capital(keyboard: Keyboard) -> None:
    type_in(keyboard, "hi there. so? yes!no 3.5 ok")
    assert keyboard.text == "Hi there. So? Yes!no 3.5 ok"


def test_shift_goes_from_one_capital_to_all_and_off(keyboard: Keyboard) -> None:
    type_in(keyboard, "a ")
    assert keyboard.shift is Shift.OFF
    keyboard.press_shift()
    assert keyboard.suggestions[0] == "Hello"
    type_in(keyboard, "bb ")
    keyboard.press_shift()
    keyboard.press_shift()
    assert keyboard.suggestions[0] == "HELLO"
    type_in(keyboard, "cc")
    keyboard.press_shift()
    type_in(keyboard, "d")
    assert keyboard.text == "A Bb CCd"


def test_a_sentence_may_start_small_if_shift_is_pressed(keyboard: Keyboard) -> None:
    keyboard.press_shift()
    type_in(keyboard, "h")
    assert keyboard.text == "h"
    assert keyboard.suggestions[0] == "hello"


def test_english_i_is_a_capital(keyboard: Keyboard) -> None:
    type_in(keyboard, "so i")
    assert keyboard.suggestions == ["I'm"]


@pytest.mark.parametrize("letter", ["ß", "ı", "ŉ", "字", "😀", "я"])
def test_shift_changes_only_letters_with_a_capital_of_their_own(keyboard: Keyboard, letter: str) -> None:
    keyboard.press(letter)
    assert keyboard.text == ("Я" if letter == "я" else letter)


@pytest.mark.parametrize("sign", ["x", "é", "e\u0301", "😀", "👍🏽", "❤️", "👩‍👩‍👧", "🇩🇪", "1️⃣"])
def test_backspace_takes_what_looks_like_one_character(keyboard: Keyboard, sign: str) -> None:
    keyboard.text = "ab 🇫🇷😀" + sign
    keyboard.backspace()
    assert keyboard.text == "ab 🇫🇷😀"


def test_enter_sends_clears_and_counts_characters(keyboard: Keyboard, sent: list[str]) -> None:
    type_in(keyboard, "ok ")
    keyboard.take("hello")
    assert keyboard.enter() == "Ok hello"
    assert (keyboard.text, sent) == ("", ["Ok hello"])
    assert keyboard.typing.keystrokes == 4
    assert keyboard.typing.characters == 8


def test_enter_without_text_sends_nothing(keyboard: Keyboard, sent: list[str]) -> None:
    type_in(keyboard, "  ")
    assert keyboard.enter() == ""
    assert sent == []


def test_backspace_in_an_empty_text_does_nothing(keyboard: Keyboard) -> None:
    keyboard.backspace()
    assert (keyboard.text, keyboard.typing.keystrokes) == ("", 0)


ACTIONS = st.one_of(
    st.tuples(st.just("press"), st.sampled_from([*"abzé5.,!?('", "字"])),
    st.tuples(st.sampled_from(["space", "backspace"]), st.none()),
    st.tuples(st.just("take"), st.sampled_from(WORDS)),
)


@given(st.lists(ACTIONS, max_size=40))
def test_the_text_is_that_of_a_plain_text_field(actions: list[tuple[str, str | None]]) -> None:
    keyboard = Keyboard(suggest, lambda _text: None)
    field, waits = "", False
    for action, value in actions:
        if action == "press":
            keyboard.press(value)
            field = (field[:-1] if waits and value in PUNCTUATION else field) + value
        elif action == "space":
            if field[-1:] == " " and not waits:
                continue  # it may make a full stop
            keyboard.space()
            field += "" if waits else " "
        elif action == "backspace":
            keyboard.backspace()
            field = field[:-1]
        else:
            prefix = keyboard.prefix
            assert keyboard.text.endswith(prefix)
            keyboard.take(value)
            field = field[: len(field) - len(prefix)] + value + " "
        waits = action == "take"
        assert keyboard.text.lower() == field.lower()
        assert all(s.lower().startswith(keyboard.prefix.lower()) for s in keyboard.suggestions)
