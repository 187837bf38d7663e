"""How likely typed letters are meant as a word that neither the vocabulary nor the lexicon has.

Bonuses are in nats and add to the score of an unknown word (`suggestions`). `federate evaluate --slips` measures their
effect, together with that of the other rules: `federation/records/README.md`, "Typos".
"""

from collections.abc import Sequence
from functools import cached_property

from data.vocabulary import SPECIALS, UNKNOWN, Vocabulary
from model.device.suggesting.corrections import VOWELS
from model.device.suggesting.letters import Letters
from model.device.suggesting.lexicon import Lexicon

_UNLISTED = -2.0
_LONG = 6  # letters from which on such a word is less likely meant
_LONG_UNLISTED = -3.5
_MEANT = 5.0  # the bonus of words that a lexicon has
_REDUCED = frozenset(f"{verb}a" for verb in ("could", "might", "must", "should", "would"))  # slang that lexicons lack
_ABBREVIATED = 3  # letters of abbreviations, which are as odd as those without vowels
_MOST_ODD = 6.0  # the most that unusual letters take from it
_FOREIGN = 2.0  # for each such word shortly before, as in a sentence of another language
_SHORTLY_BEFORE = 3  # words
_ENDINGS = ("n't", "'ve", "'ll", "'re")  # of contractions


class UnlistedWords:
    """The words that a vocabulary and its lexicon lack."""

    def __init__(self, vocabulary: Vocabulary, lexicon: Lexicon) -> None:
        self._vocabulary, self._lexicon = vocabulary, lexicon

    @cached_property
    def _letters(self) -> Letters:
        return Letters(word for word in self._vocabulary.words[len(SPECIALS) :] if word[0].isalpha())

    def bonus(self, word: str, before: Sequence[str]) -> float:
        """Returns the bonus of such a word after the words of the message so far, all in lower case."""
        if word in _REDUCED:
            return _MEANT
        bonus = _UNLISTED if len(word) < _LONG else _LONG_UNLISTED
        if len(word) > _ABBREVIATED and any(letter in VOWELS for letter in word):
            bonus -= min(self._letters.oddness(word), _MOST_ODD)
        return bonus + _FOREIGN * sum(map(self._has, before[-_SHORTLY_BEFORE:]))

    def _has(self, word: str) -> bool:
        return word[0].isalpha() and self._vocabulary.id(word) == UNKNOWN and not self._lexicon.knows(word)

    def contraction(self, word: str) -> str | None:
        """Returns the contraction with the letters of such a word, if the lexicon has it: "needn't" for "neednt"."""
        if not self._has(word):
            return None
        endings = [ending for ending in _ENDINGS if word.endswith(ending.replace("'", ""))]
        found = (word[: len(word) + 1 - len(ending)] + ending for ending in endings)
        return next((contraction for contraction in found if self._lexicon.knows(contraction)), None)
