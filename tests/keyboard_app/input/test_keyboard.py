import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.tokenizer import PUNCTUATION
from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.offers import Kind, Offer
from keyboard_app.input.shift import Shift
from keyboard_app.input.text_field import Move

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


def test_a_suggestion_replaces_the_prefix_and_adds_a_space(keyboard: Keyboard) -> None:
    type_in(keyboard, "Well, he")
    keyboard.take(keyboard.suggestions[0])
    assert keyboard.text == "Well, hello "
    assert keyboard.typing.keystrokes == 9


@pytest.mark.parametrize("mark", sorted(PUNCTUATION))
def test_punctuation_replaces_the_space_of_a_suggestion(keyboard: Keyboard, mark: str) -> None:
    keyboard.take("hello")
    keyboard.press(mark)
    assert keyboard.text == "hello" + mark


def test_punctuation_keeps_a_typed_space(keyboard: Keyboard) -> None:
    keyboard.take("hello")
    keyboard.space()
    keyboard.press("!")
    assert keyboard.text == "hello !"


def test_other_symbols_and_words_keep_the_space_of_a_suggestion(keyboard: Keyboard) -> None:
    keyboard.take("hello")
    keyboard.press("(")
    assert keyboard.text == "hello ("


def test_a_space_after_a_suggestion_is_not_doubled_and_backspace_deletes_it(keyboard: Keyboard) -> None:
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


def test_shift_cycles_through_one_capital_all_capitals_and_off(keyboard: Keyboard) -> None:
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


def test_shift_makes_a_sentence_start_in_lower_case(keyboard: Keyboard) -> None:
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
def test_backspace_deletes_one_visible_character(keyboard: Keyboard, sign: str) -> None:
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


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        ("Say h", "e again", "Say hello |again"),
        ("hel", "lo there", "hello |there"),
        ("hel", "lo.", "hello|."),
        ("(hel", ")", "(hello|)"),
        ("hel", "\nthere", "hello |\nthere"),
        ("so ", "there", "so hello |there"),
        ("so ", "", "so hello |"),
    ],
)
def test_a_suggestion_in_the_middle_replaces_the_whole_word(
    keyboard: Keyboard, before: str, after: str, taken: str
) -> None:
    keyboard.text = before + after
    keyboard.move_to(len(before))
    assert keyboard.prefix == ("" if before.endswith(" ") else before[before.rfind("h") :])
    keyboard.take("hello")
    assert keyboard.text[: keyboard.cursor] + "|" + keyboard.text[keyboard.cursor :] == taken


def test_suggestions_follow_the_cursor() -> None:
    asked: list[tuple[str, str]] = []

    def suggest(context: str, prefix: str) -> list[str]:
        asked.append((context, prefix))
        return []

    keyboard = Keyboard(suggest, lambda _text: None)
    keyboard.text = "we saw the house"
    keyboard.move_to(9)
    assert keyboard.suggestions == []
    keyboard.move(Move.WORD_LEFT)
    assert keyboard.suggestions == []
    keyboard.move_to(3)
    keyboard.move_to(6, extend=True)
    assert keyboard.suggestions == []
    assert asked == [("we saw ", "th"), ("we saw ", ""), ("we ", "")]


def test_the_context_is_the_end_of_a_very_long_text() -> None:
    asked: list[str] = []

    def suggest(context: str, _prefix: str) -> list[str]:
        asked.append(context)
        return []

    keyboard = Keyboard(suggest, lambda _text: None)
    for length in (3_990, 100_100, 100_200, 101_900):
        keyboard.text = text = ("so it goes " * 10_000)[:length]
        assert keyboard.suggestions == []
        assert (text.endswith(asked[-1] + keyboard.prefix), len(asked[-1]) < 4_000) == (True, True)
    assert len(asked[0]) > 3_980, "a message of ordinary length is read whole"
    assert asked[2].startswith(asked[1])
    assert asked[3].startswith(asked[2])


def test_punctuation_inside_a_line_keeps_the_space_between_two_words(keyboard: Keyboard) -> None:
    keyboard.text = "hel there"
    keyboard.move_to(3)
    keyboard.take("hello")
    keyboard.press(",")
    assert keyboard.text == "hello, there"
    assert keyboard.cursor == 6


