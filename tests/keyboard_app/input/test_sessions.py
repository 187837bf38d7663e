"""A thousand random sessions at the keyboard, compared with a plain model of a text field."""

import re
import unicodedata
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from keyboard_app.device import Device
from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.text_field import Move

MARKS = "[\ufe0e\ufe0f\u20e3\u0300-\u036f\U0001f3fb-\U0001f3ff]*"
SIGN = re.compile(rf"\n|[\U0001f1e6-\U0001f1ff]{{2}}{MARKS}|(?:[^\n]{MARKS}\u200d)*[^\n]{MARKS}")
LETTERS = r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f])*"
WORD = re.compile(rf"{LETTERS}(?:'{LETTERS})*|\d+(?:[.,:]\d+)*")
OPEN_WORD = re.compile(rf"(?:{LETTERS}(?:'{LETTERS})*'?|\d+(?:[.,:]\d+)*[.,:]?)\Z")
PAIRS = {Move.LEFT: Move.RIGHT, Move.WORD_LEFT: Move.WORD_RIGHT, Move.LINE_START: Move.LINE_END, Move.START: Move.END}

ENDS = ".,!?)]}\"”’'»%"

SLIPS = {"teh": "the", "ab": "and", "dont": "don't", "zé": "a"}
WORDS = ["hello", "there", "i'm", "5", "50", "grüße"]


def _composed(word: str) -> str:
    """Returns the form that all spellings of a word share: `é` may be one character or two."""
    return unicodedata.normalize("NFC", word.lower())


