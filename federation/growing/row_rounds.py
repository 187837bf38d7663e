"""Federated rounds that train the rows and biases of new words alone, and leave all other weights as they are.

What a device sends is as much smaller: 97 numbers for each new word, instead of the whole model.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from federation.aggregation.algorithms import functional_form, learning_process
from federation.aggregation.server_settings import Server
from federation.simulation.clients import Clients, sample_cohort, turns_by_words
from model.device.config import ModelConfig
from model.device.learning.finetuning import FineTuning
from model.device.weights import Weights

_GROWN = ("embedding", "output_bias")  # have a row for each word


def rows_process(
    config: ModelConfig, weights: Weights, first: int, client: FineTuning, server: Server
) -> tff.learning.templates.LearningProcess:
    """Returns a learning process whose trained weights are the rows `embedding[first:]` and `output_bias[first:]`.

    Args:
      config: the model's sizes.
      weights: the first global weights.
      first: the id of the first new word.
      client: how clients train.
      server: the algorithm.
    """
    fixed = [name for name in config.shapes if name not in _GROWN]
    others = (*(weights[name][:first] for name in _GROWN), *(weights[name] for name in fixed))

    def named(trained: Any, others: Any) -> dict[str, Any]:
        before = dict(zip((*_GROWN, *fixed), others, strict=True))
        grown = {name: tf.concat([before[name], rows], 0) for name, rows in zip(_GROWN, trained, strict=True)}
        return {name: (before | grown)[name] for name in config.shapes}

    initial = tff.learning.models.ModelWeights(tuple(weights[name][first:] for name in _GROWN), others)
    form = functional_form(config, initial, named, client.softmax)
    return learning_process(config, weights, client, server, model=form)


def rows_weights(state: tff.learning.templates.LearningAlgorithmState, weights: Weights, first: int) -> Weights:
    """Returns the global weights in the state of a process of `rows_process`, which began with `weights`, by name."""
    trained = zip(_GROWN, state.global_model_weights.trainable, strict=True)
    grown = {name: np.concatenate([weights[name][:first], np.asarray(rows)]) for name, rows in trained}
    return {name: grown.get(name, array) for name, array in weights.items()}


def run_rounds(
    process: tff.learning.templates.LearningProcess,
    config: ModelConfig,
    clients: Clients,
    how: FineTuning,
    rounds: int,
    clients_per_round: int,
    seed: int,
    done: Callable[[int, str], None],
) -> tff.learning.templates.LearningAlgorithmState:
    """Returns the state of a process after simulated rounds, of which nothing is saved.

    Args:
      process: the process.
      config: the model's sizes.
      clients: the people who train, drawn in proportion to their words.
      how: how they train.
      rounds: the number of rounds.
      clients_per_round: the people in a round.
      seed: of the draws.
      done: receives the number of rounds done, and a line about the last one.
    """
    turns, state = turns_by_words(clients.words(), how.max_words), process.initialize()
    for number in range(1, rounds + 1):
        cohort = sample_cohort(clients.users, clients_per_round, seed, number, turns)
        data = [clients.dataset(user, how, config, seed, number) for user in cohort]
        output = process.next(state, data)
        state = output.state
        done(number, f"loss {float(output.metrics['client_work']['train']['loss']):.3f}")
    return state