def test_two_spaces_after_a_word_become_a_full_stop(keyboard: Keyboard) -> None:
    type_in(keyboard, "hi  so  ")
    assert keyboard.text == "Hi. So. "
    type_in(keyboard, "  ")
    assert keyboard.text == "Hi. So.   "
    keyboard.text = "hi"
    keyboard.space()
    keyboard.move(Move.LEFT)
    keyboard.move(Move.RIGHT)
    keyboard.space()
    assert keyboard.text == "hi  "
    keyboard.text = ""
    keyboard.take("hello")
    type_in(keyboard, "  ")
    assert keyboard.text == "hello. "


def test_sentences_start_with_a_capital_wherever_the_cursor_is(keyboard: Keyboard) -> None:
    keyboard.text = "one. two"
    keyboard.move_to(5)
    at_start = keyboard.shift
    keyboard.move(Move.RIGHT)
    assert (at_start, keyboard.shift) == (Shift.ONCE, Shift.OFF)
    keyboard.select_all()
    keyboard.press("x")
    assert keyboard.text == "X"


def test_a_selection_is_replaced_cut_and_deleted(keyboard: Keyboard) -> None:
    keyboard.text = "one two three"
    keyboard.select_word(5)
    assert (keyboard.copy(), keyboard.selection) == ("two", (4, 7))
    keyboard.press("x")
    assert keyboard.text == "one x three"
    keyboard.move_to(3)
    keyboard.move_to(5, extend=True)
    assert keyboard.cut() == " x"
    assert keyboard.cut() == ""
    keyboard.paste("\x00\t2\r\n\ud800")
    assert keyboard.text == "one 2\n three"
    keyboard.move(Move.START)
    keyboard.move(Move.WORD_RIGHT, extend=True)
    keyboard.backspace()
    assert keyboard.text == " 2\n three"
    keyboard.backspace()
    keyboard.move(Move.END)
    keyboard.backspace(Move.WORD_LEFT)
    keyboard.backspace(Move.RIGHT)
    assert keyboard.text == " 2\n "
    keyboard.move(Move.LINE_START)
    keyboard.backspace(Move.RIGHT)
    assert keyboard.text == " 2\n"


def test_keys_count_as_keystrokes_and_moves_do_not(keyboard: Keyboard) -> None:
    type_in(keyboard, "ab c")
    keyboard.move(Move.LEFT)
    keyboard.select_all()
    keyboard.copy()
    keyboard.press_shift()
    assert keyboard.typing.keystrokes == 4
    keyboard.paste("pasted")
    keyboard.move(Move.START)
    keyboard.backspace()
    assert keyboard.typing.keystrokes == 5


def test_a_double_tap_locks_capitals_and_two_slow_taps_do_not() -> None:
    now = [0.0]
    keyboard = Keyboard(suggest, lambda _text: None, clock=lambda: now[0])
    keyboard.text = "a"

    def tap(later: float) -> Shift:
        now[0] += later
        keyboard.press_shift()
        return keyboard.shift

    assert [tap(9), tap(0.1), tap(0.1), tap(9), tap(9), tap(9), tap(0.1)] == [
        *(Shift.ONCE, Shift.LOCKED, Shift.OFF, Shift.ONCE, Shift.OFF, Shift.ONCE, Shift.LOCKED)
    ]
    keyboard.text = "One. "  # shift is on already
    assert [keyboard.shift, tap(9), tap(0.1)] == [Shift.ONCE, Shift.OFF, Shift.LOCKED]


SLIPS = {"teh": "the", "im": "i'm"}


@pytest.fixture
def corrector() -> Keyboard:
    return Keyboard(suggest, lambda _text: None, lambda _context, word: SLIPS.get(word.lower()))


@pytest.mark.parametrize("end", [" ", *(f"{mark} " for mark in sorted(PUNCTUATION)), '." ', "?! ", ") "])
def test_a_typo_is_corrected_once_its_word_has_ended_and_backspace_undoes_that(corrector: Keyboard, end: str) -> None:
    reported: list[str] = []
    corrector.choices.on_insist = reported.append
    type_in(corrector, "so teh" + end[:-1])
    assert corrector.text == "So teh" + end[:-1], "the word may go on"
    corrector.space()
    assert corrector.text == "So the" + end
    corrector.backspace()
    assert corrector.text == "So teh" + end
    assert corrector.cursor == len(corrector.text)
    assert (corrector.choices.preferences.insisted, reported) == ({"teh"}, ["teh"])
    corrector.backspace()
    corrector.space()
    assert corrector.text == "So teh" + end, "a word that was insisted on stays"
    corrector.backspace()
    assert corrector.text == "So teh" + end[:-1], "there is nothing to undo"


