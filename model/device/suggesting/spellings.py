"""The words that may be offered, by how they are spelled."""

from bisect import bisect_left

import numpy as np

from data.tokenizer import PUNCTUATION
from data.vocabulary import SPECIALS, Vocabulary
from model.device.suggesting.corrections import Corrections, Neighbours
from model.device.suggesting.offensive import offensive_words
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.word_preferences import Wishes

_AFTER_ANY_WORD = "\U0010ffff"  # no word sorts behind it


class Spellings:
    """The vocabulary's words and, as they come to be offered, the person's own, sorted; `ids` are theirs, [S]."""

    def __init__(self, vocabulary: Vocabulary, neighbours: Neighbours | None = None) -> None:
        ordered = sorted((w, i) for i, w in enumerate(vocabulary.words) if i >= len(SPECIALS) and w not in PUNCTUATION)
        self.words = [word for word, _ in ordered]
        self.ids = np.array([i for _, i in ordered], np.intp)
        self._vocabulary = vocabulary
        self._own = 0  # words of the person's own among these
        self._neighbours = neighbours
        self._unwanted = np.zeros(0, np.intp)
        self._asked: tuple | None = None  # what these are for
        self._corrections: Corrections | None = None  # not before it is asked for: next words alone need none

    @property
    def corrections(self) -> Corrections:
        """What slips would lead to, of these words in this order."""
        if self._corrections is None:
            self._corrections = Corrections(self.words, self._neighbours)
        return self._corrections

    def use_neighbours(self, neighbours: Neighbours) -> None:
        """Takes another keyboard's geometry."""
        self._neighbours, self._corrections = neighbours, None

    def add(self, personal: PersonalNgram) -> None:
        """Takes in the person's words that came to be offered since the last time."""
        for own in personal.offered[self._own :]:
            word = personal.word(own)
            place = bisect_left(self.words, word)
            self.words.insert(place, word)
            self.ids = np.insert(self.ids, place, own)
            if self._corrections is not None:
                self._corrections.insert([place], [word])
        self._own = len(personal.offered)

    def starting_with(self, prefix: str) -> tuple[int, int]:
        """Where the words with this prefix start and end."""
        if not prefix:
            return 0, len(self.words)
        start = bisect_left(self.words, prefix)
        return start, bisect_left(self.words, prefix + _AFTER_ANY_WORD, start)

    def place(self, word: str) -> int | None:
        """Where a word stands; None if it is not there."""
        place = bisect_left(self.words, word)
        return place if place < len(self.words) and self.words[place] == word else None

    def unwanted(self, wishes: Wishes, personal: PersonalNgram | None) -> np.ndarray:
        """The places of words not to be offered: forgotten ones, and offensive ones that the person has not typed."""
        written = 0 if personal is None else personal.length
        asked = (written, len(self.words), wishes.offensive, frozenset(wishes.forgotten))
        if asked != self._asked:
            words = set(wishes.forgotten) if wishes.offensive else wishes.forgotten | self._unasked(personal)
            places = [place for word in words if (place := self.place(word)) is not None]
            self._unwanted, self._asked = np.array(places, np.intp), asked
        return self._unwanted

    def _unasked(self, personal: PersonalNgram | None) -> set[str]:
        listed = [word for word in offensive_words() if word in self._vocabulary]
        if personal is None:
            return set(listed)
        typed = personal.has_written(np.array([self._vocabulary.id(word) for word in listed], np.intp))
        return {word for word, was in zip(listed, typed, strict=True) if not was}
