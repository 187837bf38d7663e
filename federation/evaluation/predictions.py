"""What a model thought of every token of a person's messages: the one form in which all models are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.windows import lanes
from model.device.metrics import Scores, scores
from model.device.runtime import Program


@dataclass(frozen=True)
class Predictions:
    """Arrays [N], one entry a token, message behind message; ends of messages are left out, words out of vocabulary are not."""

    targets: np.ndarray  # ids
    positions: np.ndarray  # how many tokens of the message stood before
    ranks: np.ndarray  # how many words the model put before it, specials aside
    log_likelihoods: np.ndarray  # nats

    def scores(self, which: np.ndarray | slice = slice(None)) -> Scores:
        """Adds up all of them, or the ones that a mask [N] chooses."""
        return scores(self.ranks[which], self.log_likelihoods[which], self.targets[which])


def predictions(messages: Sequence[Sequence[int]], ranks: np.ndarray, log_likelihoods: np.ndarray) -> Predictions:
    """Of encoded messages, without boundaries, and what a model said of all their tokens, [N] each."""
    targets = np.concatenate([np.zeros(0, int), *(np.asarray(m, int) for m in messages)])
    positions = np.concatenate([np.zeros(0, int), *(np.arange(len(m)) for m in messages)])
    return Predictions(targets, positions, ranks, log_likelihoods)


def network_predictions(program: Program, messages: Sequence[Sequence[int]]) -> Predictions:
    """Runs the network over encoded messages as `model.device.metrics.evaluate` does, and keeps what it says of each token."""
    window = program.config.window
    streams, places = lanes(messages, program.config.batch, window)
    state, parts = program.initial_state(program.config.batch), []
    for start in range(0, streams.shape[1] - 1, window):
        evaluation, state = program.evaluate(streams[:, start : start + window + 1], state)
        parts.append(evaluation)
    ranks = np.concatenate([part.rank for part in parts], axis=1)
    log_likelihoods = np.concatenate([part.log_likelihood for part in parts], axis=1)

    def in_order(laid: np.ndarray) -> np.ndarray:
        spans = zip(places, messages, strict=True)
        pieces = [laid[lane, first : first + len(message)] for (lane, first), message in spans]
        return np.concatenate([np.zeros(0, laid.dtype), *pieces])

    return predictions(messages, in_order(ranks), in_order(log_likelihoods))