class PlainField:
    """A text field at its simplest: a text, two positions in it, and the effect of each key on them."""

    def __init__(self, correct: Callable[[str, str], str | None]) -> None:
        self.correct = correct
        self.insisted: set[str] = set()
        self.clear()

    def clear(self) -> None:
        self.text, self.cursor, self.anchor = "", 0, 0
        self.rest()

    def rest(self) -> None:
        self.space_waits, self.stop_waits, self.letter_parts = False, False, False
        self.undo: tuple[int, str, str] | None = None

    def places(self) -> list[int]:
        return [0, *(m.end() for m in SIGN.finditer(self.text))]

    def put(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]
        self.cursor = self.anchor = min(p for p in self.places() if p >= start + len(text))

    def insert(self, text: str) -> None:
        self.put(min(self.cursor, self.anchor), max(self.cursor, self.anchor), text)

    def word(self) -> tuple[int, int]:
        """Returns start and end of the word at the cursor, which must have begun before it; of the selection if there is none."""
        found = OPEN_WORD.search(self.text[: self.cursor]) if self.cursor == self.anchor else None
        if found is None:
            return min(self.cursor, self.anchor), max(self.cursor, self.anchor)
        word = WORD.match(self.text, found.start())
        assert word is not None
        return found.start(), max(word.end(), self.cursor)

    def end_word(self) -> tuple[int, str, str] | None:
        """Corrects the word that ends at the cursor or before punctuation; returns its start, its letters and the correction."""
        cursor, (start, end) = self.cursor, self.word()
        if self.cursor == self.anchor and start == end:
            ended = self.text[:cursor].rstrip(ENDS)
            word = OPEN_WORD.search(ended)
            start, end = (word.start() if word else len(ended)), len(ended)
        elif end != cursor:
            return None
        typed = self.text[start:end]
        alone = start == 0 or self.text[start - 1] in " \n('"
        if self.cursor != self.anchor or not typed or not alone or _composed(typed) in self.insisted:
            return None
        corrected = self.correct(self.text[:start], typed)
        if corrected is None:
            return None
        self.put(start, end, corrected)
        self.cursor = self.anchor = cursor + len(corrected) - len(typed)
        return start, typed, corrected

    def press(self, sign: str) -> None:
        letter_parts = sign in ".,!?" and (self.space_waits or self.letter_parts)
        if sign in ".,!?" and self.space_waits:
            at_end = self.text[self.cursor : self.cursor + 1] in ("", "\n")
            self.put(self.cursor - 1, self.cursor if at_end else self.cursor - 1, sign)
        else:
            self.insert((" " if self.letter_parts and sign[0].isalpha() else "") + sign)
        self.rest()
        self.letter_parts = letter_parts

    def space(self) -> None:
        if self.stop_waits:
            self.put(self.cursor - 1, self.cursor, ". ")
            self.rest()
            return
        undo = None
        if not self.space_waits:
            undo = self.end_word()
            self.insert(" ")
        self.rest()
        signs = SIGN.findall(self.text[: self.cursor - 1].rstrip(ENDS[4:]))
        self.undo, self.stop_waits = undo, bool(signs) and signs[-1][0].isalnum()

    def target(self, move: Move) -> int:
        before = [p for p in self.places() if p < self.cursor] or [0]
        after = [p for p in self.places() if p > self.cursor] or [len(self.text)]
        words = [m.span() for m in re.finditer(rf"(?:\w{MARKS}|(?<=\w)'(?=\w))+", self.text)]
        return {
            Move.LEFT: before[-1],
            Move.RIGHT: after[0],
            Move.WORD_LEFT: max(
                [max(p for p in self.places() if p <= start) for start, _ in words if start < self.cursor], default=0
            ),
            Move.WORD_RIGHT: min(
                [min(p for p in self.places() if p >= end) for _, end in words if end > self.cursor],
                default=len(self.text),
            ),
            Move.LINE_START: len(self.text[: self.cursor].rpartition("\n")[0] + "\n")
            if "\n" in self.text[: self.cursor]
            else 0,
            Move.LINE_END: self.cursor + len(self.text[self.cursor :].partition("\n")[0]),
            Move.START: 0,
            Move.END: len(self.text),
        }[move]

    def erase(self, move: Move) -> None:
        if self.undo and move is Move.LEFT:
            start, typed, corrected = self.undo
            behind = self.cursor - start - len(corrected)
            self.put(start, start + len(corrected), typed)
            self.cursor = self.anchor = start + len(typed) + behind
            self.insisted.add(_composed(typed))
        elif self.cursor != self.anchor:
            self.insert("")
        else:
            start, end = sorted((self.cursor, self.target(move)))
            if start == end:
                return
            self.put(start, end, "")
        self.rest()

    def move(self, move: Move, extend: bool) -> None:
        selected = self.cursor != self.anchor
        if selected and not extend and move in (Move.LEFT, Move.RIGHT):
            self.cursor = (min if move is Move.LEFT else max)(self.cursor, self.anchor)
        else:
            self.cursor = self.target(move)
        if not extend:
            self.anchor = self.cursor
        self.rest()

    def select(self, start: int, end: int) -> None:
        self.anchor, self.cursor = (max(p for p in self.places() if p <= i) for i in (start, end))
        self.rest()

    def take(self, word: str) -> None:
        start, end = self.word()
        if self.text[start:end].lower() == word.lower() and self.cursor == self.anchor:
            self.insisted.add(_composed(word))
        self.put(start, end, (" " if self.letter_parts and start == end else "") + word)
        follows = next(iter(SIGN.findall(self.text[self.cursor :])), "")
        if follows == " ":
            self.cursor = self.anchor = self.cursor + 1
        elif follows in ("", "\n") or follows[0].isalnum():
            self.insert(" ")
        else:
            self.rest()
            return
        self.rest()
        self.space_waits = True


SIGNS = [*"abdehotz'5.,!?(-", "é", "字", "😀", "👍🏽", "❤️", "👩‍👩‍👧", "🇩🇪", "🇩", "1️⃣", "\n", "\u0301"]
PASTED = [
    "",
    "teh",
    "hello there",
    "a\nb",
    "e\u0301e",
    "🇩🇪🇫🇷🇩",
    "3.5",
    "grüße ",
    "\u0301",
    "don't",
    "x\x07y",
    "\r\n",
    "\t\r",
]


