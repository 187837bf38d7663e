"""Suggestions: the likeliest words for what a person is typing, and the correction of a finished word."""

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.marks import is_mark
from data.tokenizer import normalize, tokenize
from data.vocabulary import SPECIALS, UNKNOWN, Vocabulary
from model.device.suggesting.casing import Casing
from model.device.suggesting.corrections import Neighbours, TouchCosts
from model.device.suggesting.lexicon import Lexicon
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.prediction import Predictor
from model.device.suggesting.reading import Reader
from model.device.suggesting.spellings import Spellings
from model.device.suggesting.unlisted_words import UnlistedWords
from model.device.suggesting.word_preferences import WordPreferences

_SHORTEST_PREFIX = 3  # letters: typos are searched for in prefixes of at least this length
_SHORTEST_CORRECTED = 2  # letters of a finished word
# Two letters are one typo away from very many words, and many pairs outside any vocabulary are meant: units, initials. Only one of
# the most frequent words replaces them. On validation users this still corrects 1,141 of 1,151 typos of two letters.
_FAMILIAR = 500
# A correction has to exceed these scores, in nats. An unknown word counts as `<unk>`, shared by all unknown words of its length,
# more if the lexicon has it, and less if not. A known word counts as itself, with the protection that the lexicon gives it, or
# with a bonus where there is no lexicon. They were the best on validation users with typos drawn from the geometry of the
# keyboard (`federation.evaluation.autocorrection`).
_UNKNOWN, _UNKNOWN_LETTER = -5.0, -1.0
_LISTED = 5.0  # bonus of unknown words that the lexicon has; `unlisted_words` gives that of the others
_CONTRACTED = 0.0  # the same for one that a contraction of the vocabulary becomes without its apostrophe ("hows")
_NO_WORD = -5.0  # bonus of vocabulary entries that are not words: the model learned them from typos
_KNOWN = 5.0
# Share of a word's frequency in any context in its prior as a correction. People misspell words also where the network does not
# expect them: "recieve" at the start of a message. The frequency is that of Zipf's law over the vocabulary, which is sorted by it.
# It decides whether to correct; the context alone decides which correction it is.
_ANYWHERE = 0.2
_SURE = 4  # letters from which on; fewer could be an abbreviation that no list has, such as "ngl"
_SHOWN = -4.0  # to be suggested only, without replacing the typed word
# A person who types on after seeing a suggestion probably did not mean it. But people overlook suggestions, so that these may come
# back. This saves 0.8 points of keystrokes on validation users; never repeating a suggestion would save half a point more.
_PASSED_OVER = math.log(10)
_ANSWERS_KEPT = 8  # those to the key before, to the last one, and to the one that a finger is about to type
_LEAST_LIKELY = -30.0  # nats below the likeliest word: the prior of gestures for words that the network excludes


class _Answer(NamedTuple):
    """The words that were found for what was typed."""

    question: tuple[object, ...]
    places: Sequence[int]  # indices of the spellings, best first


