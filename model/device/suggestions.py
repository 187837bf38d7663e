"""What the keyboard offers: the next word between words, and within a word the completions of what is typed of it."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from data.tokenizer import PUNCTUATION, normalize
from data.vocabulary import BOUNDARY, SPECIALS, Vocabulary
from model.device.runtime import Program, State

_AFTER_ANY_WORD = "\U0010ffff"  # no word sorts behind it


class Suggester:
    """Suggestions by one program. Remembers the states along the last context: a word further is one step."""

    def __init__(self, program: Program, vocabulary: Vocabulary) -> None:
        self._program = program
        self._vocabulary = vocabulary
        self._offered = np.array([i >= len(SPECIALS) and w not in PUNCTUATION for i, w in enumerate(vocabulary.words)])
        by_spelling = sorted((w, i) for i, w in enumerate(vocabulary.words) if self._offered[i])
        self._spellings = [w for w, _ in by_spelling]
        self._spelled_ids = np.array([i for _, i in by_spelling])
        self._context: list[int] = []
        self._states: list[State] = []  # after <s>, after the first token, …
        self._logits = np.zeros(0, np.float32)  # after the last

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

    def suggest(self, context: str, prefix: str = "", count: int = 3) -> list[str]:
        """The `count` likeliest words after `context` that start with `prefix`, likeliest first, in lower case.

        `context` is the message so far without the word being typed, `prefix` what is typed of it. Fewer words come back
        where fewer start so; punctuation is never among them.
        """
        return self.top(self.logits(self._vocabulary.encode(context)), normalize(prefix), count)

    def top(self, logits: np.ndarray, prefix: str, count: int) -> list[str]:
        """The ranking of `suggest`, for logits already known and a prefix in lower case."""
        if prefix:
            start = bisect_left(self._spellings, prefix)
            candidates = self._spelled_ids[start : bisect_left(self._spellings, prefix + _AFTER_ANY_WORD, start)]
        else:
            candidates = self._spelled_ids
        scores, best = logits[candidates], []
        for _ in range(min(count, len(scores))):  # for a few of thousands, faster than sorting or partitioning
            best.append(candidates[top := int(scores.argmax())])
            scores[top] = -np.inf
        return [self._vocabulary.words[i] for i in best]

    def rank(self, context: Sequence[int], word: int) -> int:
        """How many words the model puts before `word` after `context` (ids), specials aside, as recall counts it."""
        logits = self.logits(context)
        return int(np.count_nonzero(logits[len(SPECIALS) :] > logits[word]))

    def ranks(self, tokens: Sequence[int]) -> list[int]:
        """The rank of each token of a message (ids) after those before it."""
        return [self.rank(tokens[:i], token) for i, token in enumerate(tokens)]
