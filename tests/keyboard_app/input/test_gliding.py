"""Glided words in the text, and which words a glide means by the models of a keyboard."""

from collections.abc import Callable
from itertools import pairwise
from threading import Event, Thread

import numpy as np
import pytest

from keyboard_app.device import Device
from keyboard_app.input.gliding import Gliding, has_left
from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.offers import Kind
from keyboard_app.input.text_field import Move
from model.device.gliding.geometry import KeyGeometry, qwerty
from model.device.gliding.gesture import Gesture

WORDS = ["good", "god", "food", "hood"]


@pytest.fixture
def keyboard() -> Keyboard:
    def suggest(_context: str, prefix: str) -> list[str]:
        return [word for word in ("hello", "so") if word.startswith(prefix.lower())]

    return Keyboard(suggest, lambda _text: None, lambda _context, word: {"teh": "the", "so": "no"}.get(word))


def typed(keyboard: Keyboard, keys: str) -> None:
    for key in keys:
        keyboard.press(key)


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("", "Good"),  # a sentence starts
        ("So ", "So good"),
        ("So. ", "So. Good"),
        ("So.", "So. Good"),  # the space comes by itself, and the capital with it
        ("It is", "It is good"),
        ("It is (", "It is (good"),
        ("It is\n", "It is\nGood"),
    ],
)
def test_a_word_stands_apart_from_what_is_before_it(keyboard: Keyboard, before: str, text: str) -> None:
    keyboard.text = before
    assert keyboard.glide(WORDS)
    assert (keyboard.text, keyboard.cursor) == (text, len(text))


def test_words_before_and_behind_it(keyboard: Keyboard) -> None:
    keyboard.text = "so  now"
    keyboard.move_to(3)
    keyboard.glide(WORDS)
    assert keyboard.text == "so good now"
    keyboard.text = "so now"
    keyboard.move_to(3)
    keyboard.glide(WORDS)
    assert keyboard.text == "so good now"
    keyboard.backspace()
    assert (keyboard.text, keyboard.cursor) == ("so now", 3)
    keyboard.text = "something else"
    keyboard.move_to(4)
    keyboard.glide(WORDS)
    assert keyboard.text == "something good else", "a word is not torn apart"


def test_a_selection_is_replaced(keyboard: Keyboard) -> None:
    keyboard.text = "it is bad now"
    keyboard.move_to(6)
    keyboard.move_to(9, extend=True)
    keyboard.glide(WORDS)
    assert keyboard.text == "it is good now"


def test_glided_words_follow_each_other_and_tapped_letters(keyboard: Keyboard) -> None:
    typed(keyboard, "It is teh")
    keyboard.glide(WORDS)
    assert keyboard.text == "It is the good", "the tapped word has ended, so that it is corrected"
    keyboard.glide(["so"])
    assert keyboard.text == "It is the good so"
    keyboard.press("x")
    assert keyboard.text == "It is the good so x", "a tapped letter begins another word"
    keyboard.glide(["so"])
    typed(keyboard, ", y")
    assert keyboard.text == "It is the good so x so, y"


def test_a_glided_word_is_not_corrected(keyboard: Keyboard) -> None:
    keyboard.glide(["so"])
    typed(keyboard, " ")
    assert keyboard.text == "So "
    keyboard.glide(["so"])
    typed(keyboard, ". ")
    assert keyboard.text == "So so. "


def test_the_strip_offers_three_others_and_a_tap_replaces_the_word(keyboard: Keyboard) -> None:
    keyboard.text = "It is "
    keyboard.glide(["good", "god", "food", "hood", "goods"])
    assert [(offer.text, offer.kind) for offer in keyboard.strip] == [(w, Kind.GLIDED) for w in ("god", "food", "hood")]
    keyboard.take_offer(keyboard.strip[1])
    assert (keyboard.text, keyboard.space_waits) == ("It is food ", True)
    keyboard.press(".")
    assert keyboard.text == "It is food."
    assert all(offer.kind is not Kind.GLIDED for offer in keyboard.strip)


