"""The CIFG-LSTM next-word model as functions of its weights. Training with TFF and the device's program share these functions.

Hard et al. 2018 (arXiv 1811.03604): one layer of LSTM units whose input gate is one minus the forget gate (Greff et al. 2017,
arXiv 1503.04069, "CIFG"), projected to the size of the embedding (Sak et al. 2014, arXiv 1402.1128), which is also the output
layer (Press and Wolf 2017, arXiv 1608.05859). Weights are tensors by the names of `ModelConfig.shapes`; B rows, T positions,
V words, E dimensions, H units.

Two choices serve the conversion to LiteRT, which has to work with built-in operations on TFLite 2.8, the oldest supported runtime:
differentiated tensors are split and unstacked, never sliced, and the gradient of the embedding look-up is an explicit scatter.

One choice serves speed: the gradients of the recurrent kernel and of the projection are sums over positions, and `_read` computes
each of them as a single product over all positions instead of adding one product per position.
"""

from typing import NamedTuple

import tensorflow as tf

from data.vocabulary import BOUNDARY, PAD, SPECIALS


class TensorState(NamedTuple):
    """The recurrent state: `hidden` [B, E], after the projection, and `cell` [B, H]."""

    hidden: tf.Tensor
    cell: tf.Tensor


def zero_state(weights: dict[str, tf.Tensor], rows: int | tf.Tensor) -> TensorState:
    """Returns the state before the first message."""
    embedding, units = weights["projection"].shape
    return TensorState(tf.zeros([rows, embedding]), tf.zeros([rows, units]))


def run(weights: dict[str, tf.Tensor], tokens: tf.Tensor, state: TensorState) -> tuple[tf.Tensor, TensorState]:
    """Reads rows of tokens [B, T]; returns the projected state after each token, [B * T, E], and the final state."""
    by_position = tf.transpose(tokens)  # [T, B]: the tokens of one position are contiguous
    inputs = _gate_inputs(weights, tf.reshape(by_position, [-1]))
    hidden, *last = _read(by_position, inputs, weights["recurrent_kernel"], weights["projection"], *state)
    in_rows = tf.transpose(tf.reshape(hidden, [tokens.shape[1], -1, hidden.shape[1]]), [1, 0, 2])
    return tf.reshape(in_rows, [-1, hidden.shape[1]]), TensorState(*last)


def step(weights: dict[str, tf.Tensor], tokens: tf.Tensor, state: TensorState) -> tuple[tf.Tensor, TensorState]:
    """Reads one token per row, [B]; returns the logits of the next word, [B, V], and the new state."""
    hidden, cell = _remembered(tokens, state)
    gates = _gate_inputs(weights, tokens) + _linear(hidden, weights["recurrent_kernel"])
    output, cell = _units(gates, cell)
    state = TensorState(_linear(output, weights["projection"]), cell)
    return output_logits(weights, state.hidden), state


def output_logits(weights: dict[str, tf.Tensor], hidden: tf.Tensor) -> tf.Tensor:
    """Returns the logits of the next word, [N, V], for projected states [N, E]."""
    return _linear(hidden, weights["embedding"]) + weights["output_bias"]


