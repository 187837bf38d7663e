"""A model's predictions of every token of a person's messages: the form in which all models are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.windows import lanes
from model.device.metrics import Scores, predict_with_phrases, scores
from model.device.runtime import Program
from model.device.suggesting.phrases import Phrases


@dataclass(frozen=True)
class Predictions:
    """Arrays [N] with an entry for each token of all messages, words outside the vocabulary included, ends of messages not."""

    targets: np.ndarray  # token ids
    positions: np.ndarray  # number of tokens before the token in its message
    ranks: np.ndarray  # number of words that the model finds likelier, special tokens not counted
    log_likelihoods: np.ndarray  # nats

    def scores(self, which: np.ndarray | slice = slice(None)) -> Scores:
        """Returns the scores of all tokens, or of those that a mask [N] selects."""
        return scores(self.ranks[which], self.log_likelihoods[which], self.targets[which])


def predictions(messages: Sequence[Sequence[int]], ranks: np.ndarray, log_likelihoods: np.ndarray) -> Predictions:
    """Builds the predictions of encoded messages without boundaries from the ranks and log-likelihoods of all tokens, [N] each."""
    targets = np.concatenate([np.zeros(0, int), *(np.asarray(m, int) for m in messages)])
    positions = np.concatenate([np.zeros(0, int), *(np.arange(len(m)) for m in messages)])
    return Predictions(targets, positions, ranks, log_likelihoods)


def network_predictions(
    program: Program, messages: Sequence[Sequence[int]], phrases: Phrases | None = None
) -> Predictions:
    """Runs the network over encoded messages as `model.device.metrics.evaluate` does and returns the predictions of each token."""
    if phrases is not None:
        return predictions(messages, *predict_with_phrases(program, messages, phrases))
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


def scores_by_person(program: Program, people: Sequence[Sequence[Sequence[int]]]) -> list[Scores]:
    """Returns the scores of each person's encoded messages."""
    found = network_predictions(program, [message for messages in people for message in messages])
    ends = np.cumsum([sum(map(len, messages)) for messages in people])
    return [found.scores(slice(start, end)) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
