"""Builds the model's program for the device: a LiteRT file of built-in operations that trains, evaluates and predicts.

The program holds no weights, takes about 400 kB, and serves every round. Its variables are empty until `set_weights` fills them;
before that every signature except `learn` fails. `get_weights` takes an unused number because LiteRT's Java library, which runs
the program on phones, refuses a signature without inputs.

`learn` is the step of `train` over a vocabulary of C candidate words (`model.device.sampling`), with the weights as inputs
and outputs, so that no array has the size of the full vocabulary. Its tokens are indices among the candidates.

`trained` says which weights a step changes: a float32 of 1 or 0 for each weight, in the order of `ModelConfig.shapes`. Gradients
are multiplied by it before they are clipped. Losses are in nats.

| signature | inputs | outputs |
| --- | --- | --- |
| `train` | `tokens`, `targets` [B, T] int32; `learning_rate`, `clipping_norm` float32; `trained` [6] | `loss` before the step |
| `learn` | those of `train`, and the weights of a model of C words by name | `loss`; the weights after the step by name |
| `evaluate` | `tokens`, `targets` [B, T]; `hidden` [B, E], `cell` [B, H] | `log_likelihood`, `rank` [B * T]; `hidden`, `cell` |
| `step` | `token` [1]; `hidden` [1, E], `cell` [1, H] | `logits` [1, V]; `hidden`, `cell` |
| `get_weights` | `unused` float32 | the weights by name |
| `set_weights` | the weights by name | `done` |
"""

import logging
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import tensorflow as tf

from model import cifg
from model.conversion import for_the_device
from model.device.config import ModelConfig
from model.device.weights import Weights

_EVALUATED_AT_ONCE = 64  # positions