class Suggester:
    """Suggestions by one network, whose logits come from `reader`; several suggesters may share a reader.

    With a personal n-gram model, the network's probabilities are the root of that model, and the person's own words are suggested
    and ranked like any other. Later changes of the n-gram model, its trust, and the preferences take effect with the next
    suggestion. `neighbours` lists the keys beside each key, by default those of a QWERTY keyboard. Without a lexicon, every entry
    of the vocabulary counts as a word.
    """

    def __init__(
        self,
        reader: Reader,
        vocabulary: Vocabulary,
        personal: PersonalNgram | None = None,
        preferences: WordPreferences | None = None,
        neighbours: Neighbours | None = None,
        lexicon: Lexicon | None = None,
    ) -> None:
        self.predictor = Predictor(reader, vocabulary, personal)
        self.casing = Casing(vocabulary, lexicon, personal)
        self._vocabulary = vocabulary
        self._personal = personal
        self._preferences = preferences or WordPreferences()
        self._neighbours = neighbours
        self._lexicon = lexicon
        self._unlisted = UnlistedWords(vocabulary, lexicon) if lexicon else None
        self._scores = np.zeros(0, np.float32)  # of all words after the current context
        self._offered = np.zeros(0, np.float32)  # of the spellings; -inf for words not to be suggested
        self._scored_for: tuple[object, ...] | None = None  # the state from which both were computed
        self._context: Sequence[str] = ()  # of the last correction
        self._priors: NDArray[np.float32] | None = None  # in this context: the scores of the spellings as corrections
        # The last context, the number of words, and the ids.
        self._read: tuple[Sequence[str], int, list[int]] | None = None
        self._shown: dict[tuple[str, int], list[int]] = {}  # in this context: indices shown, by prefix and count
        self._answers: list[_Answer] = []  # in this context: the newest answers of `suggest` and `correct`

    @cached_property
    def spellings(self) -> Spellings:
        """The words that may be suggested, created on demand, because predictions alone do not need them."""
        return Spellings(self._vocabulary, self._neighbours, self._lexicon)

    @property
    def reader(self) -> Reader:
        """The reader of the network. Assign another reader to change the network, which must have the same vocabulary."""
        return self.predictor.reader

    @reader.setter
    def reader(self, reader: Reader) -> None:
        self.predictor.reader, self._scored_for = reader, None

    def follow(self, context: str) -> None:
        """Reads the message so far, so that later calls for this context need no step of the program."""
        self.predictor.read(words_of(context))

    def log_prior(self, context: str) -> NDArray[np.float32]:
        """Returns the logarithm of each next word's probability, in nats up to a constant, for gestures that mean one of them.

        The result is float32 of shape [V], or of the number of words of the personal n-gram model. Words that are never suggested,
        punctuation among them, have -inf; a word that the network excludes keeps a little, because a clear gesture may mean it.
        """
        self._score(words_of(context))
        size = len(self._vocabulary if self._personal is None else self._personal)
        prior = np.full(size, -np.inf, np.float32)
        wanted = np.ones(len(self.spellings.ids), bool)
        wanted[self.spellings.unwanted(self._preferences, self._personal)] = False
        ids = self.spellings.ids[wanted]
        prior[ids] = np.maximum(self._scores[ids], self._scores.max() + _LEAST_LIKELY)
        return prior

    def suggest(self, context: str, prefix: str = "", count: int = 3, touches: TouchCosts | None = None) -> list[str]:
        """Returns the `count` likeliest words for the word being typed, likeliest first, in lower case.

        `context` is the message before the word being typed, `prefix` the letters typed so far. Words that start with the prefix
        are ranked by their probability. If the prefix has at least three letters, words that typing errors turn into the prefix
        are ranked too, by their probability times that of the errors. Fewer words are returned if fewer fit; punctuation is never
        suggested. `touches` gives the costs of other letters by the touch of each letter of the prefix (`Hand.touch_costs`).
        """
        self._score(words_of(context))
        typed = normalize(prefix)
        touches = _touches_for(typed, touches)
        question = "suggest", typed, count, self.spellings.neighbours, touches
        known = self._answered(question)
        if known is None:
            places, fits = self._fitting(typed, count, touches)
            known = self._answer(question, [places[i] for i in _top(fits, count)])
        return [self.spellings.words[place] for place in known]

    def correct(self, context: str, word: str, touches: TouchCosts | None = None) -> str | None:
        """Returns the correction of the finished word `word` after `context`, in lower case, or None to keep the word.

        `touches` is as for `suggest`.
        """
        typed = normalize(word)
        if len(typed) < _SHORTEST_CORRECTED or not all(c.isalpha() or c == "'" or is_mark(c) for c in typed):
            return None
        self._context = words_of(context)
        self._score(self._context)
        touches = _touches_for(typed, touches)
        question = "correct", typed, tuple(self._context), self.spellings.neighbours, touches
        known = self._answered(question)
        if known is None:
            best = self._correction(typed, touches)
            known = self._answer(question, [] if best is None else [best])
        if known:
            return self.spellings.words[known[0]]
        return self._unlisted.contraction(typed) if self._unlisted else None

    def _correction(self, typed: str, touches: TouchCosts | None) -> int | None:
        """Returns the index of the correction of a finished word, or None if no word is likely enough."""
        as_typed, priors = self._to_exceed(typed), self._offered
        if self._vocabulary.id(typed) == UNKNOWN and len(typed) >= _SURE:
            priors = self._priors_of_corrections()
        corrections = self.spellings.corrections
        candidates = np.flatnonzero(priors - corrections.least(typed, touches) > as_typed.min())
        costs = corrections.costs(typed, candidates, ended=True, touches=touches)
        fits = self._offered[candidates] - costs
        fits[priors[candidates] - costs <= as_typed[candidates]] = -np.inf
        if len(typed) == _SHORTEST_CORRECTED:
            fits[self.spellings.ids[candidates] >= _FAMILIAR] = -np.inf
        if len(fits) == 0 or fits[best := int(fits.argmax())] == -np.inf:
            return None
        return int(candidates[best])

    def _answered(self, question: tuple[object, ...]) -> Sequence[int] | None:
        """Returns the answer that was given to the same question in this context, or None."""
        return next((answer.places for answer in self._answers if answer.question == question), None)

    def _answer(self, question: tuple[object, ...], places: Sequence[int]) -> Sequence[int]:
        """Keeps and returns an answer."""
        self._answers.append(_Answer(question, places))
        del self._answers[:-_ANSWERS_KEPT]
        return places

    def likely_after(self, context: Sequence[str], following: Sequence[str], least: float) -> str | None:
        """Returns the likeliest word after a message so far and words that may follow it, in lower case.

        The word is None if no word that may be suggested has at least the probability `least`. The network takes a step for each
        of the words that it has not read ahead yet; suggestions for the context need none afterwards.
        """
        probabilities, personal = self.predictor.probabilities_ahead(context, following), self._personal
        likely = np.flatnonzero(probabilities >= least)
        for found in likely[np.argsort(-probabilities[likely])]:
            own = None if found < len(self._vocabulary) else personal
            word = self._vocabulary.words[found] if own is None else own.word(int(found))
            place = self.spellings.place(word)
            if place is not None and place not in self.spellings.unwanted(self._preferences, personal):
                return word
        return None

    def _score(self, context: Sequence[str]) -> None:
        """Scores all next words by log-probability, in nats up to a constant, and masks words not to be suggested."""
        personal, preferences = self._personal, self._preferences
        ids = self._ids(context)
        learned = () if personal is None else (personal.length, personal.trust)
        state = (ids, learned, frozenset(preferences.forgotten), len(preferences.insisted), preferences.offensive)
        if state == self._scored_for:
            return
        if personal is None:
            self._scores = self.predictor.reader.logits(ids)  # without a personal model all ids are the vocabulary's
        else:
            with np.errstate(divide="ignore"):  # the logarithm of a probability that underflowed to 0 is -inf
                self._scores = np.log(self.predictor.probabilities(context))
            self.spellings.add(personal)
        self._offered = self._scores[self.spellings.ids]
        self._offered[self.spellings.unwanted(preferences, personal)] = -np.inf
        self._scored_for, self._priors, self._shown, self._answers = state, None, {}, []

    def _ids(self, context: Sequence[str]) -> list[int]:
        """Returns the ids of the words of a context, which is that of the last key for all keys of a word."""
        personal = self._personal
        words = 0 if personal is None else len(personal)
        if self._read is None or self._read[0] is not context or self._read[1] != words:
            ids = [self._vocabulary.id(word) if personal is None else personal.id(word) for word in context]
            self._read = context, words, ids
        return self._read[2]

    def _priors_of_corrections(self) -> NDArray[np.float32]:
        """Returns the scores of the spellings, in nats, to which their frequency in any context adds; [spellings]."""
        if self._priors is None:
            ids, size, offered = self.spellings.ids, len(self._vocabulary), self._offered
            ranks = np.where(ids < size, ids - len(SPECIALS) + 1, np.inf)  # own words are not sorted by frequency
            total = float(self._scores.max()) + math.log(np.exp(self._scores - self._scores.max()).sum())
            anywhere = total + math.log(_ANYWHERE / (math.log(size) + np.euler_gamma)) - np.log(ranks)
            mixed = np.logaddexp(offered + math.log1p(-_ANYWHERE), anywhere).astype(np.float32)
            self._priors = np.where(offered > -np.inf, mixed, offered)
        return self._priors

    def _to_exceed(self, word: str) -> NDArray[np.float32]:
        """Returns the score that each of the spellings has to exceed to be a correction."""
        to_exceed = np.full(self._offered.shape, self._as_typed(word), np.float32)
        known, place = self._vocabulary.id(word), self.spellings.with_apostrophe(word)
        if self._lexicon is not None and known != UNKNOWN and place is not None:
            least = self._scores[known] + np.float32(self._lexicon.apostrophe[known])
            to_exceed[place] = min(to_exceed[place], least)
        return to_exceed

    def _as_typed(self, word: str) -> float:
        """Returns the score of a word as it was typed, with its protection."""
        known = self._vocabulary.id(word)
        if known != UNKNOWN:
            protection = _KNOWN if self._lexicon is None else float(self._lexicon.protection[known])
            known_score = float(self._scores[known]) + protection
            return known_score if protection > -math.inf else self._as_unknown(word) + _NO_WORD
        own = UNKNOWN if self._personal is None else self._personal.id(word)
        # A typo that was learned as a word does not count: one that was forgotten, or that is still doubtful.
        if own != UNKNOWN and word not in self._preferences.forgotten and not self.doubts(word):
            return float(self._scores[own]) + _KNOWN
        unknown = self._as_unknown(word)
        if self._lexicon is None or self._unlisted is None:
            return unknown
        if self._lexicon.knows(word):
            return unknown + (_LISTED if self.spellings.with_apostrophe(word) is None else _CONTRACTED)
        return unknown + self._unlisted.bonus(word, self._context)

    def doubts(self, word: str) -> bool:
        """Returns whether one of the person's own words is probably a typo, which is not suggested."""
        return self._personal is not None and self.spellings.doubts(word, self._preferences, self._personal)

    def _as_unknown(self, word: str) -> float:
        return float(self._scores[UNKNOWN]) + _UNKNOWN + _UNKNOWN_LETTER * len(word)

    def _fitting(
        self, prefix: str, count: int, touches: TouchCosts | None
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Returns the indices of words that fit the prefix, including the `count` best, and their scores in nats."""
        start, fits = self._completions(prefix, count)
        end = start + len(fits)
        places = np.arange(start, end)
        if len(prefix) < _SHORTEST_PREFIX:
            return places, fits
        corrections, best = self.spellings.corrections, _top(fits, count)
        # A word that falls behind the best even with the cheapest typing error can be skipped.
        least = self._as_unknown(prefix) + _SHOWN
        if len(best) == count > 0:
            least = max(least, float(fits[best[-1]]))
        others = np.flatnonzero(self._offered - corrections.least(prefix, touches) > least)
        others = others[(others < start) | (others >= end)]
        slipped = self._offered[others] - corrections.costs(prefix, others, touches=touches)
        return np.concatenate([places, others]), np.concatenate([fits, slipped])

    def _completions(self, prefix: str, count: int) -> tuple[int, NDArray[np.float32]]:
        """Returns the index of the first word with this prefix, and the scores of all words with it, in nats."""
        start, end = self.spellings.starting_with(prefix)
        fits = self._offered[start:end].copy()
        if prefix and len(fits):
            if self.spellings.words[start] == prefix:
                fits[0] = -np.inf
            for letters in range(len(prefix)):
                for place in self._shown_for(prefix[:letters], count):
                    if start <= place < end:
                        fits[place - start] -= _PASSED_OVER
        return start, fits

    def _shown_for(self, prefix: str, count: int) -> list[int]:
        """Returns the indices of the completions shown for a prefix."""
        if (prefix, count) not in self._shown:
            start, fits = self._completions(prefix, count)
            self._shown[prefix, count] = [start + best for best in _top(fits, count)]
        return self._shown[prefix, count]


def words_of(context: str) -> tuple[str, ...]:
    """Returns the words of a message so far; several networks read the same one for each key."""
    return _words_of(context.rstrip())  # a space that ends a word changes no word


@lru_cache(4)
def _words_of(context: str) -> tuple[str, ...]:
    return tuple(token.word for token in tokenize(context))


def _touches_for(typed: str, touches: TouchCosts | None) -> TouchCosts | None:
    """Returns the touches if there is one for each letter; after an edit or a normalization they may belong to others."""
    return touches if touches is not None and len(touches) == len(typed) else None


def _top(fits: NDArray[np.float32], count: int) -> list[int]:
    """Returns the indices of the `count` largest scores, largest first, without scores of -inf."""
    left, best = fits.copy(), []
    for _ in range(min(count, len(left))):  # faster than sorting or partitioning for a few out of thousands
        top = int(left.argmax())
        if left[top] == -np.inf:
            break
        best.append(top)
        left[top] = -np.inf
    return best
