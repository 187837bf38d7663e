"""What the keyboard offers: the next word between words, and within a word the completions of what is typed of it."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.tokenizer import PUNCTUATION, normalize, tokenize
from data.vocabulary import BOUNDARY, SPECIALS, UNKNOWN, Vocabulary
from model.device.personal import PersonalNgram
from model.device.runtime import Program, State

_AFTER_ANY_WORD = "\U0010ffff"  # no word sorts behind it


class Prediction(NamedTuple):
    """What was thought of a token before it was typed."""

    word: int  # its id; from the vocabulary's length on a word of the person's own
    rank: int | None  # how many words were put before it, as recall counts them; None for one that is never suggested
    log_likelihood: float  # in nats; of an unknown word that of `<unk>`


class Suggester:
    """Suggestions by one program. Remembers the states along the last context: a word further is one step.

    With a personal n-gram model the network's probabilities are the root of that model's, and words of the person's own are
    suggested and ranked like any other; what the n-gram model learns later, and its trust, count from the next suggestion on.
    """

    def __init__(self, program: Program, vocabulary: Vocabulary, personal: PersonalNgram | None = None) -> None:
        self._program = program
        self._vocabulary = vocabulary
        self._personal = personal
        by_spelling = sorted(
            (w, i) for i, w in enumerate(vocabulary.words) if i >= len(SPECIALS) and w not in PUNCTUATION
        )
        self._spellings = [w for w, _ in by_spelling]
        self._spelled_ids = np.array([i for _, i in by_spelling])
        self._own_spelled = 0  # words of the person's own among these
        self._context: list[int] = []
        self._states: list[State] = []  # after <s>, after the first token, …
        self._logits = np.zeros(0, np.float32)  # after the last
        self._mixed = np.zeros(0, np.float32)  # what the n-gram model makes of them
        self._mixed_after: tuple[int, float, list[int]] | None = None  # tokens learned, trust, context

    def logits(self, context: Sequence[int]) -> np.ndarray:
        """The logits of the next word, [V] float32, after the tokens of the message so far (ids, without `<s>`)."""
        tokens = [BOUNDARY, *context]
        if tokens == self._context:
            return self._logits
        known = 0
        while known < min(len(tokens) - 1, len(self._context)) and tokens[known] == self._context[known]:
            known += 1
        del self._context[known:], self._states[known:]
        for token in tokens[known:]:
            state = self._states[-1] if self._states else self._program.initial_state(1)
            self._logits, state = self._program.step(token, state)
            self._states.append(state)
            self._context.append(token)
        return self._logits

    def probabilities(self, context: Sequence[str]) -> np.ndarray:
        """The probability of each next word after the words of the message so far, in lower case.

        [V] float32, or with a personal n-gram model as many as that has words.
        """
        network = softmax(self.logits([self._vocabulary.id(word) for word in context]))
        if self._personal is None:
            return network
        return self._personal.probabilities(network, [self._personal.id(word) for word in context])

    def suggest(self, context: str, prefix: str = "", count: int = 3) -> list[str]:
        """The `count` likeliest words after `context` that start with `prefix`, likeliest first, in lower case.

        `context` is the message so far without the word being typed, `prefix` what is typed of it. Fewer words come back
        where fewer start so; punctuation is never among them.
        """
        return self._top(self._scores([token.word for token in tokenize(context)]), normalize(prefix), count)

    def _scores(self, context: Sequence[str]) -> np.ndarray:
        """What the next words are ranked by: logits, or the probabilities of the n-gram model."""
        if self._personal is None:
            return self.logits([self._vocabulary.id(word) for word in context])
        after = (self._personal.length, self._personal.trust, [self._personal.id(word) for word in context])
        if after != self._mixed_after:
            self._mixed, self._mixed_after = self.probabilities(context), after
            self._spell_own_words(self._personal)
        return self._mixed

    def _spell_own_words(self, personal: PersonalNgram) -> None:
        for own in personal.offered[self._own_spelled :]:
            word = personal.word(own)
            place = bisect_left(self._spellings, word)
            self._spellings.insert(place, word)
            self._spelled_ids = np.insert(self._spelled_ids, place, own)
        self._own_spelled = len(personal.offered)

    def _top(self, scores: np.ndarray, prefix: str, count: int) -> list[str]:
        if prefix:
            start = bisect_left(self._spellings, prefix)
            end = bisect_left(self._spellings, prefix + _AFTER_ANY_WORD, start)
        else:
            start, end = 0, len(self._spellings)
        left, best = scores[self._spelled_ids[start:end]], []
        for _ in range(min(count, len(left))):  # for a few of thousands, faster than sorting or partitioning
            best.append(self._spellings[start + (top := int(left.argmax()))])
            left[top] = -np.inf
        return best

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


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, of the type of the logits, [V]."""
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()
