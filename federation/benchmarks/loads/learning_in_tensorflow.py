"""A plain TensorFlow training loop: `python -m federation.benchmarks.loads.learning_in_tensorflow MODEL JSON ROWS`.

This is the usual loop of a program not meant for devices: `tf.function`, automatic differentiation of the whole softmax, SGD
on clipped gradients, static shapes, and as many threads as TensorFlow chooses. ROWS is `padded`, one message in a row, or
`packed`, as the device concatenates messages. The other arguments and the output are those of `learning_on_device`.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from data.peak_memory import peak_memory_mib
from data.vocabulary import BOUNDARY, PAD
from data.windows import pack, targets
from model import cifg
from model.device.folder import load_model
from model.device.learning.finetuning import FineTuning, batches, newest
from model.device.metrics import evaluate


def one_message_a_row(rows: np.ndarray) -> np.ndarray:
    """Returns the messages of packed rows [n, T + 1], each in a padded row of its own, int64 [m, T + 1], with the same targets.

    A message that is split across packed rows stays split.
    """
    pieces = []
    for row in rows:
        tokens = row[row != PAD]
        starts = [0, *(i for i in range(1, len(tokens) - 1) if tokens[i] == BOUNDARY)]
        ends = [*starts[1:], len(tokens) - 1]
        pieces += [tokens[a : b + 1] for a, b in zip(starts, ends, strict=True)]
    padded = np.full((len(pieces), rows.shape[1]), PAD, np.int64)
    for row, piece in zip(padded, pieces, strict=True):
        row[: len(piece)] = piece
    return padded


def main(folder: str, messages: str, kind: str) -> None:
    """Learns, and prints the JSON that `federation.benchmarks.learning` reads. The speed does not include tracing."""
    content, how, model = json.loads(Path(messages).read_text("utf-8")), FineTuning(), load_model(Path(folder))
    config = model.provenance.config
    variables = {name: tf.Variable(array) for name, array in model.weights.items()}
    shape = (config.batch, config.window + 1)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.int32)])
    def step(rows: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            weights = {name: variable.read_value() for name, variable in variables.items()}
            tape.watch(list(weights.values()))
            hidden, _ = cifg.run(weights, rows[:, :-1], cifg.zero_state(weights, config.batch))
            loss = cifg.mean_loss(weights, hidden, tf.reshape(rows[:, 1:], [-1]))
        gradients = tape.gradient(loss, list(weights.values()))
        for variable, gradient in zip(
            variables.values(), cifg.clip_by_global_norm(gradients, tf.constant(how.clipping_norm)), strict=True
        ):
            variable.assign_sub(how.learning_rate * gradient)
        return loss

    step(tf.fill(shape, PAD))  # traces the step; padding has no gradient, so the weights do not change
    rows = pack(newest(content["learn"], how.max_words), config.window)
    if kind == "padded":
        rows = one_message_a_row(rows)
    learned, began = 0, time.perf_counter()
    for batch in batches(rows, config.batch, how.passes, np.random.default_rng(0)):
        full = np.full(shape, PAD, np.int32)
        full[: len(batch)] = batch
        if not np.isfinite(step(tf.constant(full)).numpy()):
            raise AssertionError("the loss is not finite")
        learned += targets(batch)
    seconds = time.perf_counter() - began
    peak = peak_memory_mib()
    weights = {name: variable.numpy() for name, variable in variables.items()}
    scores = evaluate(model.with_weights(weights, model.provenance).start(), content["held_out"])
    found = {"targets_per_second": learned / seconds, "peak_memory_mib": peak}
    print(json.dumps(found | {"targets": learned, "recall_at_1": scores.top1, "recall_at_3": scores.top3}))


if __name__ == "__main__":
    main(*sys.argv[1:])