def log_likelihood(weights: dict[str, tf.Tensor], hidden: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Returns the log-probability of each target [N] after projected states [N, E]: float32 [N], in nats.

    The target's own logit is computed separately rather than gathered from the [N, V] logits, so that the softmax is the only
    array of that size in the gradient.
    """
    own = tf.reduce_sum(hidden * look_up(weights["embedding"], targets), 1)
    bias = look_up(tf.expand_dims(weights["output_bias"], 1), targets)
    return own + tf.squeeze(bias, 1) - _log_sum_exp(output_logits(weights, hidden))


def mean_loss(weights: dict[str, tf.Tensor], hidden: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Returns the mean negative log-likelihood over the targets [N] that are not padding, in nats; 0 if all are padding."""
    real = tf.cast(tf.not_equal(targets, PAD), tf.float32)
    return -tf.reduce_sum(log_likelihood(weights, hidden, targets) * real) / tf.maximum(tf.reduce_sum(real), 1.0)


def ranks(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Returns the rank of each target among all words but the specials: int32 [N]; the top word has 0, ties favour the target."""
    places = tf.stack([tf.range(logits.shape[0]), targets], axis=1)
    own = tf.expand_dims(tf.gather_nd(logits, places), 1)
    _, words = tf.split(logits, [len(SPECIALS), logits.shape[1] - len(SPECIALS)], axis=1)
    return tf.reduce_sum(tf.cast(tf.greater(words, own), tf.int32), 1)


def clip_by_global_norm(gradients: list[tf.Tensor], norm: tf.Tensor) -> list[tf.Tensor]:
    """Scales gradients down to a global L2 norm if they exceed it (Pascanu et al. 2013, arXiv 1211.5063)."""
    total = tf.sqrt(tf.add_n([tf.reduce_sum(g * g) for g in gradients]))
    scale = norm / tf.maximum(total, norm)
    return [g * scale for g in gradients]


def _linear(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.matmul(inputs, kernel, transpose_b=True)


def _gate_inputs(weights: dict[str, tf.Tensor], tokens: tf.Tensor) -> tf.Tensor:
    return _linear(look_up(weights["embedding"], tokens), weights["input_kernel"]) + weights["gate_bias"]


def _remembered(tokens: tf.Tensor, state: TensorState) -> TensorState:
    """Returns the state in which the tokens [B] are read: `<s>` starts a message and resets it."""
    keep = tf.expand_dims(tf.cast(tf.not_equal(tokens, BOUNDARY), tf.float32), 1)
    return TensorState(state.hidden * keep, state.cell * keep)


def _units(gates: tf.Tensor, cell: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the outputs and the new cells of the units, [B, H] each, from their gates [B, 3H] and their previous cells."""
    forget, output, candidate = tf.split(gates, 3, axis=1)
    forget = tf.sigmoid(forget)
    cell = forget * cell + (1.0 - forget) * tf.tanh(candidate)
    return tf.sigmoid(output) * tf.tanh(cell), cell


@tf.custom_gradient
def _read(
    tokens: tf.Tensor,
    inputs: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    projection: tf.Tensor,
    hidden: tf.Tensor,
    cell: tf.Tensor,
) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], object]:
    """Reads tokens [T, B] whose gate inputs are `inputs` [T * B, 3H]; returns the states after each, [T * B, E], and the last.

    The gradient of a kernel is the gradient at its product's output times the product's input, summed over positions. For the
    projection, the gradient at the output is that of zeros which are added to the output.
    """
    length = tokens.shape[0]
    nothing = tf.zeros([tf.shape(inputs)[0], projection.shape[0]])
    read, put_out, states, state = [], [], [], TensorState(hidden, cell)
    with tf.GradientTape() as tape:
        tape.watch([inputs, nothing, hidden, cell])
        positions = zip(tf.unstack(tokens), tf.split(inputs, length), tf.split(nothing, length), strict=True)
        for ids, added, zeros in positions:
            state = _remembered(ids, state)
            read.append(state.hidden)
            output, cells = _units(added + _linear(state.hidden, recurrent_kernel), state.cell)
            put_out.append(output)
            state = TensorState(_linear(output, projection) + zeros, cells)
            states.append(state.hidden)
        result = tf.concat(states, 0), *state

    def gradient(*upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        to_inputs, to_projected, *to_state = tape.gradient(result, [inputs, nothing, hidden, cell], upstream)
        to_kernel = tf.matmul(to_inputs, tf.concat(read, 0), transpose_a=True)
        to_projection = tf.matmul(to_projected, tf.concat(put_out, 0), transpose_a=True)
        return None, to_inputs, to_kernel, to_projection, *to_state

    return result, gradient


@tf.custom_gradient
def look_up(table: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, object]:
    """Returns the rows of a table, of a weight [V, ...], at `rows` [N]; its gradient is dense."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.scatter_nd(tf.expand_dims(rows, 1), upstream, table.shape), None

    return tf.gather(table, rows), gradient


@tf.custom_gradient
def _log_sum_exp(logits: tf.Tensor) -> tuple[tf.Tensor, object]:
    top = tf.reduce_max(logits, 1, keepdims=True)
    exponentials = tf.exp(logits - top)
    total = tf.reduce_sum(exponentials, 1, keepdims=True)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return exponentials * (tf.expand_dims(upstream, 1) / total)

    return tf.squeeze(tf.math.log(total) + top, 1), gradient