@pytest.mark.parametrize("marks", ["''", "‘’", '""', "()", "“”"])
def test_a_word_in_quotation_marks_is_corrected_and_keeps_them(corrector: Keyboard, marks: str) -> None:
    type_in(corrector, f"so {marks[0]}teh{marks[1]} ")
    assert corrector.text.lower() == f"so {marks[0]}the{marks[1]} "


@given(st.text("teh", min_size=1, max_size=4), st.sampled_from(".,!?"), st.text("ab=/:5@", min_size=1, max_size=5))
def test_what_goes_on_after_punctuation_stays(word: str, mark: str, rest: str) -> None:
    keyboard = Keyboard(suggest, lambda _text: None, lambda _context, _word: "corrected")
    type_in(keyboard, word + mark + rest)
    assert keyboard.text.lower() == word + mark + rest
    keyboard.space()
    assert keyboard.text.lower() == word + mark + rest + " "


def test_a_word_before_punctuation_at_the_end_is_corrected_by_enter(corrector: Keyboard) -> None:
    type_in(corrector, "so teh.")
    assert corrector.enter() == "So the."


def test_a_letter_after_punctuation_that_replaced_a_space_is_parted_from_it(corrector: Keyboard) -> None:
    for end, text in (
        (".", "Hello. A"),
        (",", "Hello, a"),
        ("...", "Hello... a"),
        (".)", "Hello.)a"),
        (".5", "Hello.5"),
    ):
        corrector.text = ""
        corrector.take("Hello")
        type_in(corrector, end + "a" * (end != ".5"))
        assert corrector.text == text
    corrector.text = ""
    corrector.take("Hello")
    type_in(corrector, ".")
    corrector.take(corrector.suggestions[0])
    assert corrector.text.startswith("Hello. ")


@pytest.mark.parametrize(
    ("keys", "text"),
    [('"hi"  ', '"Hi". '), ('"hi."  ', '"Hi."  '), ("hi.  ", "Hi.  "), ("(hi)  ", "(hi). "), ("hi  a", "Hi. A")],
)
def test_a_second_space_ends_a_sentence_that_has_no_end(keyboard: Keyboard, keys: str, text: str) -> None:
    type_in(keyboard, keys)
    assert keyboard.text == text


@given(st.text("abÄé1 ._-'\"(", max_size=12))
def test_a_physical_keyboard_types_what_is_typed(text: str) -> None:
    keyboard = Keyboard(suggest, lambda _text: None)
    for character in text:
        if character != " ":
            keyboard.press(character, as_typed=True)
    assert keyboard.text == text.replace(" ", "")


def test_automatic_capitals_can_be_switched_off(keyboard: Keyboard) -> None:
    keyboard.capitalizes = False
    type_in(keyboard, "hi. so")
    assert keyboard.text == "hi. so"
    keyboard.press_shift()
    type_in(keyboard, "me")
    assert keyboard.text == "hi. soMe"
    keyboard.capitalizes = True
    keyboard.text = ""
    type_in(keyboard, "hi")
    assert keyboard.text == "Hi"


def test_only_the_next_key_undoes_a_correction(corrector: Keyboard) -> None:
    type_in(corrector, "teh a")
    corrector.backspace()
    corrector.backspace()
    assert corrector.text == "The"


def test_a_correction_has_the_casing_of_what_was_typed(corrector: Keyboard) -> None:
    type_in(corrector, "a Teh im ")
    corrector.press("T")
    corrector.press("E")
    corrector.press("H")
    corrector.space()
    assert corrector.text == "A The I'm THE "


@pytest.mark.parametrize("text", ["5teh", "@teh", "x.teh", "a-teh", "/teh", "a_teh"])
def test_a_part_of_a_longer_string_is_not_corrected(corrector: Keyboard, text: str) -> None:
    corrector.text = text
    assert corrector.correction is None
    corrector.space()
    assert corrector.text == text + " "


@pytest.mark.parametrize(("text", "cursor"), [("tehran", 3), ("teh", 2), ("teh", 0)])
def test_nothing_is_corrected_in_the_middle_of_a_word(corrector: Keyboard, text: str, cursor: int) -> None:
    corrector.text = text
    corrector.move_to(cursor)
    corrector.space()
    assert corrector.text == text[:cursor] + " " + text[cursor:]


