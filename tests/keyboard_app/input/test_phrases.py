"""Offers of several words are taken word by word or whole, by one keystroke."""

from collections.abc import Generator

import pytest

from data.generators import result_of
from keyboard_app.device import Device
from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.offers import Kind, Offer
from tests.model.device.suggesting.test_reading import Counting

FOLLOWING = {"see": ["you", "there"], "you": ["there"]}


@pytest.fixture
def keyboard() -> Keyboard:
    def suggest(_context: str, prefix: str) -> list[str]:
        return [word for word in ("see", "you", "there") if word.startswith(prefix.lower())]

    def continue_word(_context: str, word: str) -> Generator[None, None, list[str]]:
        yield
        return FOLLOWING.get(word.lower(), [])

    return Keyboard(suggest, lambda _text: None, continue_word=continue_word)


def offers(keyboard: Keyboard) -> list[Offer]:
    return result_of(keyboard.continuing(keyboard.strip))


def test_an_offer_is_taken_by_its_first_word_or_whole(keyboard: Keyboard) -> None:
    best = offers(keyboard)[0]
    assert best == Offer("See", Kind.NEXT, rest="you there"), "a capital starts the sentence"
    keyboard.take_offer(best)
    assert keyboard.text == "See "
    keyboard.text = ""
    keyboard.take_offer(best, whole=True)
    assert (keyboard.text, keyboard.message_keystrokes, keyboard.space_waits) == ("See you there ", 1, True)
    keyboard.press(".")
    assert keyboard.text == "See you there."


def test_the_rest_can_be_taken_at_once_afterwards(keyboard: Keyboard) -> None:
    assert not keyboard.take_rest()
    keyboard.take_offer(offers(keyboard)[0])
    assert keyboard.take_rest()
    assert (keyboard.text, keyboard.message_keystrokes) == ("See you there ", 2)
    assert not keyboard.take_rest(), "it is taken"
    keyboard.take_offer(offers(keyboard)[0])
    keyboard.press("x")
    assert not keyboard.take_rest(), "something was typed in between"


def test_a_begun_word_is_completed_with_its_phrase(keyboard: Keyboard) -> None:
    for key in "se":
        keyboard.press(key)
    typed, best = offers(keyboard)
    assert (typed.rest, best.text, best.rest) == ("", "See", "you there")
    keyboard.take_offer(best, whole=True)
    assert (keyboard.text, keyboard.message_keystrokes) == ("See you there ", 3)


def test_in_the_middle_of_a_text_the_phrase_stands_before_the_rest(keyboard: Keyboard) -> None:
    keyboard.text = "I will see now"
    keyboard.move_to(len("I will se"))
    keyboard.take_offer(Offer("see", Kind.NEXT, rest="you there"), whole=True)
    assert keyboard.text == "I will see you there now", "the word at the cursor is replaced"


def test_locked_capitals_apply_to_all_words(keyboard: Keyboard) -> None:
    keyboard.press_shift()
    keyboard.press_shift()
    assert offers(keyboard)[0] == Offer("SEE", Kind.NEXT, rest="YOU THERE")


def test_the_typed_word_and_emoji_are_not_continued(keyboard: Keyboard) -> None:
    shown = [Offer("see", Kind.TYPED), Offer("\U0001f355", Kind.EMOJI)]
    assert result_of(keyboard.continuing(shown)) == shown


def test_phrases_cost_a_key_no_step_of_a_network(device: Device) -> None:
    """The steps of each key are the same whether phrases were read before it or not, and a taken phrase needs none."""
    for _ in range(20):
        device.models.ngram.learn("meet me at the climbing hall tonight")
    program = Counting(device.models._reader._network)
    device.models._reader._network = program  # type: ignore[assignment]
    steps: dict[bool, list[int]] = {}
    for with_phrases in (False, True):
        keyboard, steps[with_phrases] = device.keyboard, []
        keyboard.text = ""
        device.read_ahead()
        for key in "meet me at ":
            before = program.steps
            keyboard.press(key)
            shown = keyboard.strip
            steps[with_phrases].append(program.steps - before)
            device.read_ahead()
            if with_phrases:
                result_of(keyboard.continuing(shown))
    assert all(later <= earlier for earlier, later in zip(steps[False], steps[True], strict=True))
    phrase = next(
        offer for offer in result_of(device.keyboard.continuing(device.keyboard.strip)) if offer.text == "the"
    )
    assert phrase.rest == "climbing hall tonight"
    before = program.steps
    device.keyboard.take_offer(phrase, whole=True)
    assert device.keyboard.strip
    assert program.steps == before