def test_backspace_takes_the_whole_word_away_and_the_next_glide_is_another_word(keyboard: Keyboard) -> None:
    keyboard.text = "It is"
    for word in (*WORDS, WORDS[0]):
        keyboard.glide(WORDS)
        assert keyboard.text == f"It is {word}"
        keyboard.backspace()
        assert keyboard.text == "It is"
        assert keyboard.glide_candidates > 4, "the refused ones are asked for as well"
    keyboard.press("x")
    keyboard.glide(WORDS)
    assert keyboard.text == "It isx good", "something else was typed in between"
    keyboard.backspace(Move.WORD_LEFT)
    assert keyboard.text == "It isx "
    keyboard.glide(WORDS)
    keyboard.move(Move.LEFT)
    keyboard.backspace()
    assert keyboard.text == "It isx god", "after the cursor has moved, backspace deletes letters again"


def test_the_space_of_a_suggestion_still_waits_once_a_glide_is_taken_away(keyboard: Keyboard) -> None:
    keyboard.take("hello")
    keyboard.glide(WORDS)
    assert keyboard.text == "hello good"
    keyboard.backspace()
    keyboard.press(",")
    assert keyboard.text == "hello,"


def test_capitals_are_those_of_the_shift_key(keyboard: Keyboard) -> None:
    keyboard.text = "it is "
    keyboard.press_shift()
    keyboard.glide(WORDS)
    assert keyboard.text == "it is Good"
    keyboard.press_shift()
    keyboard.press_shift()
    keyboard.glide(WORDS)
    assert keyboard.text == "it is Good GOOD"
    assert [offer.text for offer in keyboard.strip] == ["GOD", "FOOD", "HOOD"]


def test_a_glide_saves_no_keystroke(keyboard: Keyboard) -> None:
    """The savings rate tells what suggestions save; a glide counts as the keys that it stands for."""
    keyboard.glide(["so"])
    keyboard.glide(["good"])
    assert keyboard.message_keystrokes == len("So good")
    keyboard.take_offer(keyboard.strip[0]) if keyboard.strip else None
    keyboard.backspace()
    assert keyboard.message_keystrokes == len("So good") + 1


def test_a_glide_without_a_word_changes_nothing(keyboard: Keyboard) -> None:
    keyboard.text = "so"
    assert not keyboard.glide([])
    assert keyboard.text == "so"


BOX = (100.0, 50.0, 40.0, 56.0)


@pytest.mark.parametrize(
    ("start", "end", "glides"),
    [
        ((120, 80), (138, 80), False),  # within the key
        ((120, 80), (143, 80), False),  # hardly beyond it
        ((120, 80), (150, 80), True),
        ((139, 80), (147, 80), False),  # a finger at the edge has only rolled
        ((139, 80), (165, 80), True),
        ((120, 80), (120, 120), True),
        ((120, 80), (120, 20), True),
        ((120, 80), (90, 80), True),
    ],
)
def test_a_finger_glides_once_it_has_left_its_key(
    start: tuple[float, float], end: tuple[float, float], glides: bool
) -> None:
    assert has_left(BOX, start, *end) is glides


def over(geometry: KeyGeometry, word: str) -> Gesture:
    """Returns a gesture straight from key to key."""
    boxes = [geometry.boxes[letter] for letter in word]
    places = [(x + w / 2, y + h / 2) for x, y, w, h in boxes]
    steps = [np.linspace(one, other, 12) for one, other in pairwise(places)]
    points = np.concatenate(steps)
    return Gesture(points[:, 0], points[:, 1], np.arange(len(points)) * 12.0)


@pytest.fixture
def glide(device: Device) -> Callable[..., list[str]]:
    geometry = qwerty(0, 0, 400, 168)
    device.gliding.use_keys(geometry.boxes)
    return lambda word, context="": device.gliding.words(over(geometry, word), context)