def test_a_message_is_sent_as_it_was_typed(corrector: Keyboard) -> None:
    type_in(corrector, "teh")
    assert corrector.enter() == "Teh"


def test_corrections_can_be_switched_off(corrector: Keyboard) -> None:
    corrector.autocorrects = False
    type_in(corrector, "teh ")
    assert corrector.text == "Teh "


def test_the_typed_word_is_always_offered_and_taking_it_insists_on_it(corrector: Keyboard) -> None:
    type_in(corrector, "so teh")
    assert corrector.strip == [Offer("teh", Kind.TYPED), Offer("the", Kind.CORRECTION, applied=True)]
    corrector.take_offer(corrector.strip[0])
    assert corrector.text == "So teh "
    assert corrector.choices.preferences.insisted == {"teh"}
    type_in(corrector, "teh ")
    assert corrector.text == "So teh teh "
    type_in(corrector, "he")
    assert corrector.strip == [Offer("he", Kind.TYPED), Offer("hello", Kind.COMPLETION)]
    corrector.take("hello")
    assert [offer.kind for offer in corrector.strip] == [Kind.NEXT] * 3


def test_a_word_is_offered_once(corrector: Keyboard) -> None:
    type_in(corrector, "so hello")
    assert corrector.strip == [Offer("hello", Kind.TYPED)]


def test_a_forgotten_word_comes_back_when_it_is_insisted_on(corrector: Keyboard) -> None:
    reported: list[str] = []
    corrector.choices.on_forget, corrector.choices.on_remember = reported.append, reported.append
    corrector.choices.forget("Hello")
    assert (corrector.choices.preferences.forgotten, reported) == ({"hello"}, ["hello"])
    type_in(corrector, "so hello")
    corrector.take_offer(corrector.strip[0])
    assert (corrector.choices.preferences.forgotten, reported) == (set(), ["hello", "hello"])
    corrector.choices.forget("teh")
    corrector.choices.preferences.insisted.add("teh")
    type_in(corrector, "teh ")
    assert corrector.text == "So hello the ", "a typo that was learned as a word and then forgotten"


def test_an_emoji_is_inserted_after_its_word() -> None:
    keyboard = Keyboard(suggest, lambda _text: None, emoji_for={"pizza": "🍕"}.get)
    type_in(keyboard, "a pizza")
    assert keyboard.strip[-1] == Offer("🍕", Kind.EMOJI)
    keyboard.take_offer(keyboard.strip[-1])
    assert keyboard.text == "A pizza 🍕 "
    assert keyboard.typing.keystrokes == 8
    type_in(keyboard, "pizza ")
    keyboard.take_offer(keyboard.strip[-1])
    assert keyboard.text == "A pizza 🍕 pizza 🍕 "
    assert all(offer.kind is not Kind.EMOJI for offer in keyboard.strip)
    keyboard.text = "pizza."
    assert all(offer.kind is not Kind.EMOJI for offer in keyboard.strip)
    keyboard.text = "pizza now"
    keyboard.move_to(2)
    keyboard.take_offer(keyboard.strip[-1])
    assert keyboard.text == "pizza 🍕 now"


@given(
    st.lists(st.sampled_from([*"ahe'.,( 5é", "backspace", "take", "left", "shift"]), max_size=15),
    st.sampled_from("ahé"),
)
def test_what_a_letter_leads_to_is_known_before_it_is_typed(keys: list[str], letter: str) -> None:
    asked: list[tuple[str, str]] = []

    def suggest_and_note(context: str, prefix: str) -> list[str]:
        asked.append((context.rstrip(), prefix.lower()))
        return suggest(context, prefix)

    keyboard = Keyboard(suggest_and_note, lambda _text: None)
    acts = {
        "backspace": keyboard.backspace,
        "left": lambda: keyboard.move(Move.LEFT),
        "shift": keyboard.press_shift,
        "take": lambda: keyboard.take("there"),
    }
    for key in keys:
        acts.get(key, lambda key=key: type_in(keyboard, key))()
    context, prefix = keyboard.begun_by(letter)
    keyboard.press(letter)
    _ = keyboard.suggestions
    if prefix:
        assert asked[-1] == (context.rstrip(), prefix.lower())
