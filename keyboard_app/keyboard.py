"""The keyboard as a person uses it: keys in, text and suggestions out. Nothing here draws anything."""

import re
from collections.abc import Callable
from enum import Enum

from data.tokenizer import PUNCTUATION, restore_case, tokenize
from model.device.metrics import Typing

# What one backspace takes: a flag, or a sign with its variation selectors, accents and skin tones, joined to others or not.
_MARKS = "[\ufe0e\ufe0f\u20e3\u0300-\u036f\U0001f3fb-\U0001f3ff]*"
_LAST_CHARACTER = re.compile(rf"[\U0001f1e6-\U0001f1ff]{{2}}\Z|(?:.{_MARKS}\u200d)*.{_MARKS}\Z", re.DOTALL)
_LONGEST_CHARACTER = 32  # code points; keeps backspace quick in a long text


class Shift(Enum):
    """What the shift key does to the next letters."""

    OFF = "off"
    ONCE = "once"
    LOCKED = "locked"


class Keyboard:
    """A text with the cursor at its end, and the keys that change it.

    `suggest(context, prefix)` gives words for after the context that start with the prefix, best first; `send(text)` is told of
    each message. `typing` counts: a key or a suggestion is a keystroke, a character counts once it is sent, shift and enter
    count nothing. `space_waits` says that the space at the end came with a suggestion, and gives way to punctuation.
    """

    def __init__(self, suggest: Callable[[str, str], list[str]], send: Callable[[str], object]) -> None:
        self._suggest = suggest
        self._send = send
        self.typing = Typing()
        self._begin()

    def _begin(self) -> None:
        self.text = ""
        self.space_waits = False
        self.shift = Shift.OFF
        self._shift_by_position()

    @property
    def prefix(self) -> str:
        """What is typed of the word at the cursor; empty between words."""
        tail = self.text.rpartition(" ")[2]
        # The tokenizer knows: the word is still open if a letter or a digit would become part of it.
        for next_character in "a0":
            token = tokenize(tail + next_character)[-1]
            if token.start < len(tail):
                return tail[token.start :]
        return ""

    @property
    def suggestions(self) -> list[str]:
        """At most three words for the cursor, best first, in the casing they would be inserted with."""
        prefix = self.prefix
        words = self._suggest(self.text[: len(self.text) - len(prefix)], prefix)
        if self.shift is Shift.LOCKED:
            return [word.upper() for word in words]
        starts_capital = self.shift is Shift.ONCE and not prefix
        return [restore_case(word, prefix, starts_capital) for word in words]

    def press(self, character: str) -> None:
        """Types one character; shift makes a letter a capital, and punctuation swallows the space behind a suggestion."""
        self._count()
        if character in PUNCTUATION and self.space_waits:
            self.text = self.text[:-1]
        capital = character.upper()
        # Some letters have no capital of their own that leads back to them (ß, ı); they stay.
        if self.shift is not Shift.OFF and capital.lower() == character:
            character = capital
        self.text += character
        self._after_key()

    def space(self) -> None:
        """Types a space; behind a suggestion there is one already."""
        self._count()
        if not self.space_waits:
            self.text += " "
        self._after_key()

    def backspace(self) -> None:
        """Takes the last character away: one that a person sees as one, an emoji of several code points too."""
        if not self.text:
            return
        self._count()
        last = _LAST_CHARACTER.search(self.text[-_LONGEST_CHARACTER:])
        self.text = self.text[: -len(last.group())] if last else ""
        self._after_key()

    def take(self, suggestion: str) -> None:
        """Puts a suggestion in the place of what is typed of the word, with a space behind it."""
        self._count()
        prefix = self.prefix
        self.text = self.text[: len(self.text) - len(prefix)] + suggestion + " "
        self._after_key()
        self.space_waits = True

    def press_shift(self) -> None:
        """Goes on from no shift to one capital, to all capitals, and back."""
        order = list(Shift)
        self.shift = order[(order.index(self.shift) + 1) % len(order)]

    def enter(self) -> str:
        """Sends the message and begins a new one; returns what was sent, which is nothing if there was no text."""
        text = self.text.strip()
        if text:
            self._send(text)
            self.typing += Typing(0, len(text))
        self._begin()
        return text

    def _count(self) -> None:
        self.typing += Typing(1, 0)

    def _after_key(self) -> None:
        self.space_waits = False
        self._shift_by_position()

    def _shift_by_position(self) -> None:
        if self.shift is Shift.LOCKED:
            return
        before = self.text.rstrip()
        starts = not before or (before[-1] in ".!?" and before != self.text)
        self.shift = Shift.ONCE if starts else Shift.OFF