class Session(RuleBasedStateMachine):
    """A session of one person."""

    @initialize()
    def open(self) -> None:
        self.sent: list[str] = []
        self.keyboard = self.new_keyboard()
        self.field = PlainField(self.keyboard._correct)

    def new_keyboard(self) -> Keyboard:
        def suggest(_context: str, prefix: str) -> list[str]:
            return [word for word in WORDS if word.startswith(prefix.lower())][:3]

        return Keyboard(suggest, self.sent.append, lambda _context, word: SLIPS.get(word.lower()))

    @rule(signs=st.lists(st.sampled_from(SIGNS), min_size=1, max_size=3))
    def press(self, signs: list[str]) -> None:
        for sign in signs:
            self.keyboard.press(sign)
            self.field.press(sign)

    @rule(word=st.sampled_from([*SLIPS, *WORDS]), end=st.sampled_from(["", " ", ".", "("]))
    def type_word(self, word: str, end: str) -> None:
        for sign in word + end:
            self.keyboard.press(sign)
            self.field.space() if sign == " " else self.field.press(sign)

    @rule(times=st.integers(1, 2))
    def space(self, times: int) -> None:
        for _ in range(times):
            self.keyboard.space()
            self.field.space()

    @rule(move=st.sampled_from([Move.LEFT, Move.LEFT, *PAIRS]), times=st.integers(1, 3))
    def backspace(self, move: Move, times: int) -> None:
        for _ in range(times):
            self.keyboard.backspace(move)
            self.field.erase(move)

    @rule(move=st.sampled_from(list(PAIRS.values())))
    def delete(self, move: Move) -> None:
        self.keyboard.backspace(move)
        self.field.erase(move)

    @rule(move=st.sampled_from(Move), extend=st.booleans())
    def move(self, move: Move, extend: bool) -> None:
        self.keyboard.move(move, extend)
        self.field.move(move, extend)

    @rule(start=st.integers(0, 30), end=st.integers(0, 30), alike=st.booleans())
    def select(self, start: int, end: int, alike: bool) -> None:
        if alike:
            self.keyboard.move_to(start)
            self.field.select(start, start)
        else:
            self.keyboard.move_to(start)
            self.keyboard.move_to(end, extend=True)
            self.field.select(start, end)

    @rule()
    def select_all(self) -> None:
        self.keyboard.select_all()
        self.field.select(0, len(self.field.text))

    @rule(cut=st.booleans())
    def copy_and_paste(self, cut: bool) -> None:
        start, end = sorted((self.field.cursor, self.field.anchor))
        selected = self.field.text[start:end]
        copied = self.keyboard.cut() if cut else self.keyboard.copy()
        assert copied.lower() == selected.lower()
        if cut and selected:
            self.field.put(start, end, "")
            self.field.rest()
        self.paste(copied)

    @rule(text=st.sampled_from(PASTED))
    def paste(self, text: str) -> None:
        self.keyboard.paste(text)
        if clean := re.sub(r"\r\n?", "\n", text).replace("\x07", "").replace("\t", " "):
            self.field.insert(clean)
            self.field.rest()

    @rule(place=st.integers(0, 2))
    def take(self, place: int) -> None:
        if len(suggestions := self.keyboard.suggestions) > place:
            self.keyboard.take(suggestions[place])
            self.field.take(suggestions[place])

    @rule()
    def take_what_was_typed(self) -> None:
        if self.keyboard.word:
            self.keyboard.take_offer(self.keyboard.strip[0])
            self.field.take(self.field.text[slice(*self.field.word())])

    @rule()
    def press_shift(self) -> None:
        self.keyboard.press_shift()

    @rule()
    def enter(self) -> None:
        if self.field.cursor == len(self.field.text) and self.field.word() == (self.field.cursor, self.field.cursor):
            self.field.end_word()
        text = self.keyboard.enter()
        assert text.lower() == self.field.text.strip().lower()
        if text:
            assert self.sent.pop() == text
        self.field.clear()

    @invariant()
    def the_same(self) -> None:
        keyboard, field = self.keyboard, self.field
        assert keyboard.text.lower() == field.text.lower()
        assert (keyboard.field.cursor, keyboard.field.anchor) == (field.cursor, field.anchor)
        assert keyboard.space_waits == field.space_waits
        start, end = field.word()
        assert len(keyboard.word) == (end - start if field.cursor == field.anchor else 0)
        assert {offer.kind for offer in keyboard.strip} or not keyboard.suggestions
        assert keyboard.choices.preferences.insisted == field.insisted


def test_hundreds_of_sessions_equal_those_of_a_plain_text_field() -> None:
    how = settings(max_examples=300, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Session, settings=how)


def test_sessions_with_the_models_of_a_device(device: Device) -> None:
    class DeviceSession(Session):
        def new_keyboard(self) -> Keyboard:
            device.models.word_preferences.insisted.clear()
            return Keyboard(
                device.models.suggest,
                self.sent.append,
                device.models.correct,
                word_preferences=device.models.word_preferences,
            )

    how = settings(max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(DeviceSession, settings=how)
