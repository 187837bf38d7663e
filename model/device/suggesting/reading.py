"""Reads a message word by word with a program, and caches the states and logits along it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.vocabulary import BOUNDARY
from model.device.runtime import Program, State

_LOGITS_KEPT = 128  # for the newest tokens: 5 MB with 10,000 words


class Reader:
    """Logits along one message. Each further word costs one step of the program; words that were read before cost nothing.

    The cache belongs to the weights of the program: create a new reader after assigning other weights.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._tokens: list[int] = []
        self._states: list[State] = []  # after <s>, after the first token, …
        self._logits: list[NDArray[np.float32] | None] = []  # likewise; None for old tokens of a long message

    def logits(self, context: Sequence[int]) -> NDArray[np.float32]:
        """Returns the logits of the next word, float32 [V], after the tokens of the message so far (ids, without `<s>`)."""
        tokens = [BOUNDARY, *context]
        if self._tokens[: len(tokens)] != tokens:
            known = 0
            while known < min(len(tokens), len(self._tokens)) and tokens[known] == self._tokens[known]:
                known += 1
            del self._tokens[known:], self._states[known:], self._logits[known:]
            for token in tokens[known:]:
                self._read(token)
        last = len(tokens) - 1
        logits = self._logits[last]
        return self._step(last)[0] if logits is None else logits

    def _read(self, token: int) -> None:
        self._tokens.append(token)
        logits, state = self._step(len(self._tokens) - 1)
        self._states.append(state)
        self._logits.append(logits)
        if len(self._logits) > _LOGITS_KEPT:
            self._logits[-1 - _LOGITS_KEPT] = None

    def _step(self, place: int) -> tuple[NDArray[np.float32], State]:
        before = self._states[place - 1] if place else self._program.initial_state(1)
        return self._program.step(self._tokens[place], before)
