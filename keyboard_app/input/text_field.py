"""A text field: a text, a cursor and a selection. Indices count the text's code points.

The cursor and the ends of the selection are never inside a character that a person sees as one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from data.tokenizer import runs
from keyboard_app.input.graphemes import is_boundary, next_boundary, previous_boundary
from keyboard_app.input.touched_text import TouchedText

_NEAR = 128  # characters that are read at first on either side of a place to find the word there
_EDGE = 8  # a word so close to the edge of what was read may go on beyond it


class Move(Enum):
    """A way to move the cursor or to extend a deletion. A line ends at a line break, not where it is wrapped."""

    LEFT = "left"
    RIGHT = "right"
    WORD_LEFT = "word left"
    WORD_RIGHT = "word right"
    LINE_START = "line start"
    LINE_END = "line end"
    START = "start"
    END = "end"


@dataclass
class TextField:
    """The state of a text field and its editing operations. An index outside the text is clamped to it."""

    text: str = ""
    cursor: int = 0
    anchor: int = 0  # start of the selection; equals the cursor if nothing is selected
    touched: TouchedText = field(default_factory=TouchedText, repr=False, compare=False)

    @property
    def selection(self) -> tuple[int, int]:
        """Start and end of the selection; both are the cursor if nothing is selected."""
        return min(self.cursor, self.anchor), max(self.cursor, self.anchor)

    @property
    def selected(self) -> str:
        """The selected text."""
        start, end = self.selection
        return self.text[start:end]

    def replace(self, start: int, end: int, text: str) -> None:
        """Replaces a part of the text, puts the cursor after the new part, and clears the selection."""
        start = max(start, 0)
        end = max(end, start)
        self.touched.replace(start, end, len(text))
        self._put(start, end, text)

    def reword(self, start: int, end: int, text: str) -> None:
        """Replaces a word by another one that the same touches may have meant, as `replace` does."""
        self.touched.reword(start, self.text[start:end], text)
        self._put(start, end, text)

    def _put(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]
        place = start + len(text)
        # The end of the new part may have joined the next character.
        self.cursor = self.anchor = place if is_boundary(self.text, place) else next_boundary(self.text, place)

    def insert(self, text: str) -> None:
        """Replaces the selection by a text, or inserts it at the cursor."""
        self.replace(*self.selection, text)

    def delete(self, reach: Move) -> bool:
        """Deletes the selection, or the text from the cursor to the target of the move; returns whether anything was deleted."""
        start, end = self.selection
        if start == end:
            start, end = sorted((self.cursor, self._target(reach)))
        if start == end:
            return False
        self.replace(start, end, "")
        return True

    def move(self, where: Move, extend: bool = False) -> None:
        """Moves the cursor and extends or clears the selection. A move left or right that clears it goes to its start or end."""
        start, end = self.selection
        if start < end and not extend and where in (Move.LEFT, Move.RIGHT):
            self.move_to(start if where is Move.LEFT else end)
        else:
            self.move_to(self._target(where), extend)

    def move_to(self, index: int, extend: bool = False) -> None:
        """Moves the cursor to an index, or to the start of the character around it, and extends or clears the selection."""
        self.cursor = self._boundary(index)
        if not extend:
            self.anchor = self.cursor

    def select(self, start: int, end: int) -> None:
        """Selects from one index to another and puts the cursor at the second."""
        self.anchor, self.cursor = self._boundary(start), self._boundary(end)

    def select_all(self) -> None:
        """Selects the whole text."""
        self.select(0, len(self.text))

    def select_word(self, index: int) -> None:
        """Selects the word at an index; if there is none, only moves the cursor there."""
        words = (word for word in _words_near(self.text, index) if word[0] <= index <= word[1])
        self.select(*next(words, (index, index)))

    def cut(self) -> str:
        """Deletes the selected text and returns it."""
        selected = self.selected
        self.insert("")
        return selected

    def _boundary(self, index: int) -> int:
        index = min(max(index, 0), len(self.text))
        return index if is_boundary(self.text, index) else previous_boundary(self.text, index)

    def _target(self, where: Move) -> int:
        text, cursor = self.text, self.cursor
        match where:
            case Move.LEFT:
                return previous_boundary(text, cursor)
            case Move.RIGHT:
                return next_boundary(text, cursor)
            case Move.WORD_LEFT:
                return self._boundary(
                    max((start for start, _ in _words_near(text, cursor) if start < cursor), default=0)
                )
            case Move.WORD_RIGHT:
                end = next((end for _, end in _words_near(text, cursor) if end > cursor), len(text))
                return end if is_boundary(text, end) else next_boundary(text, end)
            case Move.LINE_START:
                return self._boundary(text.rfind("\n", 0, cursor) + 1)
            case Move.LINE_END:
                return self._boundary(end if (end := text.find("\n", cursor)) >= 0 else len(text))
            case Move.START:
                return 0
            case Move.END:
                return len(text)


def _words_near(text: str, index: int) -> Iterator[tuple[int, int]]:
    """Yields the start and end of the words around an index, in order: the last one that starts before it, and the next one.

    A long text is read only as far as necessary.
    """
    reach = _NEAR
    while True:
        first, last = max(index - reach, 0), min(index + reach, len(text))
        words = [(first + start, first + end) for start, end in runs(text[first:last])]
        begins = first == 0 or any(first + _EDGE < start < index for start, _ in words)
        ends = last == len(text) or any(index < end < last - _EDGE for _, end in words)
        if begins and ends:
            break
        reach *= 4
    yield from (word for word in words if first == 0 or word[0] > first + _EDGE)