class _Program(tf.Module):
    def __init__(self, config: ModelConfig, weights: Weights | None) -> None:
        super().__init__()
        initial = weights or {name: np.zeros(shape, np.float32) for name, shape in config.shapes.items()}
        self._weights = {name: tf.Variable(initial[name], name=name) for name in config.shapes}
        rows = tf.TensorSpec([config.batch, config.window], tf.int32)
        scalar, choice = tf.TensorSpec([], tf.float32), tf.TensorSpec([len(config.shapes)], tf.float32)

        def state(batch: int) -> tuple[tf.TensorSpec, tf.TensorSpec]:
            return (
                tf.TensorSpec([batch, config.embedding], tf.float32, name="hidden"),
                tf.TensorSpec([batch, config.units], tf.float32, name="cell"),
            )

        def all_weights(of: ModelConfig) -> dict[str, tf.TensorSpec]:
            return {name: tf.TensorSpec(shape, tf.float32, name=name) for name, shape in of.shapes.items()}

        settings = {name: tf.TensorSpec([], tf.float32, name=name) for name in ("learning_rate", "clipping_norm")}
        settings["trained"] = tf.TensorSpec(choice.shape, tf.float32, name="trained")
        batch = {name: tf.TensorSpec(rows.shape, tf.int32, name=name) for name in ("tokens", "targets")}
        sampled = replace(config, vocabulary=config.candidates)
        self.entry_points = {
            "learn": tf.function(self._learn).get_concrete_function(**batch, **settings, **all_weights(sampled)),
            "train": tf.function(self._train).get_concrete_function(rows, rows, scalar, scalar, choice),
            "evaluate": tf.function(self._evaluate).get_concrete_function(rows, rows, *state(config.batch)),
            "step": tf.function(self._step).get_concrete_function(tf.TensorSpec([1], tf.int32), *state(1)),
            "get_weights": tf.function(self._get_weights).get_concrete_function(scalar),
            "set_weights": tf.function(self._set_weights).get_concrete_function(**all_weights(config)),
        }

    def _values(self) -> dict[str, tf.Tensor]:
        return {name: variable.read_value() for name, variable in self._weights.items()}

    def _train(
        self,
        tokens: tf.Tensor,
        targets: tf.Tensor,
        learning_rate: tf.Tensor,
        clipping_norm: tf.Tensor,
        trained: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        loss, after = _sgd_step(self._values(), tokens, targets, learning_rate, clipping_norm, trained)
        for name, value in after.items():
            self._weights[name].assign(value)
        return {"loss": loss}

    def _learn(
        self,
        tokens: tf.Tensor,
        targets: tf.Tensor,
        learning_rate: tf.Tensor,
        clipping_norm: tf.Tensor,
        trained: tf.Tensor,
        **weights: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        # TensorFlow passes named arguments in alphabetical order, and `trained` is in the model's.
        ordered = {name: weights[name] for name in self._weights}
        loss, after = _sgd_step(ordered, tokens, targets, learning_rate, clipping_norm, trained)
        return {"loss": loss, **after}

    def _evaluate(
        self, tokens: tf.Tensor, targets: tf.Tensor, hidden: tf.Tensor, cell: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        weights, places = self._values(), tokens.shape[0] * tokens.shape[1]
        outputs, state = cifg.run(weights, tokens, cifg.TensorState(hidden, cell))
        # In parts: an array of all positions and all words takes 13 MB at full size, and several would be alive at once.
        parts = places // math.gcd(places, _EVALUATED_AT_ONCE)
        found = [
            (cifg.log_likelihood(weights, part, words), cifg.ranks(cifg.output_logits(weights, part), words))
            for part, words in zip(tf.split(outputs, parts), tf.split(tf.reshape(targets, [-1]), parts), strict=True)
        ]
        log_likelihood, rank = (tf.concat(one, 0) for one in zip(*found, strict=True))
        return {"log_likelihood": log_likelihood, "rank": rank, **state._asdict()}

    def _step(self, token: tf.Tensor, hidden: tf.Tensor, cell: tf.Tensor) -> dict[str, tf.Tensor]:
        logits, state = cifg.step(self._values(), token, cifg.TensorState(hidden, cell))
        return {"logits": logits, **state._asdict()}

    def _get_weights(self, unused: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._values()

    def _set_weights(self, **weights: tf.Tensor) -> dict[str, tf.Tensor]:
        for name, value in weights.items():
            self._weights[name].assign(value)
        return {"done": tf.constant(1, tf.int32)}


def _sgd_step(
    weights: dict[str, tf.Tensor],
    tokens: tf.Tensor,
    targets: tf.Tensor,
    learning_rate: tf.Tensor,
    clipping_norm: tf.Tensor,
    trained: tf.Tensor,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the mean loss over the targets of rows [B, T], and the weights after one SGD step with the clipped gradient.

    The gradient is over the weights for which `trained` is 1; the others are multiplied by 0.
    """
    with tf.GradientTape() as tape:
        tape.watch(list(weights.values()))
        hidden, _ = cifg.run(weights, tokens, cifg.zero_state(weights, tokens.shape[0]))
        loss = cifg.mean_loss(weights, hidden, tf.reshape(targets, [-1]))
    gradients = [g * t for g, t in zip(tape.gradient(loss, list(weights.values())), tf.unstack(trained), strict=True)]
    gradients = cifg.clip_by_global_norm(gradients, clipping_norm)
    after = {n: w - learning_rate * g for (n, w), g in zip(weights.items(), gradients, strict=True)}
    return loss, after


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides TensorFlow's warnings that a program has no gradients: the traced functions contain their own."""

    def is_an_error(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    logger = logging.getLogger("absl")
    logger.addFilter(is_an_error)  # TensorFlow changes the logger's level meanwhile
    try:
        yield
    finally:
        logger.removeFilter(is_an_error)


def build_program(config: ModelConfig, weights: Weights | None = None) -> bytes:
    """Traces the model's functions and converts them; returns the content of a LiteRT file.

    With `weights`, the variables of the program start with these values: a whole model in one file, for use in other projects.
    """
    program = _Program(config, weights)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        # The traced functions contain their gradients already.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(program, folder, signatures=program.entry_points, options=options)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(program.entry_points))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.experimental_enable_resource_variables = True
        converted = bytes(converter.convert())
    return for_the_device(converted, keep_values=weights is not None)
