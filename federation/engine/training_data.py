"""A client's training data in the form that TFF's workers read without delay.

A `tf.data` pipeline starts two threads of its own: one reads ahead, the other tunes the pipeline (`autotune`). When a client has
read its last batch, its pipeline ends and waits for the tuning thread. That wait blocks one of the few threads on which the
worker runs all clients: it has one for each core. Batches that are sliced from memory need neither thread.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


def training_data(passes: Sequence[NDArray[np.int32]], batch: int) -> tf.data.Dataset:
    """Returns the batches of a client's training, (rows [n, T + 1], their targets [n, T]) with n of at most `batch`.

    Args:
      passes: the rows of each pass, in their order; at least one pass.
      batch: rows in a training step.
    """
    in_order = [tf.data.Dataset.from_tensor_slices((rows, rows[:, 1:])).batch(batch) for rows in passes]
    data = in_order[0]
    for one_pass in in_order[1:]:
        data = data.concatenate(one_pass)
    return data.with_options(_without_threads())


def _without_threads() -> tf.data.Options:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.inject_prefetch = False
    options.experimental_optimization.apply_default_optimizations = False
    return options
