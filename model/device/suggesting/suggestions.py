"""What the keyboard offers: the next word between words, and within a word what it may become or may have been meant to be."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from data.tokenizer import normalize, tokenize
from data.vocabulary import SPECIALS, UNKNOWN, Vocabulary
from model.device.suggesting.corrections import Neighbours
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.spellings import Spellings
from model.device.suggesting.word_preferences import Wishes

_SHORTEST_SLIPPED = 3  # letters of a word that say enough of it to look for slips in them
_SHORTEST_CORRECTED = 2  # letters of a word that was typed to its end
# Two letters are a slip away from very many words, and many pairs that no vocabulary has are meant: units, initials. So only one
# of the most frequent words takes their place. Of 1,151 slips to two letters mended on validation users 1,141 still are.
_FAMILIAR = 500
# What a correction has to exceed, in nats. A word that nobody knows counts as the model's `<unk>`, shared by all there are of its
# length; a known word counts as itself, with an advantage. The best on validation users with slips drawn from the keyboard's
# geometry (`federation.evaluation.autocorrection`).
_UNKNOWN, _UNKNOWN_LETTER = -5.0, -1.0
_KNOWN = 5.0
_SHOWN = -4.0  # to be offered only, without being put in the place of what was typed
# Whoever goes on typing probably did not mean what was shown; but people overlook suggestions, so these may come back. On
# validation users 0.8 points of keystroke savings; never showing a word twice would bring half a point more.
_PASSED_OVER = math.log(10)


class Prediction(NamedTuple):
    """What was thought of a token before it was typed."""

    word: int  # its id; from the vocabulary's length on a word of the person's own
    rank: int | None  # how many words were put before it, as recall counts them; None for one that is never suggested
    log_likelihood: float  # in nats; of an unknown word that of `<unk>`


class Suggester:
    """Suggestions by one network, whose logits `reader` gives; several may read by the same one.

    With a personal n-gram model the network's probabilities are the root of that model's, and words of the person's own are
    suggested and ranked like any other; what the n-gram model learns later, its trust, and what is wished count from the next
    suggestion on. `neighbours` are those of the letters' keys, by default those of the usual keyboard.
    """

    def __init__(
        self,
        reader: Reader,
        vocabulary: Vocabulary,
        personal: PersonalNgram | None = None,
        wishes: Wishes | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._reader = reader
        self._vocabulary = vocabulary
        self._personal = personal
        self._wishes = wishes or Wishes()
        self._neighbours = neighbours
        self._scores = np.zeros(0, np.float32)  # of what may come next
        self._offered = np.zeros(0, np.float32)  # of the spellings among it
        self._scored: tuple | None = None  # for what these are
        self._shown: dict[tuple[str, int], list[int]] = {}  # after this context: places shown by prefix and count

    @cached_property
    def spellings(self) -> Spellings:
        """The words that may be offered; made when they are first asked for, since who only predicts needs none."""
        return Spellings(self._vocabulary, self._neighbours)

    @property
    def reader(self) -> Reader:
        """Of the network suggestions are by; another one of the same vocabulary may be assigned."""
        return self._reader

    @reader.setter
    def reader(self, reader: Reader) -> None:
        self._reader, self._scored = reader, None

    def follow(self, context: str) -> None:
        """Reads a message so far, so that asking for what is thought of it takes no step of the program later."""
        self._logits([token.word for token in tokenize(context)])

    def probabilities(self, context: Sequence[str]) -> np.ndarray:
        """The probability of each next word after the words of the message so far, in lower case.

        [V] float32, or with a personal n-gram model as many as that has words.
        """
        network = softmax(self._logits(context))
        if self._personal is None:
            return network
        return self._personal.probabilities(network, [self._personal.id(word) for word in context])

    def _logits(self, context: Sequence[str]) -> np.ndarray:
        return self._reader.logits([self._vocabulary.id(word) for word in context])

    def suggest(self, context: str, prefix: str = "", count: int = 3) -> list[str]:
        """The `count` likeliest words after `context` for what is typed of one, likeliest first, in lower case.

        `context` is the message so far without the word being typed, `prefix` what is typed of it. Words that start with the
        prefix are ranked by their probability, words from which slips would lead to it (if it has three letters) by that times
        the probability of the slips. Fewer words come back where fewer fit; punctuation is never among them.
        """
        self._score([token.word for token in tokenize(context)])
        places, fits = self._fitting(normalize(prefix), count)
        return [self.spellings.words[places[i]] for i in _top(fits, count)]

    def correct(self, context: str, word: str) -> str | None:
        """The word that was surely meant by `word`, typed to its end after `context`, in lower case; None where it stays."""
        typed = normalize(word)
        if len(typed) < _SHORTEST_CORRECTED or not all(c.isalpha() or c == "'" for c in typed):
            return None
        self._score([token.word for token in tokenize(context)])
        as_typed = self._as_typed(typed)
        corrections = self.spellings.corrections
        candidates = np.flatnonzero(self._offered - corrections.least(typed) > as_typed)
        fits = self._offered[candidates] - corrections.costs(typed, candidates, ended=True)
        if len(typed) == _SHORTEST_CORRECTED:
            fits[self.spellings.ids[candidates] >= _FAMILIAR] = -np.inf
        if len(fits) == 0 or fits[best := int(fits.argmax())] <= as_typed:
            return None
        return self.spellings.words[candidates[best]]

    def _score(self, context: Sequence[str]) -> None:
        """Scores what may come next by log-probabilities, in nats and up to a constant, and masks what is not to be offered."""
        personal, wishes = self._personal, self._wishes
        ids = [self._vocabulary.id(word) if personal is None else personal.id(word) for word in context]
        learned = () if personal is None else (personal.length, personal.trust)
        scored = (ids, learned, frozenset(wishes.forgotten), wishes.offensive)
        if scored == self._scored:
            return
        if personal is None:
            self._scores = self._reader.logits(ids)  # which are the vocabulary's
        else:
            with np.errstate(divide="ignore"):  # what is less than a float32 can hold is -inf
                self._scores = np.log(self.probabilities(context))
            self.spellings.add(personal)
        self._offered = self._scores[self.spellings.ids]
        self._offered[self.spellings.unwanted(wishes, personal)] = -np.inf
        self._scored, self._shown = scored, {}

    def _as_typed(self, word: str) -> float:
        """What a correction's score has to exceed."""
        known = self._vocabulary.id(word) if self._personal is None else self._personal.id(word)
        if known >= len(self._vocabulary) and word in self._wishes.forgotten:
            known = UNKNOWN  # a slip that was learned as a word
        return self._as_unknown(word) if known == UNKNOWN else float(self._scores[known]) + _KNOWN

    def _as_unknown(self, word: str) -> float:
        return float(self._scores[UNKNOWN]) + _UNKNOWN + _UNKNOWN_LETTER * len(word)

    def _fitting(self, prefix: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of words that fit what is typed, the `count` best among them, and what they are ranked by, in nats."""
        start, fits = self._completions(prefix, count)
        end = start + len(fits)
        places = np.arange(start, end)
        if len(prefix) < _SHORTEST_SLIPPED:
            return places, fits
        corrections, best = self.spellings.corrections, _top(fits, count)
        # Only words that even the likeliest slip leaves among the best need to be looked at.
        least = self._as_unknown(prefix) + _SHOWN
        if len(best) == count > 0:
            least = max(least, float(fits[best[-1]]))
        others = np.flatnonzero(self._offered - corrections.least(prefix) > least)
        others = others[(others < start) | (others >= end)]
        slipped = self._offered[others] - corrections.costs(prefix, others)
        return np.concatenate([places, others]), np.concatenate([fits, slipped])

    def _completions(self, prefix: str, count: int) -> tuple[int, np.ndarray]:
        """The place of the first word with this prefix, and what it and those after it are ranked by, in nats."""
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
        """The places of the completions shown for a prefix."""
        if (prefix, count) not in self._shown:
            start, fits = self._completions(prefix, count)
            self._shown[prefix, count] = [start + best for best in _top(fits, count)]
        return self._shown[prefix, count]

    def predictions(self, words: Sequence[str]) -> list[Prediction]:
        """What was thought of each word of a message, in lower case, after those before it."""
        return [self._prediction(words[:i], word) for i, word in enumerate(words)]

    def _prediction(self, context: Sequence[str], word: str) -> Prediction:
        probabilities, size = self.probabilities(context), len(self._vocabulary)
        offered = np.array(self._personal.offered if self._personal else [], np.intp)
        own = self._personal.id(word) if self._personal else self._vocabulary.id(word)
        likelihood = probabilities[own]
        rank = None
        if own != UNKNOWN and (own < size or own in offered):
            better = probabilities[len(SPECIALS) : size] > likelihood, probabilities[offered] > likelihood
            rank = sum(int(np.count_nonzero(b)) for b in better)
        return Prediction(own, rank, math.log(likelihood) if likelihood > 0 else -math.inf)


def _top(fits: np.ndarray, count: int) -> list[int]:
    """The indices of the `count` largest, largest first; those that are not to be offered are -inf and left out."""
    left, best = fits.copy(), []
    for _ in range(min(count, len(left))):  # for a few of thousands, faster than sorting or partitioning
        top = int(left.argmax())
        if left[top] == -np.inf:
            break
        best.append(top)
        left[top] = -np.inf
    return best


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, of the type of the logits, [V]."""
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()
