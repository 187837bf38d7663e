"""The words that may be suggested, sorted by spelling."""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from data.tokenizer import PUNCTUATION
from data.vocabulary import SPECIALS, Vocabulary
from model.device.suggesting.corrections import Corrections, Neighbours
from model.device.suggesting.lexicon import Lexicon
from model.device.suggesting.offensive import offensive_words
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.word_preferences import WordPreferences

# An own word that the lexicon lacks is doubtful if one typing error (two in a long word) turns a word into it. It has to occur
# more often than other own words before it is suggested. The costs of errors are in nats (`ErrorCosts`).
_ONE_ERROR, _TWO_ERRORS = 5.5, 11.0
_LONG = 7  # letters
_MOST_ADDED = 3
_CERTAIN = 6  # occurrences
# A word of another language is often one error away from a word of the vocabulary ("habe", "have"), but others beside it are not.
# This many of them dispel the doubt.
_FOREIGN = 2

_AFTER_ANY_WORD = "\U0010ffff"  # sorts after every word


class Spellings:
    """The words of the vocabulary and the person's own words that qualified, sorted; `ids` holds their ids, [S]."""

    def __init__(
        self, vocabulary: Vocabulary, neighbours: Neighbours | None = None, lexicon: Lexicon | None = None
    ) -> None:
        ordered = sorted((w, i) for i, w in enumerate(vocabulary.words) if i >= len(SPECIALS) and w not in PUNCTUATION)
        self.words = [word for word, _ in ordered]
        self.ids = np.array([i for _, i in ordered], np.intp)
        self._vocabulary = vocabulary
        self._lexicon = lexicon
        self._with_apostrophe = {word.replace("'", ""): word for word in self.words if "'" in word}
        self._not_words: set[str] = set()  # entries of the vocabulary
        if lexicon is not None:
            self._not_words = {word for word, i in ordered if not lexicon.is_word(i)}
        self._doubtful: dict[str, bool] = {}  # own words, and whether they look like typos
        self._started = False  # whether the words that had qualified before the start were added
        self._own = 0  # number of the person's own words among them
        self.neighbours = neighbours  # the keys beside each key; None for those of a QWERTY keyboard
        self._unwanted = np.zeros(0, np.intp)
        self._unwanted_for: tuple[object, ...] | None = None  # the state from which `_unwanted` was computed
        self._fixed = np.zeros(0, np.intp)  # those among them that what the person writes does not change
        self._fixed_for: tuple[object, ...] | None = None
        self._listed = np.zeros(0, np.intp)  # the offensive words of the vocabulary
        self._listed_for = -1  # number of words for which they were found
        self._corrections: Corrections | None = None  # created on demand: predicting next words needs none

    @property
    def corrections(self) -> Corrections:
        """The error model over these words, in this order."""
        if self._corrections is None:
            self._corrections = Corrections(self.words, self.neighbours)
        return self._corrections

    def use_neighbours(self, neighbours: Neighbours) -> None:
        """Uses the geometry of another keyboard layout from now on."""
        self.neighbours, self._corrections = neighbours, None

    def add(self, personal: PersonalNgram) -> None:
        """Adds the person's own words that have qualified since the last call.

        A long message can add many, and each takes some milliseconds: the next calls then add the rest.
        """
        most = _MOST_ADDED if self._started else len(personal.offered)
        self._started = True
        added = personal.offered[self._own : self._own + most]
        for own in added:
            word = personal.word(own)
            place = bisect_left(self.words, word)
            self.words.insert(place, word)
            self.ids = np.insert(self.ids, place, own)
            if self._corrections is not None:
                self._corrections.insert([place], [word])
        self._own += len(added)

    def starting_with(self, prefix: str) -> tuple[int, int]:
        """Returns the range of indices, start and end, of the words with this prefix."""
        if not prefix:
            return 0, len(self.words)
        start = bisect_left(self.words, prefix)
        return start, bisect_left(self.words, prefix + _AFTER_ANY_WORD, start)

    def place(self, word: str) -> int | None:
        """Returns the index of a word, or None if it is not in the list."""
        place = bisect_left(self.words, word)
        return place if place < len(self.words) and self.words[place] == word else None

    def with_apostrophe(self, word: str) -> int | None:
        """Returns the index of the vocabulary's word with these letters and an apostrophe, or None."""
        with_apostrophe = self._with_apostrophe.get(word)
        return None if with_apostrophe is None else self.place(with_apostrophe)

    def unwanted(self, preferences: WordPreferences, personal: PersonalNgram | None) -> NDArray[np.intp]:
        """Returns the indices of words not to be suggested.

        They are forgotten words, offensive words that the person never typed, and entries that are not words unless the person
        insists on them.
        """
        written = 0 if personal is None else personal.length
        decided = len(self.words), frozenset(preferences.forgotten), len(preferences.insisted)
        if decided != self._fixed_for:  # by the person; these words are many, and stay the same from message to message
            self._fixed = self._places(preferences.forgotten | (self._not_words - preferences.insisted))
            self._fixed_for = decided
        state = (written, preferences.offensive, *decided)
        if state != self._unwanted_for:
            found = [self._fixed]
            if not preferences.offensive:
                found.append(self._offensive_and_untyped(personal))
            if personal is not None:
                own = (personal.word(own) for own in personal.offered[: self._own])
                found.append(self._places(word for word in own if self.doubts(word, preferences, personal)))
            self._unwanted = np.concatenate(found)
            self._unwanted_for = state
        return self._unwanted

    def _places(self, words: Iterable[str]) -> NDArray[np.intp]:
        """Returns the indices of those of the words that are in the list."""
        return np.array([place for word in words if (place := self.place(word)) is not None], np.intp)

    def doubts(self, word: str, preferences: WordPreferences, personal: PersonalNgram) -> bool:
        """Returns whether one of the person's own words is probably a typo of a word of the vocabulary."""
        if self._lexicon is None or word in preferences.insisted or personal.times(word) >= _CERTAIN:
            return False
        if personal.case.form(word) not in (None, word):  # a capitalized word is a name
            return False
        if not self._may_be_typo(word):
            return False
        foreign = (other for other in sorted(personal.company(word)) if not self._may_be_typo(other))
        return len(list(islice(foreign, _FOREIGN))) < _FOREIGN

    def _may_be_typo(self, word: str) -> bool:
        if word not in self._doubtful:
            known = self._lexicon is not None and self._lexicon.knows(word)
            self._doubtful[word] = not known and self._is_near_a_word(word)
        return self._doubtful[word]

    def _is_near_a_word(self, typed: str) -> bool:
        near = self.corrections.costs(typed, ended=True) <= (_ONE_ERROR if len(typed) < _LONG else _TWO_ERRORS)
        return any(
            self.words[place] in self._vocabulary and self.words[place] not in self._not_words
            for place in np.flatnonzero(near)
        )

    def _offensive_and_untyped(self, personal: PersonalNgram | None) -> NDArray[np.intp]:
        if self._listed_for != len(self.words):
            self._listed = self._places(word for word in offensive_words() if word in self._vocabulary)
            self._listed_for = len(self.words)
        if personal is None:
            return self._listed
        return self._listed[~personal.has_written(self.ids[self._listed])]
