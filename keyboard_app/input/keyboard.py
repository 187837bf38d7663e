"""The keyboard as a person uses it: keys in, text and suggestions out, without a window."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import NamedTuple

from data.tokenizer import PUNCTUATION, normalize, restore_case
from keyboard_app.input.editing import Editing
from keyboard_app.input.glided_word import ALTERNATIVES, GlidedWord, in_order
from keyboard_app.input.graphemes import is_boundary, previous_boundary
from keyboard_app.input.offers import Kind, Offer
from keyboard_app.input.phrases import continue_offers, no_continuation
from keyboard_app.input.shift import Shift, ShiftKey
from keyboard_app.input.text_field import Move, TextField
from keyboard_app.input.word_at_cursor import begun_word, ended_word, in_long_word, whole_word
from keyboard_app.input.word_choices import WordChoices
from keyboard_app.learning.touches import Glide, Tap
from model.device.metrics import Typing
from model.device.suggesting.continuations import Continue
from model.device.suggesting.word_preferences import WordPreferences

_CONTEXT_STRIDE = 2_000  # characters; the context is the last one to two strides before the cursor
_OPENING = "([{\"'“‘«¿¡"  # a word after one of these can be corrected
_APOSTROPHES = ("'", "’", "‘")  # quotation marks, too
CLOSING = ")]}\"'”’»%"  # one of these may follow the end of a sentence


class _Correction(NamedTuple):
    """A correction that was just made, and its place in the text."""

    start: int
    typed: str
    corrected: str


def _nothing(_word: str) -> None:
    return None


class Keyboard(Editing):
    """A text field and the keys that change it.

    `suggest(context, prefix)` returns words for the place after the context that fit the prefix, best first. `send(text)` receives
    each message. `correct(context, word)` returns the correction of a typo, or None, and `emoji_for(word)` an emoji, or None; by
    default there are no corrections and no emoji. `continue_word` finds the words that probably follow a suggested one.
    `word_preferences` is shared with the suggester, and changed by `choices`.

    `typing` counts keystrokes: one per key and per suggestion taken; shift, enter, cursor moves and selections cost none. A glided
    word counts as if its letters and the space before it were typed, so that glides are not taken for savings by suggestions.
    Characters count when they are sent. `space_waits` means that the space before the cursor came with a suggestion: punctuation
    replaces it, and a letter after the punctuation brings the space back.

    A `verbatim` keyboard, for searches and links, adds no capitals and makes no full stop of two spaces.

    A word is corrected once it is certain that it has ended: by a space after it, or by a space or Enter after punctuation that
    follows it. `yhat.io`, `thr!=5` and `facebok.com/x` go on after the punctuation and stay as they are.
    """

    def __init__(
        self,
        suggest: Callable[[str, str], list[str]],
        send: Callable[[str], object],
        correct: Callable[[str, str], str | None] = lambda _context, _word: None,
        emoji_for: Callable[[str], str | None] = _nothing,
        word_preferences: WordPreferences | None = None,
        clock: Callable[[], float] = time.monotonic,
        verbatim: bool = False,
        continue_word: Continue = no_continuation,
    ) -> None:
        self._suggest, self._send = suggest, send
        self._correct, self._emoji_for, self._continue = correct, emoji_for, continue_word
        self.choices = WordChoices(word_preferences or WordPreferences())
        self.autocorrects = True
        self.typing = Typing()
        self.space_waits = False
        self._stop_waits = False  # whether another space turns the last one into a full stop
        self._glided: GlidedWord | None = None  # the word that was just glided
        self._refused: tuple[str, ...] = ()  # lower-case words that were glided here and taken away
        self._meant: set[str] = set()  # lower-case words that were glided in this message, which are not corrected
        self._rest = ""  # the words behind the one that was just taken, which were offered with it
        self._letter_parts = False  # whether a letter is parted by a space from the punctuation before it
        self._corrected: _Correction | None = None
        self._verbatim = verbatim
        self._before = 0  # keystrokes before those of this message
        self._shift = ShiftKey(clock)
        self._shift.capitalizes = not verbatim
        self._begin("")

    @property
    def message_keystrokes(self) -> int:
        """The keystrokes since the text was last empty: those that the message cost."""
        return self.typing.keystrokes - self._before

    def _begin(self, text: str) -> None:
        self.field = TextField(text, len(text), len(text))
        self._shift.release()
        self._meant.clear()
        self._after_key()

    @property
    def text(self) -> str:
        """The message so far; assigning it puts the cursor at its end."""
        return self.field.text

    @text.setter
    def text(self, text: str) -> None:
        self._begin(text)

    @property
    def cursor(self) -> int:
        """The cursor's index among the code points of the text."""
        return self.field.cursor

    @property
    def selection(self) -> tuple[int, int]:
        """Start and end of the selection; both are the cursor if nothing is selected."""
        return self.field.selection

    @property
    def shift(self) -> Shift:
        """The effect of the shift key on the next letter."""
        return self._shift.state

    @property
    def prefix(self) -> str:
        """The part of the word before the cursor; empty between words and while text is selected."""
        return "" if self.field.selected else begun_word(self.field.text[: self.field.cursor])

    @property
    def word(self) -> str:
        """The word at the cursor, up to its end after the cursor; empty whenever the prefix is."""
        return "" if self.field.selected else whole_word(self.field.text, self.field.cursor)

    @property
    def suggestions(self) -> list[str]:
        """At most three words for the cursor, best first, cased as they would be inserted."""
        prefix = self.prefix
        if not prefix and in_long_word(self.field.text[: self.field.selection[0]]):
            return []
        words = self._suggest(self._context(prefix), prefix)
        return [self._cased(word, prefix) for word in words]

    @property
    def correction(self) -> str | None:
        """The word that a space would replace the typed one with; None if it stays."""
        word = self.prefix
        return self._correction_of(self.field.cursor - len(word), word) if word and word == self.word else None

    @property
    def ahead(self) -> str:
        """The message as it will stand once the word at the cursor is ended and corrected: the context of the next suggestions."""
        prefix = self.prefix
        return self._context(prefix) + (self.correction or prefix)

    def begun_by(self, letter: str) -> tuple[str, str]:
        """Returns the context and the prefix that typing a letter at the cursor leads to; an empty prefix within a word."""
        field = self.field
        if field.selected or self.word != self.prefix:
            return "", ""
        before, parted = field.text[: field.cursor], " " * self._letter_parts
        prefix = begun_word(before + parted + letter)
        return self._context_before(max(field.cursor + len(parted + letter) - len(prefix), 0)), prefix

    @property
    def strip(self) -> list[Offer]:
        """The offers above the keys: the typed word, suggestions, and an emoji if there is one for the word."""
        if self._glided is not None:
            return self._with_emoji([Offer(word, Kind.GLIDED) for word in self._glided.alternatives])
        prefix, word, correction = self.prefix, self.word, self.correction
        words = self.suggestions
        if correction is not None:
            words = [correction, *(w for w in words if w != correction)][:3]
        offers = [Offer(word, Kind.TYPED)] if word else []
        offers += [Offer(w, self._kind(w, prefix), w == correction) for w in words if w != word]
        return self._with_emoji(offers)

    def _with_emoji(self, offers: list[Offer]) -> list[Offer]:
        before = "" if self.field.selected else self.field.text[: self.field.cursor]
        emoji = self._emoji_for(normalize(self.word or ended_word(before)))
        return offers + ([Offer(emoji, Kind.EMOJI)] if emoji else [])

    def continuing(self, offers: Sequence[Offer]) -> Generator[None, None, list[Offer]]:
        """Finds the words that probably follow each of the offers for the cursor; yields after each step of a network."""
        return continue_offers(offers, self._context(self.prefix), self._continue, self.shift is Shift.LOCKED)

    @property
    def capitalizes(self) -> bool:
        """Whether the first letter of a sentence becomes a capital by itself."""
        return self._shift.capitalizes

    @capitalizes.setter
    def capitalizes(self, capitalizes: bool) -> None:
        self._shift.capitalizes = capitalizes
        self._shift.follow(self.field.text[: self.field.selection[0]])

    def touch_costs(self, word: str) -> list[Mapping[str, float] | None] | None:
        """Returns what the touches of a word say of other letters; the word is the last one before the cursor, or a part of it."""
        return self.field.touched.costs(self.field.text.rfind(word, 0, self.field.cursor), word)

    def press(self, character: str, as_typed: bool = False, tap: Tap | None = None) -> None:
        """Types one character, which may be an emoji of several code points, and which a tap may have typed.

        Shift capitalizes a letter, unless it comes `as_typed` from a physical keyboard, which has a shift key of its own.
        Punctuation replaces the space that came with a suggestion.
        """
        if character == " ":
            self.space()
            return
        self._count()
        field = self.field
        typed = character if as_typed else self._shift.applied(character)
        punctuation = character in PUNCTUATION
        if punctuation and self.space_waits:
            start, rest = field.cursor - 1, field.text[field.cursor :]
            # In the middle of a line the space still separates two words, so it stays after the punctuation.
            field.replace(start, start + (rest[:1] in ("", "\n")), typed)
        else:
            inserted = " " * (self._letter_parts and character[:1].isalpha()) + typed
            end = field.selection[0] + len(inserted)
            field.insert(inserted)
            if tap is not None and len(typed) == 1:
                field.touched.add(end - 1, end, tap)
        self._after_key(letter_parts=punctuation and (self.space_waits or self._letter_parts))

    def space(self) -> None:
        """Types a space and corrects the word that it ends.

        A suggestion has brought its space already. A second space after a word turns the first one into a full stop.
        """
        self._count()
        field, correction = self.field, None
        if self._stop_waits:
            field.replace(field.cursor - 1, field.cursor, ". ")
            self._after_key()
            return
        if not self.space_waits:
            correction = self._autocorrect()
            field.insert(" ")
        self._after_key(correction)
        before = field.text[: field.cursor - 1].rstrip(CLOSING)
        ended = before[previous_boundary(before, len(before)) :][:1].isalnum()  # without combining accents
        self._stop_waits = ended and not self._verbatim

    def backspace(self, reach: Move = Move.LEFT) -> None:
        """Undoes a correction just made and insists on the typed word, or takes a word just glided away as a whole.

        Otherwise it deletes the selection or the text before the cursor.
        """
        if (glided := self._glided) is not None and reach is Move.LEFT:
            self.field.replace(glided.start, glided.end, "")
            self._count()
            self._after_key()
            self._refused, self.space_waits = glided.refused_with_it, glided.space_waited
            return
        if (made := self._corrected) is not None and reach is Move.LEFT:
            place = self.field.cursor + len(made.typed) - len(made.corrected)
            self.field.reword(made.start, made.start + len(made.corrected), made.typed)
            self.field.move_to(place)
            self.choices.insist(made.typed)
        elif not self.field.delete(reach):
            return
        self._count()
        self._after_key()

    @property
    def glide_candidates(self) -> int:
        """The number of words that `glide` needs: the word, its alternatives, and those that were refused here."""
        return 1 + ALTERNATIVES + len(self._refused)

    def glide(self, words: Sequence[str], glide: Glide | None = None) -> bool:
        """Puts the likeliest of the words that a glide may mean behind the text or the word at the cursor.

        Args:
          words: the words, likeliest first. Words that were glided here and taken away give way to the others.
          glide: the finger's path.

        Returns:
          Whether there is a word.
        """
        words = in_order(words, self._refused)
        if not words:
            return False
        if self.word:
            self.field.move_to(self.field.cursor + len(self.word) - len(self.prefix))
            self._autocorrect()
        field, refused, space_waited = self.field, self._refused, self.space_waits
        start = field.selection[0]
        before = field.text[:start]
        apart = " " * bool(before and not before[-1].isspace() and before[-1] not in _OPENING)
        if self.shift is Shift.OFF:
            self._shift.follow(before + apart)
        best, *others = [self._cased(word, "") for word in words]
        inserted = apart + best + " " * field.text[field.selection[1] :][:1].isalnum()
        field.insert(inserted)
        self.typing += Typing(len(inserted), 0)
        self._meant |= {normalize(word) for word in words}
        self._after_key(letter_parts=True)
        self._glided = glided = GlidedWord(start, inserted, tuple(others), space_waited, refused)
        if glide is not None:
            field.touched.add(glided.word_start, glided.word_start + len(best), glide)
        return True

    def _replace_glided(self, glided: GlidedWord, word: str) -> None:
        """Puts another word in the place of the one that was just glided."""
        self._count()
        self.field.reword(glided.word_start, glided.word_start + len(glided.word), word)
        parted = self._part()
        self._after_key()
        self.space_waits = parted

    def take(self, suggestion: str) -> None:
        """Replaces the word at the cursor by a suggestion and a space; taking the typed word itself insists on it."""
        self._count()
        field, word, start = self.field, self.word, self.field.selection[0] - len(self.prefix)
        if word and normalize(suggestion) == normalize(word):
            self.choices.insist(word)
        end = start + len(word) if word else field.selection[1]
        if word:
            field.reword(start, end, suggestion)
        else:
            field.replace(start, end, " " * self._letter_parts + suggestion)
        parted = self._part()
        self._after_key()
        self.space_waits = parted

    def take_offer(self, offer: Offer, whole: bool = False) -> None:
        """Takes the first word of an offer, or the whole of it; an emoji is inserted after the word."""
        if offer.kind is Kind.GLIDED and self._glided is not None:
            self._replace_glided(self._glided, offer.text)
            return
        if offer.kind is not Kind.EMOJI:
            self.take(f"{offer.text} {offer.rest}" if whole and offer.rest else offer.text)
            self._rest = "" if whole else offer.rest
            return
        self._count()
        self.field.move_to(self.field.cursor + len(self.word) - len(self.prefix))
        apart = "" if self.field.text[: self.field.cursor].endswith(" ") else " "
        self.field.insert(apart + offer.text)
        self._part()
        self._after_key()

    def take_rest(self) -> bool:
        """Takes the words that were offered with the word that was just taken; returns whether there were any."""
        rest = self._rest
        if rest:
            self.take(rest)
        return bool(rest)

    def press_shift(self) -> None:
        """Toggles one capital letter; a second press soon after locks capitals until the next press."""
        self._shift.press()

    def enter(self) -> str:
        """Sends the message and starts a new one; returns the message, which is empty if there was no text.

        A word before punctuation at the end is corrected, as by a space. A last word without punctuation is sent as it stands.
        """
        if self.field.cursor == len(self.text) and not self.prefix:
            self._autocorrect()
        text = self.text.strip()
        if text:
            self._send(text)
            self.typing += Typing(0, len(text))
        self._begin("")
        return text

    def _context(self, prefix: str) -> str:
        return self._context_before(self.field.selection[0] - len(prefix))

    def _context_before(self, end: int) -> str:
        # The start moves in strides, so that the suggester need not read the whole context again after each letter.
        start = max(end // _CONTEXT_STRIDE - 1, 0) * _CONTEXT_STRIDE
        return self.field.text[start:end]

    def _cased(self, word: str, prefix: str) -> str:
        if self.shift is Shift.LOCKED:
            return word.upper()
        return restore_case(word, prefix, sentence_start=self.shift is Shift.ONCE and not prefix)

    def _kind(self, suggestion: str, prefix: str) -> Kind:
        if not prefix:
            return Kind.NEXT
        return Kind.COMPLETION if normalize(suggestion).startswith(normalize(prefix)) else Kind.CORRECTION

    def _autocorrect(self) -> _Correction | None:
        """Corrects the word that ends here: the one before the cursor, or before punctuation in front of the cursor."""
        cursor = self.field.cursor
        if self.field.selected or self.prefix != self.word:
            return None
        before = self.field.text[:cursor]
        ended = before if self.prefix else before.rstrip("".join(PUNCTUATION) + CLOSING)
        word = begun_word(ended)
        start = len(ended) - len(word)
        if word.endswith(_APOSTROPHES) and before[:start].endswith(_APOSTROPHES):  # a word in quotation marks
            ended, word = ended[:-1], word[:-1]
        if not word or (corrected := self._correction_of(start, word)) is None:
            return None
        self.field.reword(start, len(ended), corrected)
        self.field.move_to(cursor + len(corrected) - len(word))
        return _Correction(start, word, corrected)

    def _correction_of(self, start: int, word: str) -> str | None:
        """Returns the correction of a word that ends, given its place in the text; None if it stays."""
        if not self.autocorrects or normalize(word) in self._meant or self.choices.insists_on(word):
            return None
        if start > 0 and not (before := self.field.text[start - 1]).isspace() and before not in _OPENING:
            return None  # part of something longer, such as an address, a number with its unit, or a tag
        corrected = self._correct(self._context_before(start), word)
        return None if corrected is None else self._cased(corrected, word)

    def _part(self) -> bool:
        """Moves the cursor past one space after the inserted text, or inserts one; returns whether there is a space now."""
        behind = self.field.cursor + 1
        rest = self.field.text[self.field.cursor :]
        if rest.startswith(" ") and is_boundary(self.field.text, behind):
            self.field.move_to(behind)
        elif rest[:1] in ("", "\n") or rest[0].isalnum():
            self.field.insert(" ")
        else:
            return False
        return True

    def _count(self) -> None:
        self.typing += Typing(1, 0)

    def _after_key(self, corrected: _Correction | None = None, letter_parts: bool = False) -> None:
        self.space_waits = self._stop_waits = False
        self._rest, self._glided, self._refused = "", None, ()
        self._corrected, self._letter_parts = corrected, letter_parts
        if not self.field.text:
            self._before = self.typing.keystrokes
        self._shift.follow(self.field.text[: self.field.selection[0]] + " " * letter_parts)
