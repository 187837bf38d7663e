"""How well letters that were typed fit the words they may have been meant for: the channel of a noisy-channel corrector.

A word w was meant and t was typed with probability P(t | w), so w is ranked by P(w | context) * P(t | w) (Kernighan, Church and
Gale 1990). P(t | w) is taken from the cheapest way from w to t by slips of a finger, each with a cost in nats (`Slips`); which
keys are neighbours the keyboard's geometry tells, as in Goodman et al. 2002, "Language Modeling for Soft Keyboards". So it is the
edit distance of Damerau and Levenshtein with such costs, taken for all words at once: a cell of its table is an array over the
words, in bytes. The table is a band: at no point may there be more than one letter more, or fewer, than were meant.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Neighbours = Mapping[str, frozenset[str]]

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")

_UNITS = 8  # of cost in a nat
_NEVER = 127  # units; a cost that is never paid, and the sum of two still fits a byte
_LONGEST = 24  # letters; longer words are not corrected
_NO_LETTER = 0  # behind the end of a word
_CODES = 255  # letters beyond the first so many that were met are like no other


@dataclass(frozen=True)
class Slips:
    """The costs of slips, -log P, in nats. A finger slips on about three letters of a hundred, most often to a neighbour."""

    neighbour: float = 5.5  # a neighbouring key
    other: float = 10.0  # any other key
    accent: float = 1.5  # the letter without its accent, or with another one
    missing: float = 5.5
    missing_twin: float = 4.0  # of a doubled letter
    missing_apostrophe: float = 1.5
    doubled: float = 5.5
    extra_neighbour: float = 7.5  # beside the key that was meant
    extra: float = 10.0
    swapped: float = 5.5


def usual_neighbours() -> dict[str, frozenset[str]]:
    """The neighbours of each letter on the keyboard that is usual: three rows, each half a key further in, or a whole one."""
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
    """The words in the order in which they were given, and what slips would lead from them to what was typed."""

    def __init__(self, words: Sequence[str], neighbours: Neighbours | None = None, slips: Slips | None = None) -> None:
        self.slips = slips or Slips()
        self._neighbours = usual_neighbours() if neighbours is None else neighbours
        self._codes: dict[str, int] = {}
        self._letters = np.zeros((_LONGEST + 1, 0), np.uint8)  # of each word, by place
        self._missing = np.zeros((_LONGEST + 1, 0), np.uint8)  # what it costs to leave that letter out
        self._lengths = np.zeros(0, np.uint8)
        self._plain = np.zeros(0, bool)  # of the letters a to z alone
        self._substituted: dict[str, np.ndarray] = {}  # by typed letter: what it costs at each place of each word
        self.insert([0] * len(words), words)

    def insert(self, places: Sequence[int], words: Sequence[str]) -> None:
        """Adds words, each before the place of one that is there, as `numpy.insert` counts them."""
        letters = np.full((_LONGEST + 1, len(words)), _NO_LETTER, np.uint8)
        for column, word in enumerate(words):
            if len(word) <= _LONGEST:
                letters[: len(word), column] = [self._code(letter) for letter in word]
        before = np.vstack([np.full(len(words), _NO_LETTER, np.uint8), letters[:-1]])
        slips, apostrophe = self.slips, self._code("'")
        missing = np.full(letters.shape, _units(slips.missing), np.uint8)
        missing[letters == before] = _units(slips.missing_twin)
        missing[letters == apostrophe] = _units(slips.missing_apostrophe)
        missing[letters == _NO_LETTER] = _NEVER
        self._letters = np.insert(self._letters, places, letters, axis=1)
        self._missing = np.insert(self._missing, places, missing, axis=1)
        self._lengths = np.insert(self._lengths, places, np.count_nonzero(letters, axis=0))
        self._plain = np.insert(self._plain, places, [word.isascii() and word.isalpha() for word in words])
        self._substituted.clear()

    def least(self, typed: str) -> np.ndarray:
        """What no slip that leads to what was typed costs less than, in nats, of each word: [number of words] float32."""
        costs = self.slips.__dict__
        least = np.float32(min(costs.values()))
        if not typed.isascii():
            return np.full(self._plain.shape, least)
        between_plain = min(cost for name, cost in costs.items() if name not in ("missing_apostrophe", "accent"))
        return np.where(self._plain, np.float32(between_plain), least)

    def costs(self, typed: str, words: np.ndarray | None = None, ended: bool = False) -> np.ndarray:
        """What it cost, in nats, to come to the letters typed so far from the words meant; infinite beyond what slips explain.

        Args:
          typed: in lower case.
          words: indices of the words that matter; all if there are none.
          ended: whether the word was typed to its end; else the rest of it may be missing for nothing.

        Returns:
          [number of those words] float32.
        """
        chosen = slice(None) if words is None else words
        lengths = self._lengths[chosen]
        cost = np.full(lengths.shape, _NEVER, np.uint8)
        if 0 < len(typed) < _LONGEST:
            for meant, cells in self._last_row(typed, chosen, len(lengths)).items():
                if ended:
                    cells[lengths != meant] = _NEVER
                np.minimum(cost, cells, out=cost)
        return np.where(cost < _NEVER, cost / np.float32(_UNITS), np.float32(np.inf))

    def _last_row(self, typed: str, chosen: slice | np.ndarray, count: int) -> dict[int, np.ndarray]:
        """For numbers of letters meant about as large as that of letters typed: what it cost to type all these for those."""
        never, swapped = np.full(count, _NEVER, np.uint8), _units(self.slips.swapped)
        earlier: dict[int, np.ndarray] = {}
        row = {0: np.zeros(count, np.uint8), 1: self._missing[0][chosen]}
        for place, letter in enumerate(typed):
            extra, substituted, above = self._extra(typed, place), self._substituting(letter), row
            row = {}
            for meant in range(place, place + 3):  # with place + 1 letters typed
                cell = np.minimum(above.get(meant, never) + extra, _NEVER)
                if meant > 0:
                    np.minimum(cell, above.get(meant - 1, never) + substituted[meant - 1][chosen], out=cell)
                    np.minimum(cell, row.get(meant - 1, never) + self._missing[meant - 1][chosen], out=cell)
                if meant > 1 and meant - 2 in earlier and None not in (pair := self._swap(typed, place)):
                    before, after = self._letters[meant - 2][chosen], self._letters[meant - 1][chosen]
                    swap = (before == pair[0]) & (after == pair[1])
                    np.minimum(cell, np.where(swap, earlier[meant - 2] + swapped, never), out=cell)
                row[meant] = cell
            earlier = above
        return row

    def _extra(self, typed: str, place: int) -> int:
        letter, beside = typed[place], typed[max(place - 1, 0) : place] + typed[place + 1 : place + 2]
        if place > 0 and typed[place - 1] == letter:
            return _units(self.slips.doubled)
        near = any(letter in self._neighbours.get(other, ()) for other in beside)
        return _units(self.slips.extra_neighbour if near else self.slips.extra)

    def _substituting(self, typed: str) -> np.ndarray:
        """What it costs to have typed this letter for each letter of each word, [places, words]."""
        if typed not in self._substituted:
            slips = self.slips
            by_code = np.full(_CODES + 1, _units(slips.other), np.uint8)
            for letter, code in self._codes.items():
                if code == _CODES:
                    continue
                if letter == typed:
                    by_code[code] = 0
                elif _base(letter) == _base(typed):
                    by_code[code] = _units(slips.accent)
                elif letter in self._neighbours.get(typed, ()):
                    by_code[code] = _units(slips.neighbour)
            by_code[_NO_LETTER] = _NEVER
            self._substituted[typed] = by_code[self._letters]
        return self._substituted[typed]

    def _code(self, letter: str) -> int:
        return self._codes.setdefault(letter, min(len(self._codes) + 1, _CODES))

    def _swap(self, typed: str, place: int) -> tuple[int | None, int | None]:
        """The codes of the two letters that were meant if the last two were swapped; None for one that no word has."""
        if place == 0 or typed[place - 1] == typed[place]:
            return None, None
        codes = (self._codes.get(typed[place]), self._codes.get(typed[place - 1]))
        return (None, None) if _CODES in codes else codes


@lru_cache(maxsize=1024)
def _base(letter: str) -> str:
    """A letter without its accents."""
    return unicodedata.normalize("NFD", letter)[0]


def _units(nats: float) -> int:
    return min(round(nats * _UNITS), _NEVER)
