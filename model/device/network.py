"""The network as arrays: reads a message token by token with NumPy alone, as a keyboard does while a person types.

A LiteRT program copies its variables whenever it reads them, 5.7 MB a step at the shipped size, and keeps three copies of them. A
step of this module reads the weights where they are.

The products are computed by `numpy.einsum`, which runs vectorized loops of NumPy's own: in one thread, and equally on phones,
where NumPy comes without BLAS. A BLAS library would split a product among threads, which wait for each other while the keyboard
learns.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.vocabulary import BOUNDARY
from model.device.config import ModelConfig
from model.device.weights import Weights, check_weights

_Floats = NDArray[np.float32]


class State(NamedTuple):
    """The recurrent state: `hidden` [B, E] and `cell` [B, H], float32."""

    hidden: NDArray[np.float32]
    cell: NDArray[np.float32]


class Network:
    """A network of a configuration and its weights. Threads may share it."""

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        """Takes weights, which must not be changed afterwards.

        Raises:
          DataError: the weights do not fit the configuration.
        """
        check_weights(weights, config)
        self.config = config
        self._weights = weights

    def initial_state(self, rows: int) -> State:
        """Returns the state before the first message, for `rows` rows."""
        return State(
            np.zeros((rows, self.config.embedding), np.float32), np.zeros((rows, self.config.units), np.float32)
        )

    def step(self, token: int, state: State) -> tuple[NDArray[np.float32], State]:
        """Reads one token; returns the logits of the next word, float32 [V], and the new state of one row."""
        return step(self._weights, token, state)


def step(weights: Weights, token: int, state: State) -> tuple[NDArray[np.float32], State]:
    """Reads one token as `model.cifg.step` does; returns the logits of the next word, float32 [V], and the new state of one row.

    Hard et al. 2018 (arXiv 1811.03604), Section 3.1: a coupled input-forget gate, and a projection to the embedding's size.
    """
    embedding = weights["embedding"]
    hidden, cell = state.hidden[0], state.cell[0]
    if token == BOUNDARY:  # `<s>` starts a message and resets the state
        hidden, cell = np.zeros_like(hidden), np.zeros_like(cell)
    gates = _product(weights["input_kernel"], embedding[token])
    gates += _product(weights["recurrent_kernel"], hidden)
    gates += weights["gate_bias"]
    forget, output, candidate = gates.reshape(3, -1)
    forget = _sigmoid(forget)
    cell = forget * cell + (1 - forget) * np.tanh(candidate)
    hidden = _product(weights["projection"], _sigmoid(output) * np.tanh(cell))
    logits = _product(embedding, hidden)
    logits += weights["output_bias"]
    return logits, State(hidden[np.newaxis], cell[np.newaxis])


def _product(matrix: _Floats, vector: _Floats) -> _Floats:
    product: _Floats = np.einsum("ij,j->i", matrix, vector)
    return product


def _sigmoid(values: _Floats) -> _Floats:
    """Returns 1 / (1 + exp(-x)) in a form that does not overflow."""
    half = np.float32(0.5)
    shares: _Floats = half * np.tanh(half * values) + half
    return shares
