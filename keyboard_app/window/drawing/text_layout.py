"""Breaks a text into lines, and converts between positions in the text and points on the screen. Draws nothing.

Text runs from left to right. A line breaks after white space. A word wider than the line breaks between two clusters, which are
characters as a person sees them (`keyboard_app.input.graphemes`): an emoji of several code points is one cluster.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from keyboard_app.input.graphemes import next_boundary

_PIECE = re.compile(r"\n|[^\S\n]+|\S+")
_LONG = 48  # clusters; a longer word is laid out in parts
_PART = 16  # clusters
_SEEN = 16  # code points that are read at first to find the end of a cluster

# Returns, for each cluster of a piece of text, the width of the text up to the end of that cluster, in pixels.
Measure = Callable[[str], Sequence[float]]


@lru_cache(10_000)
def clusters(piece: str) -> tuple[str, ...]:
    """Splits a word or white space into its clusters; joined, they are the piece again."""
    found, start = [], 0
    while start < len(piece):
        seen = (
            _SEEN  # what precedes the start of a cluster does not matter, so that a long row of flags is not read again
        )
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


@dataclass(frozen=True)
class Line:
    """A line of a layout. `places` are the text indices at which a cursor can stand, and `xs` their positions in pixels.

    Where a line was wrapped, its last place equals the first place of the next line, and the cursor is shown on the next line.
    """

    pieces: list[Piece]
    places: list[int]
    xs: list[float]

    @property
    def whole(self) -> Piece:
        """All pieces of the line joined; the line must not be empty."""
        first = self.pieces[0]
        return Piece("".join(piece.text for piece in self.pieces), first.start, first.x)

    @property
    def width(self) -> float:
        """The width of the line without trailing white space, in pixels."""
        for piece in reversed(self.pieces):
            if not piece.text.isspace():
                return self.xs[bisect_left(self.places, piece.start + len(piece.text))]
        return 0.0


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
        return max(bisect_right([line.places[0] for line in self.lines], index) - 1, 0)

    def x_of(self, index: int) -> float:
        """Returns the distance of that cursor from the left, in pixels."""
        line = self.lines[self.line_of(index)]
        return line.xs[max(bisect_right(line.places, index) - 1, 0)]

    def index_at(self, line: int, x: float) -> int:
        """Returns the place nearest to `x` in a line; a line number out of range means the first or last line."""
        line = min(max(line, 0), len(self.lines) - 1)
        found = self.lines[line]
        # The last place of a wrapped line is shown on the next line.
        wrapped = line + 1 < len(self.lines) and self.lines[line + 1].places[0] == found.places[-1]
        after = min(bisect_left(found.xs, x), len(found.xs) - (2 if wrapped else 1))
        before = max(after - 1, 0)
        return found.places[before if x - found.xs[before] < found.xs[after] - x else after]

    def spans(self, start: int, end: int) -> Iterator[tuple[int, float, float]]:
        """Yields, for each line that the text from `start` to `end` touches, its number, left and right edge in pixels."""
        for number, line in enumerate(self.lines):
            if line.places[0] < end and line.places[-1] > start:
                first = bisect_left(line.places, max(start, line.places[0]))
                last = bisect_left(line.places, min(end, line.places[-1]))
                yield number, line.xs[first], line.xs[last]


def lay_out(text: str, width: float, measure: Measure) -> TextLayout:
    """Breaks a text into lines no wider than `width` pixels, not counting trailing white space."""
    lines = [_begin(0)]
    for match in _PIECE.finditer(text):
        piece, start = match.group(), match.start()
        if piece == "\n":
            lines.append(_begin(match.end()))
        elif piece.isspace():
            for place in range(0, len(piece), _PART):
                part = piece[place : place + _PART]
                _append(lines[-1], part, start + place, measure(part), clusters(part))
        else:
            _append_word(lines, piece, start, width, measure)
    return TextLayout(lines)


def _begin(index: int) -> Line:
    return Line([], [index], [0.0])


def _append(line: Line, piece: str, start: int, ends: Sequence[float], parts: Sequence[str]) -> None:
    x, place = line.xs[-1], start
    line.pieces.append(Piece(piece, start, x))
    for part, end in zip(parts, ends, strict=True):
        place += len(part)
        line.places.append(place)
        line.xs.append(x + end)


def _append_word(lines: list[Line], word: str, start: int, width: float, measure: Measure) -> None:
    parts = clusters(word)
    if len(parts) > _LONG:
        _append_long_word(lines, parts, start, width, measure)
        return
    ends = measure(word)
    if lines[-1].pieces and lines[-1].xs[-1] + ends[-1] > width:
        lines.append(_begin(start))
    while lines[-1].xs[-1] + ends[-1] > width and len(ends) > 1:
        parts = clusters(word)
        fitting = max(bisect_right(ends, width - lines[-1].xs[-1]), 1)
        if fitting == len(parts):
            break
        head = "".join(parts[:fitting])
        _append(lines[-1], head, start, measure(head), parts[:fitting])
        word, start = word[len(head) :], start + len(head)
        ends = measure(word)
        lines.append(_begin(start))
    _append(lines[-1], word, start, ends, clusters(word))


def _append_long_word(lines: list[Line], parts: Sequence[str], start: int, width: float, measure: Measure) -> None:
    """Appends a word that may be longer than the line, and measures each of its clusters once or twice."""
    if lines[-1].pieces:
        lines.append(_begin(start))
    done = 0
    while done < len(parts):
        some = parts[done : done + _PART]
        ends = measure("".join(some))
        fitting = bisect_right(ends, width - lines[-1].xs[-1])
        if fitting == 0 and lines[-1].pieces:
            lines.append(_begin(start))
            continue
        some = some[: max(fitting, 1)]
        head = "".join(some)
        _append(lines[-1], head, start, measure(head), some)
        done, start = done + len(some), start + len(head)
