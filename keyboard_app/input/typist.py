"""A perfect typist: takes each word as soon as it is suggested and never makes a typo."""

import time

from data.tokenizer import PUNCTUATION, normalize, tokenize
from keyboard_app.input.keyboard import CLOSING, Keyboard
from model.device.metrics import Typing

_ENDS = {" ", *PUNCTUATION}  # a key that ends a word, which makes the keyboard correct it


def type_message(keyboard: Keyboard, text: str) -> tuple[Typing, list[float]]:
    """Types and sends a message, in lower case and with white space collapsed, as in `model.device.metrics.type_message`.

    Before the keyboard would correct a word, the typist takes the word as typed from the strip, which insists on it. That
    keystroke is not counted: the definition of the keystroke savings rate has no corrections. A space that the keyboard drops
    before punctuation still counts as a character.

    Returns:
      The keystrokes and characters of the text, and the seconds that each computation of suggestions took.
    """
    text = " ".join(text.lower().split())
    seconds: list[float] = []
    keystrokes_before, insisted, end = keyboard.typing.keystrokes, 0, 0
    for token in tokenize(text):
        insisted += _type_between(keyboard, text[end : token.start], token.text)
        if token.text in PUNCTUATION:
            insisted += _press(keyboard, token.text)
        else:
            _type_word(keyboard, token.text, seconds)
        end = token.start + len(token.text)
    insisted += _type_between(keyboard, text[end:], "")
    keystrokes = keyboard.typing.keystrokes - keystrokes_before - insisted
    keyboard.enter()
    return Typing(keystrokes, len(text)), seconds


def _type_between(keyboard: Keyboard, between: str, token: str) -> int:
    """Types the text between two tokens, given the second one; returns the keystrokes that do not count."""
    apart = between.startswith(" ")
    if keyboard.space_waits:
        if apart:
            between = between[1:]
        elif between or (token and token not in PUNCTUATION):
            keyboard.backspace()
    if not apart and not keyboard.space_waits:
        keyboard.move_to(keyboard.cursor)  # so that no space parts a letter from the punctuation before it
    return sum(_press(keyboard, character) for character in between)


def _press(keyboard: Keyboard, character: str) -> int:
    """Presses a key; returns the keystrokes that do not count, by which the word before it had to be insisted on first."""
    insisting = 0
    if (character in _ENDS or character in CLOSING) and keyboard.correction is not None:
        keyboard.take(keyboard.word)  # adds a space, which the next key replaces or is
        insisting = 1
        if character not in _ENDS and keyboard.space_waits:
            keyboard.backspace()
            insisting = 2
    keyboard.press(character)
    return insisting


def _type_word(keyboard: Keyboard, word: str, seconds: list[float]) -> None:
    for letter in word:
        started = time.perf_counter()
        suggestions = keyboard.suggestions
        seconds.append(time.perf_counter() - started)
        for suggestion in suggestions:
            if normalize(suggestion) == normalize(word):
                keyboard.take(suggestion)
                return
        keyboard.press(letter)
