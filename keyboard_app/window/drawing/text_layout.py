"""Breaks a text into lines, and converts between positions in the text and points on the screen. Draws nothing.

Text runs from left to right. A line breaks after white space. A word wider than the line breaks between two clusters, which are
characters as a person sees them (`keyboard_app.input.graphemes`): an emoji of several code points is one cluster.
"""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from keyboard_app.input.graphemes import next_boundary

_PIECE = re.compile(r"\n|[^\S\n]+|\S+")
_SPACE = re.compile(r"\s")
_LONG = 64  # characters; a longer word is broken without being measured as a whole
_PART = 16  # clusters of such a word, or characters of white space, that are measured at once
_SEEN = 16  # code points that are read at first to find the end of a cluster

# Returns, for each cluster of a piece of text, the width of the text up to the end of that cluster, in pixels.
Measure = Callable[[str], Sequence[float]]


@lru_cache(10_000)
def clusters(piece: str) -> tuple[str, ...]:
    """Splits a word or white space into its clusters; joined, they are the piece again."""
    found, start = [], 0
    while start < len(piece):
        seen = _SEEN  # the text before a cluster does not matter, so a long row of flags is not read again
        while (end := next_boundary(piece[start : start + seen], 0)) == seen and start + seen < len(piece):
            seen *= 2
        found.append(piece[start : start + end])
        start += end
    return tuple(found)


@dataclass(frozen=True)
class Piece:
    """A word or white space in a line: its text, its start as an index into the whole text, and its left edge in pixels."""

    text: str
    start: int
    x: float


class Line:
    """A line of a layout, whose first character has the index `start` in the text.

    Only the lines that a person sees are looked at closely, so the places of the cursor are computed on demand.
    """

    def __init__(self, start: int, measure: Measure) -> None:
        self.pieces: list[Piece] = []
        self.start = self.end = start  # indices in the text
        self.filled = 0.0  # width with trailing white space, in pixels
        self.width = 0.0  # without it
        self._measure = measure

    def append(self, piece: str, width: float) -> None:
        """Appends a word, a part of one, or white space."""
        self.pieces.append(Piece(piece, self.end, self.filled))
        self.end += len(piece)
        self.filled += width
        if not piece.isspace():
            self.width = self.filled

    @cached_property
    def _stops(self) -> tuple[list[int], list[float]]:
        places, xs = [self.start], [0.0]
        for piece in self.pieces:
            place = piece.start
            for part, end in zip(clusters(piece.text), self._measure(piece.text), strict=True):
                place += len(part)
                places.append(place)
                xs.append(piece.x + end)
        return places, xs

    @property
    def places(self) -> list[int]:
        """The text indices at which a cursor can stand.

        Where a line was wrapped, its last place equals the first place of the next line, and the cursor is shown on the next line.
        """
        return self._stops[0]

    @property
    def xs(self) -> list[float]:
        """The positions of the places, in pixels."""
        return self._stops[1]

    @property
    def whole(self) -> Piece:
        """All pieces of the line joined; the line must not be empty."""
        first = self.pieces[0]
        return Piece("".join(piece.text for piece in self.pieces), first.start, first.x)


@dataclass(frozen=True)
class TextLayout:
    """A text in lines, of which there is always at least one."""

    lines: list[Line]

    @property
    def width(self) -> float:
        """The width of the widest line, in pixels."""
        return max(line.width for line in self.lines)

    def line_of(self, index: int) -> int:
        """Returns the number of the line on which a cursor before the character at `index` stands."""
        return max(bisect_right([line.start for line in self.lines], index) - 1, 0)

    def x_of(self, index: int) -> float:
        """Returns the distance of that cursor from the left, in pixels."""
        line = self.lines[self.line_of(index)]
        return line.xs[max(bisect_right(line.places, index) - 1, 0)]

    def index_at(self, line: int, x: float) -> int:
        """Returns the place nearest to `x` in a line; a line number out of range means the first or last line."""
        line = min(max(line, 0), len(self.lines) - 1)
        found = self.lines[line]
        # The last place of a wrapped line is shown on the next line.
        wrapped = line + 1 < len(self.lines) and self.lines[line + 1].start == found.end
        after = min(bisect_left(found.xs, x), len(found.xs) - (2 if wrapped else 1))
        before = max(after - 1, 0)
        return found.places[before if x - found.xs[before] < found.xs[after] - x else after]

    def spans(self, start: int, end: int) -> Iterator[tuple[int, float, float]]:
        """Yields, for each line that the text from `start` to `end` touches, its number, left and right edge in pixels."""
        for number, line in enumerate(self.lines):
            if line.start < end and line.end > start:
                first = bisect_left(line.places, max(start, line.start))
                last = bisect_left(line.places, min(end, line.end))
                yield number, line.xs[first], line.xs[last]


def lay_out(
    text: str,
    width: float,
    measure: Measure,
    width_of: Callable[[str], float] | None = None,
    kept: Sequence[Line] = (),
) -> TextLayout:
    """Breaks a text into lines no wider than `width` pixels, not counting trailing white space.

    `width_of` returns the last width that `measure` returns, if there is a faster way to compute it. `kept` are the first lines,
    which another layout of this width has found already (`kept_lines`).
    """
    widths = width_of or (lambda piece: measure(piece)[-1])
    start = kept[-1].end if kept else 0
    start += bool(kept) and text[start] == "\n"
    lines = [*kept, Line(start, measure)]
    for match in _PIECE.finditer(text, start):
        piece = match.group()
        if piece == "\n":
            lines.append(Line(match.end(), measure))
        elif piece.isspace():
            for place in range(0, len(piece), _PART):
                lines[-1].append(part := piece[place : place + _PART], widths(part))
        else:
            _append_word(lines, piece, width, measure, widths)
    return TextLayout(lines)


def kept_lines(layout: TextLayout, before: str, text: str) -> list[Line]:
    """Returns the first lines of the layout of the text `before` that a layout of `text`, of the same width, has too.

    The line above the first change may change as well, because its end depends on the first word of the next line.
    """
    both = enumerate(zip(before, text, strict=False))
    change = next((place for place, (old, new) in both if old != new), min(len(before), len(text)))
    for number in range(len(layout.lines) - 1, 0, -1):
        start = layout.lines[number].start
        if text[start - 1 : start] == "\n" and start <= change:
            return layout.lines[:number]
        if start < change and text[start - 1].isspace() and _SPACE.search(text, start, change):
            return layout.lines[:number]
    return []


def _append_word(lines: list[Line], word: str, width: float, measure: Measure, widths: Callable[[str], float]) -> None:
    """Appends a word to the last line, or to a new one where it does not fit."""
    whole = widths(word) if len(word) <= _LONG else math.inf
    if lines[-1].pieces and lines[-1].filled + whole > width:
        lines.append(Line(lines[-1].end, measure))
    if whole <= width:
        lines[-1].append(word, whole)
        return
    parts = clusters(word)
    done = 0
    while done < len(parts):
        some = parts[done : done + _PART]
        fitting = bisect_right(measure("".join(some)), width - lines[-1].filled)
        if fitting == 0 and lines[-1].pieces:
            lines.append(Line(lines[-1].end, measure))
            continue
        head = "".join(some[: max(fitting, 1)])
        lines[-1].append(head, widths(head))
        done += max(fitting, 1)
