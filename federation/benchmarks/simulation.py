"""The benchmark of TFF's overhead: simulated rounds next to a plain TensorFlow loop with the same clients and result."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from data.vocabulary import PAD
from federation.aggregation.algorithms import learning_process, weights_of
from federation.aggregation.server_settings import Server
from federation.benchmarks.loads.cohort import Cohort, cohorts
from federation.benchmarks.measuring import Benchmark, Figure, in_turn, ratio_figure
from federation.engine.local import engine
from model import cifg
from model.device.config import ModelConfig
from model.device.folder import load_model
from model.device.learning.finetuning import ROUND_TRAINING, FineTuning
from model.device.sampling import FULL, SAMPLED
from model.device.weights import Weights
from model.row_likelihood import row_likelihood


class PlainLoop:
    """Federated averaging (McMahan et al. 2017, arXiv 1602.05629) without TFF: a compiled step, and one client after another."""

    def __init__(self, config: ModelConfig, weights: Weights, how: FineTuning, written_out: bool = False) -> None:
        """Starts from the global weights `weights`; `written_out` takes the gradient that TFF's clients take, not the tape's."""
        self._config, self._how, self._written_out = config, how, written_out
        self.weights = weights
        self._local = {name: tf.Variable(array) for name, array in weights.items()}
        self._step = tf.function(self._train, input_signature=[tf.TensorSpec([None, config.window + 1], tf.int32)])

    def _train(self, rows: tf.Tensor) -> None:
        weights = {name: tf.convert_to_tensor(v) for name, v in self._local.items()}
        with tf.GradientTape() as tape:
            tape.watch(list(weights.values()))
            found = row_likelihood(weights, rows) if self._written_out else _likelihood(weights, rows)
            loss = -tf.reduce_mean(found)
        gradients = tape.gradient(loss, list(weights.values()))
        clipped = cifg.clip_by_global_norm(gradients, tf.constant(self._how.clipping_norm))
        for variable, gradient in zip(self._local.values(), clipped, strict=True):
            variable.assign_sub(self._how.learning_rate * gradient)

    def round(self, cohort: Cohort) -> None:
        """Adds the mean of the clients' deltas, weighted by their words, to the global weights."""
        total = {name: np.zeros_like(array) for name, array in self.weights.items()}
        words = 0
        for batches in cohort.batches():
            for name, variable in self._local.items():
                variable.assign(self.weights[name])
            own = 0
            for rows in batches:
                self._step(tf.constant(rows))
                own += int(np.count_nonzero(rows[:, 1:] != PAD))
            for name, variable in self._local.items():
                total[name] += own * (variable.numpy() - self.weights[name])
            words += own
        self.weights = {name: self.weights[name] + total[name] / np.float32(words) for name in total}


def _likelihood(weights: dict[str, tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
    inputs, labels = rows[:, :-1], tf.reshape(rows[:, 1:], [-1])
    real = tf.not_equal(labels, PAD)
    hidden, _ = cifg.run(weights, inputs, cifg.zero_state(weights, tf.shape(inputs)[0]))
    return cifg.log_likelihood(weights, tf.boolean_mask(hidden, real), tf.boolean_mask(labels, real))


class TffRounds:
    """Federated averaging in TFF, as `federate simulate` runs it; needs an `engine`."""

    def __init__(
        self, config: ModelConfig, process: tff.learning.templates.LearningProcess, softmax: str = FULL
    ) -> None:
        """Starts from the initial state of a process whose clients train with this softmax."""
        self._config, self._process, self._softmax = config, process, softmax
        self._state: Any = process.initialize()

    def round(self, cohort: Cohort) -> None:
        """Runs one round."""
        self._state = self._process.next(self._state, cohort.datasets(self._softmax)).state

    @property
    def weights(self) -> Weights:
        """The global weights."""
        return weights_of(self._state, self._config)


def seconds_of(system: PlainLoop | TffRounds, cohort: Cohort) -> float:
    """Runs one round and returns its seconds."""
    began = time.perf_counter()
    system.round(cohort)
    return time.perf_counter() - began


def next_seconds(system: PlainLoop | TffRounds, left: Iterator[Cohort]) -> float:
    """Runs a round over the next cohort and returns its seconds."""
    return seconds_of(system, next(left))


def largest_difference(one: Weights, other: Weights) -> float:
    """Returns the largest absolute difference between two sets of weights."""
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def measure_simulation(folder: Path, corpus: str, clients: int, max_words: int, repeats: int = 5) -> Benchmark:
    """Measures rounds that start from the model in `folder`, over the same cohorts in TFF and in the plain loop in turn.

    Raises:
      DataError: no user of the corpus wrote `max_words` words.
    """
    model = load_model(folder)
    drawn = cohorts(model, corpus, clients, max_words, 1 + repeats)
    config, how = model.provenance.config, ROUND_TRAINING
    plain = PlainLoop(config, model.weights, how)
    written_out = PlainLoop(config, model.weights, how, written_out=True)
    with engine():
        tff_rounds, sampled = (
            TffRounds(config, learning_process(config, model.weights, replace(how, softmax=softmax), Server()), softmax)
            for softmax in (FULL, SAMPLED)
        )
        systems: dict[str, PlainLoop | TffRounds] = {"tff": tff_rounds, "plain": plain, "written_out": written_out}
        systems["sampled"] = sampled
        first = {name: seconds_of(system, drawn[0]) for name, system in systems.items()}
        left = {name: iter(drawn[1:]) for name in systems}
        taken = in_turn(
            {name: partial(next_seconds, systems[name], left[name]) for name in systems},
            repeats,
            warm_up=0,
        )
        apart = largest_difference(tff_rounds.weights, plain.weights)
    words = [cohort.words for cohort in drawn]
    speeds = {name: words_per_second(words[1:], seconds) for name, seconds in taken.items()}
    return Benchmark(
        "simulation",
        f"Simulated rounds of {len(drawn[0].rows)} clients, {words[1]:,} words",
        [
            Figure("tff", "TFF, words per second", "", speeds["tff"]),
            Figure("plain", "a plain TensorFlow loop over the same clients, words per second", "", speeds["plain"]),
            ratio_figure("ratio", "ratio of TFF to the plain loop", speeds["tff"], speeds["plain"], "at least 1"),
            Figure("written_out", "the same loop with TFF's gradient, words per second", "", speeds["written_out"]),
            ratio_figure("ratio_written_out", "ratio of TFF to that", speeds["tff"], speeds["written_out"]),
            Figure("sampled", "TFF with the sampled softmax, words per second", "", speeds["sampled"]),
            ratio_figure(
                "ratio_sampled", "ratio of that to TFF with the full softmax", speeds["sampled"], speeds["tff"]
            ),
            Figure(
                "first_tff", "the first round, which compiles, in TFF, words per second", "", [words[0] / first["tff"]]
            ),
            Figure(
                "first_plain", "the first round of the plain loop, words per second", "", [words[0] / first["plain"]]
            ),
        ],
        {"clients": clients, "max_words": max_words, "largest_difference_of_a_weight_afterwards": apart},
    )


def words_per_second(words: Sequence[int], seconds: Sequence[float]) -> list[float]:
    """Returns the speed of each round."""
    return [w / s for w, s in zip(words, seconds, strict=True)]
