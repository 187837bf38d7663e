"""The touches that typed a text: a tap for a letter, a glide for a word. Pasted text and physical keys have none."""

from bisect import insort
from collections.abc import Iterator, Mapping
from itertools import pairwise, takewhile
from typing import NamedTuple

from keyboard_app.learning.touches import Glide, Meant, Tap


class _Mark(NamedTuple):
    """A touch, and the part of the text that it typed."""

    start: int
    end: int
    touch: Tap | Glide


class TouchedText:
    """The touches of a text. Indices count the text's code points; `replace` and `reword` follow each change of the text.

    A change at the end of the text takes the same time however long the text is.
    """

    def __init__(self) -> None:
        self._marks: list[_Mark] = []  # in the order of the text, without overlaps

    def add(self, start: int, end: int, touch: Tap | Glide) -> None:
        """Says that a touch typed a part of the text, which had no touch."""
        insort(self._marks, _Mark(start, end, touch), key=lambda mark: mark.start)

    def replace(self, start: int, end: int, length: int, kept: int = 0) -> None:
        """Forgets the touches of a part of the text that gives way to `length` characters, but for its first `kept`."""
        behind: list[_Mark] = []
        while self._marks and self._marks[-1].end > start + kept:
            mark = self._marks.pop()
            if mark.start >= end:
                shift = length - (end - start)
                behind.append(_Mark(mark.start + shift, mark.end + shift, mark.touch))
        self._marks += reversed(behind)

    def reword(self, start: int, before: str, after: str) -> None:
        """Gives the touches of a word to another word in its place that they may have meant instead.

        A word of as many letters keeps all taps, because one letter was meant for the other; other words keep those of the
        letters that they begin with. A glide is kept.
        """
        end = start + len(before)
        glide = next((mark.touch for mark in self._within(start, end) if mark[:2] == (start, end)), None)
        kept = len(before)
        if len(after) != len(before):
            alike = (one.lower() == other.lower() for one, other in zip(before, after, strict=False))
            kept = sum(takewhile(bool, alike))
        self.replace(start, end, len(after), kept)
        if isinstance(glide, Glide) and kept < len(before):
            self.add(start, start + len(after), glide)

    def costs(self, start: int, text: str) -> list[Mapping[str, float] | None] | None:
        """Returns what the touches of the text from an index on say of other letters, by letter; None if they say nothing."""
        costs: list[Mapping[str, float] | None] = [None] * len(text)
        for mark in self._within(start, start + len(text)):
            if isinstance(mark.touch, Tap) and mark.touch.letter == text[mark.start - start].lower():
                costs[mark.start - start] = mark.touch.costs
        return costs if any(costs) else None

    def meant(self, text: str) -> list[Meant]:
        """Returns what each touch of the finished text meant.

        A tap meant the letter that stands in the text now, also if a correction put it there. Where a correction changed more than
        one letter of a word, it was not a finger that missed one key, so that only the letters that it left are returned.
        """
        found: list[Meant] = []
        for word in self._words():
            glides = [mark for mark in word if isinstance(mark.touch, Glide)]
            found += [Meant(mark.touch, text[mark.start : mark.end]) for mark in glides]
            taps = [(mark.touch, text[mark.start].lower()) for mark in word if isinstance(mark.touch, Tap)]
            missed = sum(tap.letter != letter for tap, letter in taps)
            found += [Meant(tap, letter) for tap, letter in taps if missed <= 1 or tap.letter == letter]
        return found

    def _within(self, start: int, end: int) -> Iterator[_Mark]:
        """Yields the marks of a part of the text, from its end."""
        for mark in reversed(self._marks):
            if mark.end <= start:
                return
            if start <= mark.start and mark.end <= end:
                yield mark

    def _words(self) -> Iterator[list[_Mark]]:
        """Yields the marks of letters that stand side by side."""
        word: list[_Mark] = self._marks[:1]
        for before, mark in pairwise(self._marks):
            if mark.start > before.end:
                yield word
                word = []
            word.append(mark)
        yield word
