"""Reads a message word by word with a network, and caches the states and logits along it."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from data.vocabulary import BOUNDARY
from model.device.network import Network, State
from model.device.suggesting.phrases import Phrases

_LOGITS_KEPT = 128  # for the newest tokens: 5 MB with 10,000 words
_KEPT_AHEAD = 32  # words that may come next, with their logits and states: 1.5 MB with 10,000 words


class Reader:
    """Logits along one message. Each further word costs one step of the network; words that were read before cost nothing.

    The cache belongs to the weights of the network: create a new reader after assigning other weights to a program.

    With `most_unread`, a context of which more tokens are unread, such as a pasted text, is read from its last `most_unread`
    tokens on, as if the message began there.

    With `phrases`, the logits are the logarithms of the probabilities of the network and the phrases together.
    """

    def __init__(self, network: Network, most_unread: int | None = None, phrases: Phrases | None = None) -> None:
        self._network = network
        self._most_unread = most_unread
        self._phrases = phrases
        self._skipped: list[int] = []  # the tokens of the context before those that were read
        self._tokens: list[int] = []
        self._states: list[State] = []  # after <s>, after the first token, …
        self._logits: list[NDArray[np.float32] | None] = []  # likewise; None for old tokens of a long message
        # Logits and states after words that may come next, by all tokens up to there; the oldest comes first.
        self._ahead: dict[tuple[int, ...], tuple[NDArray[np.float32], State]] = {}

    def logits(self, context: Sequence[int]) -> NDArray[np.float32]:
        """Returns the logits of the next word, float32 [V], after the tokens of the message so far (ids, without `<s>`)."""
        skipped = len(self._skipped)
        if list(context[:skipped]) != self._skipped:
            skipped = 0
        tokens = [BOUNDARY, *context[skipped:]]
        known = self._known(tokens)
        if self._most_unread is not None and len(tokens) - known > self._most_unread + 1:
            skipped = len(context) - self._most_unread
            tokens = [BOUNDARY, *context[skipped:]]
            known = self._known(tokens)
        if list(context[:skipped]) != self._skipped:
            self._ahead.clear()
            self._skipped = list(context[:skipped])
        if known < len(tokens):
            del self._tokens[known:], self._states[known:], self._logits[known:]
            for token in tokens[known:]:
                self._read(token)
        last = len(tokens) - 1
        logits = self._logits[last]
        return self._step(last)[0] if logits is None else logits

    def logits_ahead(self, context: Sequence[int], following: Sequence[int]) -> NDArray[np.float32]:
        """Returns the logits after the tokens of the message so far and tokens that may follow it, float32 [V].

        The context stays the place that was read. Each of the tokens costs one step, and none once the message goes on with it.
        """
        skipped, first = len(self._skipped), len(context)
        if list(context[:skipped]) != self._skipped or self._known([BOUNDARY, *context[skipped:]]) <= first - skipped:
            self.logits(context)
            skipped = len(self._skipped)
        tokens = [BOUNDARY, *context[skipped:], *following]
        read = self._known(tokens)
        logits, state = self._logits[read - 1], self._states[read - 1]
        if logits is None:
            logits, _ = self._step(read - 1)
        for end in range(read + 1, len(tokens) + 1):
            along = tuple(tokens[:end])
            if along not in self._ahead:
                logits, state = self._network.step(along[-1], state)
                self._ahead[along] = self._with_phrases(logits, along[1:]), state
                if len(self._ahead) > _KEPT_AHEAD:
                    del self._ahead[next(iter(self._ahead))]
            logits, state = self._ahead[along]
        return logits

    def along(self, context: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """Yields the logits of each word of a message, given its ids and those before it, one step at a time.

        The message is read from its start. What is cached of it needs no step, and nothing is added to the cache.
        """
        tokens = [BOUNDARY, *context[:-1]] if context else []
        known = self._known(tokens)
        states, cached = self._states[:known], self._logits[:known]
        state = self._network.initial_state(1)
        for place, token in enumerate(tokens):
            logits = cached[place] if place < known else None
            if logits is None:
                logits, state = self._network.step(token, state)
                logits = self._with_phrases(logits, tokens[1 : place + 1])
            else:
                state = states[place]
            yield logits

    def _known(self, tokens: Sequence[int]) -> int:
        """Returns the number of tokens at the start of the list that were read in this order."""
        shared = min(len(tokens), len(self._tokens))
        if self._tokens[:shared] == list(tokens[:shared]):
            return shared
        return next(place for place in range(shared) if self._tokens[place] != tokens[place])

    def _read(self, token: int) -> None:
        self._tokens.append(token)
        logits, state = self._step(len(self._tokens) - 1)
        self._states.append(state)
        self._logits.append(logits)
        if len(self._logits) > _LOGITS_KEPT:
            self._logits[-1 - _LOGITS_KEPT] = None

    def _step(self, place: int) -> tuple[NDArray[np.float32], State]:
        if self._ahead and (ahead := self._ahead.get(tuple(self._tokens[: place + 1]))) is not None:
            return ahead
        before = self._states[place - 1] if place else self._network.initial_state(1)
        logits, state = self._network.step(self._tokens[place], before)
        return self._with_phrases(logits, self._tokens[1 : place + 1]), state

    def _with_phrases(self, logits: NDArray[np.float32], context: Sequence[int]) -> NDArray[np.float32]:
        if self._phrases is None:
            return logits
        with np.errstate(divide="ignore"):  # the logarithm of a probability that underflowed to 0 is -inf
            mixed: NDArray[np.float32] = np.log(self._phrases.mixed_into(softmax(logits), context))
        return mixed


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns probabilities, [V], of the type of the logits."""
    exponentials = np.exp(logits - logits.max())
    probabilities: NDArray[np.float32] = exponentials / exponentials.sum()
    return probabilities