def test_a_glide_means_a_word_of_the_vocabulary(glide: Callable[..., list[str]]) -> None:
    for word in ("good", "think", "climbing", "clothes", "they"):
        assert glide(word)[0] == word
    assert len(glide("clothes")) == 4


def test_apostrophes_and_usual_capitals_come_by_themselves(glide: Callable[..., list[str]]) -> None:
    assert glide("dont")[0] == "don't"


def test_words_of_the_person_are_glided_once_they_are_suggested(
    device: Device, glide: Callable[..., list[str]]
) -> None:
    assert "zebra" not in glide("zebra")
    device.models.ngram.learn("zebra")
    device.models.ngram.learn("the zebra")
    assert glide("zebra", "the ")[0] == "zebra"


def test_a_forgotten_word_is_not_glided(device: Device, glide: Callable[..., list[str]]) -> None:
    device.keyboard.choices.forget("good")
    assert "good" not in glide("good")


def test_it_follows_the_keys_and_the_models(device: Device, glide: Callable[..., list[str]]) -> None:
    assert glide("good")[0] == "good"
    small = qwerty(10, 20, 200, 300)
    device.gliding.use_keys(small.boxes)
    assert device.gliding.words(over(small, "good"), "")[0] == "good"
    device.models.use_messages(["my zebra"] * 3)
    assert device.gliding.words(over(small, "zebra"), "my ")[0] == "zebra"
    device.gliding.use_keys({"1": (0, 0, 5, 5)})
    assert device.gliding.words(over(small, "good"), "") == [], "no letter has a key"


def test_the_prior_is_worked_out_while_the_finger_glides(
    device: Device, glide: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = glide("good", "so ")
    asked: list[str] = []
    prior = device.models.log_prior

    def counted(context: str) -> np.ndarray:
        asked.append(context)
        return prior(context)

    monkeypatch.setattr(device.models, "log_prior", counted)
    gesture = over(qwerty(0, 0, 400, 168), "go")
    next(device.gliding.foresee(gesture, "so ", 4))
    assert (asked, glide("good", "so "), asked) == (["so "], expected, ["so "])
    next(device.gliding.foresee(gesture, "so ", 4))
    glide("good", "but ")
    assert asked == ["so ", "so ", "but "], "the text has changed since"


def test_a_glide_does_not_wait_for_decoders_of_a_newer_hand(device: Device, glide: Callable[..., list[str]]) -> None:
    expected, built = glide("good"), Event()
    device.gliding._building = Thread(target=built.wait, daemon=True)
    device.gliding._building.start()
    try:
        assert glide("good") == expected
        assert device.gliding._building.is_alive()
    finally:
        built.set()


def test_before_the_keys_are_known_no_glide_means_a_word(device: Device) -> None:
    assert Gliding(device.models, device.touches).words(Gesture([0, 9], [0, 9], [0, 9]), "") == []


def test_what_is_decoded_before_the_finger_is_lifted_is_what_it_means_afterwards(
    device: Device, glide: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = qwerty(0, 0, 400, 168)
    device.models.ngram.learn("the zebra likes the zebra")
    for word, context in (("good", "so "), ("zebra", "the "), ("they", "")):
        expected = glide(word, context)
        gesture, other = over(geometry, word), over(geometry, word + "s")
        for begun, steps in ((other, 9), (gesture, 1), (gesture, 9)):  # lifted elsewhere, too early, and in time
            device.gliding.begin()
            for _, _ in zip(range(steps), device.gliding.foresee(begun, context, 4), strict=False):
                pass
            assert device.gliding.words(gesture, context) == expected
    list(device.gliding.foresee(gesture, "", 4))
    monkeypatch.setattr(device.models, "log_prior", lambda _context: pytest.fail("it is known"))
    assert device.gliding.words(over(geometry, "they"), "") == expected
