"""A client's training data in the form that TFF's workers read without delay.

A `tf.data` pipeline starts two threads of its own: one reads ahead, the other tunes the pipeline (`autotune`). When a client has
read its last batch, its pipeline ends and waits for the tuning thread. That wait blocks one of the few threads on which the
worker runs all clients: it has one for each core. Batches that are sliced from memory need neither thread.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.device.config import ModelConfig
from model.device.sampling import draw


def training_data(
    passes: Sequence[NDArray[np.int32]], config: ModelConfig, sampling: np.random.Generator | None = None
) -> tf.data.Dataset:
    """Returns the batches of a client's training, (rows [n, T + 1], their targets [n, T]), n at most the batch of the model.

    With the sampled softmax, rows and targets are indices among the C candidates of their batch, and a batch is ((rows, words [C],
    shift [C]), targets): see `model.device.sampling.Candidates`.

    Args:
      passes: the rows of each pass, in their order, int32 [n, T + 1]; at least one pass.
      config: the model's sizes.
      sampling: draws the candidates of each batch; None for the full softmax.
    """
    in_order = [_one_pass(rows, config, sampling) for rows in passes]
    data = in_order[0]
    for one_pass in in_order[1:]:
        data = data.concatenate(one_pass)
    return data.with_options(_without_threads())


def _one_pass(rows: NDArray[np.int32], config: ModelConfig, sampling: np.random.Generator | None) -> tf.data.Dataset:
    size = config.batch
    if sampling is None:
        return tf.data.Dataset.from_tensor_slices((rows, rows[:, 1:])).batch(size)
    places = np.empty_like(rows)
    words, shift = (np.empty((-(-len(rows) // size), config.candidates), kind) for kind in (np.int32, np.float32))
    for number, start in enumerate(range(0, len(rows), size)):
        batch = rows[start : start + size]
        candidates = draw(batch, config.vocabulary, config.candidates, sampling)
        places[start : start + size] = candidates.places(batch)
        words[number], shift[number] = candidates
    slices = tf.data.Dataset.from_tensor_slices
    inputs = slices(places).batch(size), slices(words), slices(shift)
    return tf.data.Dataset.zip((inputs, slices(places[:, 1:]).batch(size)))


def _without_threads() -> tf.data.Options:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.inject_prefetch = False
    options.experimental_optimization.apply_default_optimizations = False
    return options
