"""The error model of a noisy-channel corrector: how likely a person who meant a word typed these letters.

If a person who means the word w types t with probability P(t | w), then w is ranked by P(w | context) * P(t | w) (Kernighan,
Church and Gale 1990). P(t | w) is that of the cheapest sequence of typing errors from w to t, each with a cost in nats
(`ErrorCosts`). The geometry of the keyboard says which keys are neighbours, as in Goodman et al. 2002, "Language Modeling for
Soft Keyboards"; where it is known, the place of a touch says how likely each of them was meant. This is a weighted
Damerau-Levenshtein distance, computed for all words at once: each cell of its table is a byte array over the words. The table
is banded: at no point may the typed prefix have more than one letter more, or fewer, than the intended prefix.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

Neighbours = Mapping[str, frozenset[str]]  # the keys beside each key
Costs = NDArray[np.uint8]
_Row = dict[int, Costs]  # by length of the intended prefix, the cost for each word
# For each typed letter, the costs in nats of having meant other letters, given its touch; None for a key without a touch.
TouchCosts = Sequence[Mapping[str, float] | None]

VOWELS = frozenset("aeiouy")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")

_UNITS = 8  # units of cost per nat
_NEVER = 127  # units; an infinite cost, small enough that the sum of two fits a byte
_LONGEST = 24  # letters; longer words are not corrected
_NO_LETTER = 0  # the code after the end of a word
_CODES = 255  # later letters share this code and match no letter
_MOST_KEPT = 64  # typed letters with a table of costs, of 250 kB with 10,000 words: more than any alphabet has


@dataclass(frozen=True)
class ErrorCosts:
    """The costs of typing errors, -log P, in nats. About 3% of typed letters are wrong, most often a neighbouring key."""

    neighbour: float = 5.5  # a neighbouring key instead of the intended one
    vowel: float = 6.5  # another vowel: a misspelling rather than a slip
    other: float = 10.0  # any other key instead of the intended one
    accent: float = 1.5  # the letter without its accent, or with another accent instead of its own
    missing: float = 4.75
    missing_vowel: float = 3.5  # abbreviating drops vowels
    missing_twin: float = 4.0  # one of two equal letters is missing
    missing_apostrophe: float = 1.5
    doubled: float = 5.5
    extra_neighbour: float = 7.5  # an extra letter next to the intended key
    extra: float = 10.0
    swapped: float = 5.5


def qwerty_neighbours() -> dict[str, frozenset[str]]:
    """Returns the neighbours of each letter on a QWERTY keyboard, whose second and third row are indented by 0.5 and 1.5 keys."""
    places = {
        letter: (column + start, row)
        for row, (letters, start) in enumerate(zip(_ROWS, (0, 0.5, 1.5), strict=True))
        for column, letter in enumerate(letters)
    }
    return {
        a: frozenset(b for b, (u, v) in places.items() if b != a and (u - x) ** 2 + (v - y) ** 2 <= 1.45**2)
        for a, (x, y) in places.items()
    }


class Corrections:
    """A list of words, and the costs of the typing errors between each of them and the typed letters."""

    def __init__(
        self, words: Sequence[str], neighbours: Neighbours | None = None, costs: ErrorCosts | None = None
    ) -> None:
        self.error_costs = costs or ErrorCosts()
        self._neighbours = qwerty_neighbours() if neighbours is None else neighbours
        self._codes: dict[str, int] = {}
        self._letters = np.zeros((_LONGEST + 1, 0), np.uint8)  # letter codes, [position, word]
        self._missing = np.zeros((_LONGEST + 1, 0), np.uint8)  # cost of leaving out that letter, [position, word]
        self._lengths = np.zeros(0, np.uint8)
        self._plain = np.zeros(0, bool)  # words that consist of the letters a to z only
        self._substituted: dict[str, Costs] = {}  # by typed letter: the cost at each position of each word
        # The letters and touches that `_rows` belongs to: from key to key, most of its rows stay the same.
        self._typed: list[tuple[str, Mapping[str, float] | None]] = []
        self._rows: list[_Row] = []  # of the band, after no letter, the first one, and so on
        self.insert([0] * len(words), words)

    def insert(self, places: Sequence[int], words: Sequence[str]) -> None:
        """Inserts words before the given indices, which count as in `numpy.insert`."""
        letters = self._encoded(words)
        before = np.vstack([np.full(len(words), _NO_LETTER, np.uint8), letters[:-1]])
        costs, apostrophe = self.error_costs, self._code("'")
        missing = np.full(letters.shape, _units(costs.missing), np.uint8)
        missing[np.isin(letters, [self._code(vowel) for vowel in VOWELS])] = _units(costs.missing_vowel)
        missing[letters == before] = _units(costs.missing_twin)
        missing[letters == apostrophe] = _units(costs.missing_apostrophe)
        missing[letters == _NO_LETTER] = _NEVER
        self._letters = np.insert(self._letters, places, letters, axis=1)
        self._missing = np.insert(self._missing, places, missing, axis=1)
        self._lengths = np.insert(self._lengths, places, np.count_nonzero(letters, axis=0))
        self._plain = np.insert(self._plain, places, [word.isascii() and word.isalpha() for word in words])
        self._substituted.clear()
        self._typed, self._rows = [], []

    def _encoded(self, words: Sequence[str]) -> NDArray[np.uint8]:
        """Returns the codes of the letters of words, [position, word]; words that are too long have none."""
        lengths = np.array([len(word) if len(word) <= _LONGEST else 0 for word in words], np.intp)
        text = "".join(word for word in words if len(word) <= _LONGEST)
        codes = {ord(letter): self._code(letter) for letter in dict.fromkeys(text)}
        known = np.array(sorted(codes), np.uint32)
        code_of = np.array([codes[point] for point in known.tolist()], np.uint8)
        letters = np.full((_LONGEST + 1, len(words)), _NO_LETTER, np.uint8)
        if text:
            points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
            within = np.arange(len(points)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            letters[within, np.repeat(np.arange(len(words)), lengths)] = code_of[np.searchsorted(known, points)]
        return letters

    def least(self, typed: str, touches: TouchCosts | None = None) -> NDArray[np.float32]:
        """Returns a lower bound of the cost of any typing error between each word and `typed`, in nats: float32 [words]."""
        costs = self.error_costs.__dict__
        touched = [max(cost, 0.0) for touch in touches or () if touch for cost in touch.values()]
        least = np.float32(min([*costs.values(), *touched]))
        if not typed.isascii():
            return np.full(self._plain.shape, least)
        between_plain = [cost for name, cost in costs.items() if name not in ("missing_apostrophe", "accent")]
        return np.where(self._plain, np.float32(min(between_plain + touched)), least)

    def costs(
        self,
        typed: str,
        words: NDArray[np.intp] | None = None,
        ended: bool = False,
        touches: TouchCosts | None = None,
    ) -> NDArray[np.float32]:
        """Returns the cost of typing `typed` where each word was meant, in nats; infinite if no typing errors explain it.

        Args:
          typed: the typed letters, in lower case.
          words: indices of the words to look at; None for all.
          ended: whether the word was typed to its end; if not, missing letters at its end cost nothing.
          touches: the costs by the touch of each typed letter, [letters of `typed`]; None for the geometry alone.

        Returns:
          float32, [number of these words].
        """
        chosen = slice(None) if words is None else words
        lengths = self._lengths[chosen]
        cost = np.full(lengths.shape, _NEVER, np.uint8)
        if 0 < len(typed) < _LONGEST:
            for meant, cells in self._last_row(typed, touches).items():
                of_chosen = cells[chosen]
                np.minimum(cost, np.where(lengths == meant, of_chosen, _NEVER) if ended else of_chosen, out=cost)
        return np.where(cost < _NEVER, cost / np.float32(_UNITS), np.float32(np.inf))

    def _last_row(self, typed: str, touches: TouchCosts | None) -> _Row:
        """Returns the last row of the band: by length of the intended prefix, the cost of having typed all letters for it."""
        read = list(zip(typed, touches or [None] * len(typed), strict=True))
        if read != self._typed:
            shared = list(takewhile(lambda pair: pair[0] == pair[1], zip(read, self._typed, strict=False)))
            del self._rows[len(shared) :]  # the cost of an extra letter depends on the next letter, too
            if not self._rows:
                self._rows.append({0: np.zeros(self._lengths.shape, np.uint8), 1: self._missing[0]})
            for place in range(len(self._rows) - 1, len(typed)):
                self._rows.append(self._next_row(typed, place, read[place][1]))
            self._typed = read
        return self._rows[-1]

    def _next_row(self, typed: str, place: int, touch: Mapping[str, float] | None) -> _Row:
        never, swapped = np.full(self._lengths.shape, _NEVER, np.uint8), _units(self.error_costs.swapped)
        extra, instead = self._extra(typed, place), self._instead(typed[place], touch)
        above, earlier = self._rows[place], self._rows[place - 1] if place else {}
        row: _Row = {}
        for meant in range(place, place + 3):  # with place + 1 letters typed
            cell = np.minimum(above.get(meant, never) + extra, _NEVER)
            if meant > 0:
                np.minimum(cell, above.get(meant - 1, never) + instead(meant - 1), out=cell)
                np.minimum(cell, row.get(meant - 1, never) + self._missing[meant - 1], out=cell)
            if meant > 1 and meant - 2 in earlier and None not in (pair := self._swap(typed, place)):
                swap = (self._letters[meant - 2] == pair[0]) & (self._letters[meant - 1] == pair[1])
                np.minimum(cell, np.where(swap, earlier[meant - 2] + swapped, never), out=cell)
            row[meant] = cell
        return row

    def _instead(self, letter: str, touch: Mapping[str, float] | None) -> Callable[[int], Costs]:
        """Returns a function of a position: the cost of having typed this letter for that of each word there, [words]."""
        if touch:
            by_code = self._by_code(letter, touch)
            return lambda position: by_code[self._letters[position]]
        return self._substituting(letter).__getitem__

    def _extra(self, typed: str, place: int) -> int:
        letter, beside = typed[place], typed[max(place - 1, 0) : place] + typed[place + 1 : place + 2]
        if place > 0 and typed[place - 1] == letter:
            return _units(self.error_costs.doubled)
        near = any(letter in self._neighbours.get(other, ()) for other in beside)
        return _units(self.error_costs.extra_neighbour if near else self.error_costs.extra)

    def _substituting(self, typed: str) -> Costs:
        """Returns the cost of typing this letter for each letter of each word, [positions, words]."""
        if typed not in self._substituted:
            if len(self._substituted) == _MOST_KEPT:
                del self._substituted[next(iter(self._substituted))]
            self._substituted[typed] = self._by_code(typed, {})[self._letters]
        return self._substituted[typed]

    def _by_code(self, typed: str, touch: Mapping[str, float]) -> Costs:
        """Returns the cost of typing this letter for each code of a letter, [codes]; a touch replaces those of neighbours."""
        costs = self.error_costs
        by_code = np.full(_CODES + 1, _units(costs.other), np.uint8)
        for letter, code in self._codes.items():
            if code == _CODES:
                continue
            if letter == typed:
                by_code[code] = 0
            elif _base(letter) == _base(typed) and (typed == _base(typed) or letter != _base(letter)):
                by_code[code] = _units(costs.accent)  # an accent is left out or mistaken, but never typed by mistake
            elif letter in touch:
                by_code[code] = _units(max(touch[letter], 0.0))
            elif not touch and letter in self._neighbours.get(typed, ()):
                by_code[code] = _units(costs.neighbour)
            elif letter in VOWELS and typed in VOWELS:
                by_code[code] = _units(costs.vowel)
        by_code[_NO_LETTER] = _NEVER
        return by_code

    def _code(self, letter: str) -> int:
        return self._codes.setdefault(letter, min(len(self._codes) + 1, _CODES))

    def _swap(self, typed: str, place: int) -> tuple[int | None, int | None]:
        """Returns the codes of the intended letters if the last two were swapped; None for a letter that no word has."""
        if place == 0 or typed[place - 1] == typed[place]:
            return None, None
        codes = (self._codes.get(typed[place]), self._codes.get(typed[place - 1]))
        return (None, None) if _CODES in codes else codes


@lru_cache(maxsize=1024)
def _base(letter: str) -> str:
    """Returns a letter without its accents."""
    return unicodedata.normalize("NFD", letter)[0]


def _units(nats: float) -> int:
    return min(round(nats * _UNITS), _NEVER)
