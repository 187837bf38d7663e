"""The likelihood of rows of tokens with its gradient written out: the mathematics of `model.cifg`, for training on a desktop.

`tf.GradientTape` over `model.cifg` gives the same gradients to rounding. Written out, a step with one thread takes about a fifth
less time:

- the softmax is one operation, and its gradient needs no other array of its size [N, V]: each target's upstream gradient
  multiplies the projected state [E] instead of the probabilities [V];
- the embedding's three gradients (of the output layer, of the targets' own logits, and of the inputs) are added in place;
- the kernels that are used at every position are transposed once;
- both sigmoid gates of a position are one operation, forwards and backwards.

The device's program has the form of `model.cifg`, as LiteRT lacks some of these operations.

With the sampled softmax (`model.device.sampling`), all of this is done over the C candidates of a batch instead of V words.

B rows, T positions, N targets that are not padding, V words, E dimensions, H units. Arrays of all positions are ordered by
position, then by row.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from data.vocabulary import BOUNDARY, PAD
from model.cifg import look_up

# The smallest normal float32: a target with a lower probability counts as one with this probability, 87.3 nats.
_LEAST = 1.1754944e-38
_NAMES = ("embedding", "input_kernel", "recurrent_kernel", "gate_bias", "projection", "output_bias")

Gradient = Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]


def row_likelihood(weights: dict[str, tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
    """Returns the log-probability of each target that is not padding: float32 [N], in nats, ordered by position, then by row.

    Args:
      weights: the tensors of `ModelConfig.shapes`, by name.
      rows: int32 [B, T + 1]; each token but the first is the target at the position before it.
    """
    return _likelihood(rows, *(weights[name] for name in _NAMES))


def among_candidates(weights: dict[str, tf.Tensor], words: tf.Tensor, shift: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the weights of the model of C candidate words, in which a word is its index among the candidates.

    Args:
      weights: the tensors of `ModelConfig.shapes`, by name.
      words: int32 [C], the ids of the candidates, each once.
      shift: float32 [C], what their sampling adds to their biases.
    """
    return weights | {
        "embedding": look_up(weights["embedding"], words),
        "output_bias": look_up(weights["output_bias"], words) + shift,
    }


@tf.custom_gradient
def _likelihood(rows: tf.Tensor, *arrays: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    weights = dict(zip(_NAMES, arrays, strict=True))
    embedding = weights["embedding"]
    by_position = tf.transpose(rows)  # [T + 1, B]
    tokens, targets = by_position[:-1], tf.reshape(by_position[1:], [-1])
    ids = tf.reshape(tokens, [-1])
    looked_up = tf.gather(embedding, ids)
    reading = _read(weights, tokens, looked_up)

    places = tf.reshape(tf.where(tf.not_equal(targets, PAD)), [-1])
    hidden, own = tf.gather(reading.hidden, places), tf.gather(targets, places)
    logits = tf.nn.bias_add(tf.matmul(hidden, embedding, transpose_b=True), weights["output_bias"])
    probabilities = tf.nn.softmax(logits)
    own_cells = tf.stack([tf.range(tf.shape(own)[0]), own], 1)
    likelihood = tf.math.log(tf.maximum(tf.gather_nd(probabilities, own_cells), _LEAST))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        share = tf.expand_dims(upstream, 1)  # [N, 1]
        weighted = share * hidden
        to_embedding = tf.matmul(probabilities, -weighted, transpose_a=True)
        to_bias = tf.reshape(tf.matmul(probabilities, -share, transpose_a=True), [-1])
        to_bias = tf.tensor_scatter_nd_add(to_bias, tf.expand_dims(own, 1), upstream)
        to_hidden = share * (tf.gather(embedding, own) - tf.matmul(probabilities, embedding))
        # In the type of the places, int64, the shape is one as well.
        everywhere = tf.shape(reading.hidden, out_type=tf.int64)
        to_read = _read_gradient(weights, reading, tf.scatter_nd(tf.expand_dims(places, 1), to_hidden, everywhere))
        to_kernel = tf.matmul(to_read.gates, looked_up, transpose_a=True)
        to_looked_up = tf.matmul(to_read.gates, weights["input_kernel"])
        rows_used = tf.expand_dims(tf.concat([own, ids], 0), 1)
        to_embedding = tf.tensor_scatter_nd_add(to_embedding, rows_used, tf.concat([weighted, to_looked_up], 0))
        to_gate_bias = tf.reduce_sum(to_read.gates, 0)
        return None, to_embedding, to_kernel, to_read.recurrent_kernel, to_gate_bias, to_read.projection, to_bias

    return likelihood, gradient


class _Position(NamedTuple):
    """The values at one position, [B, ...], that its gradient needs."""

    keep: tf.Tensor  # [B, 1]: 0 where the token starts a message, which resets the state; else 1
    hidden: tf.Tensor  # [B, E]: the projected state in which the token is read
    gates: tf.Tensor  # [B, 2H]: the forget gate and the output gate
    candidate: tf.Tensor  # [B, H]
    change: tf.Tensor  # [B, H]: the cells before, minus the candidate
    squashed: tf.Tensor  # [B, H]: the hyperbolic tangent of the cells after
    output: tf.Tensor  # [B, H]


class _Reading(NamedTuple):
    hidden: tf.Tensor  # [T * B, E]: the projected state after each token
    positions: list[_Position]


class _ReadGradient(NamedTuple):
    gates: tf.Tensor  # [T * B, 3H]: the gradient at the sums that enter the gates
    recurrent_kernel: tf.Tensor
    projection: tf.Tensor


def _read(weights: dict[str, tf.Tensor], tokens: tf.Tensor, looked_up: tf.Tensor) -> _Reading:
    """Reads tokens [T, B], given their embeddings [T * B, E]."""
    length, rows = tokens.shape[0], tf.shape(tokens)[1]
    dimensions, units = weights["projection"].shape
    recurrent, projection = tf.transpose(weights["recurrent_kernel"]), tf.transpose(weights["projection"])
    inputs = tf.nn.bias_add(tf.matmul(looked_up, weights["input_kernel"], transpose_b=True), weights["gate_bias"])
    kept = tf.unstack(tf.expand_dims(tf.cast(tf.not_equal(tokens, BOUNDARY), tf.float32), 2))
    hidden, cell = tf.zeros([rows, dimensions]), tf.zeros([rows, units])
    states, positions = [], []
    for keep, added in zip(kept, tf.split(inputs, length), strict=True):
        before = hidden * keep
        gates, candidate = tf.split(added + tf.matmul(before, recurrent), [2 * units, units], 1)
        gates, candidate = tf.sigmoid(gates), tf.tanh(candidate)
        forget, put_out = tf.split(gates, 2, 1)
        change = cell * keep - candidate
        cell = candidate + forget * change
        squashed = tf.tanh(cell)
        output = put_out * squashed
        hidden = tf.matmul(output, projection)
        states.append(hidden)
        positions.append(_Position(keep, before, gates, candidate, change, squashed, output))
    return _Reading(tf.concat(states, 0), positions)


def _read_gradient(weights: dict[str, tf.Tensor], reading: _Reading, upstream: tf.Tensor) -> _ReadGradient:
    """Goes back over the positions, given the gradient at the projected states, [T * B, E]."""
    positions = reading.positions
    to_gates, to_states = [], []
    from_hidden = from_cell = None  # the gradients that come from the position after
    for position, to_hidden in zip(reversed(positions), reversed(tf.split(upstream, len(positions))), strict=True):
        forget, put_out = tf.split(position.gates, 2, 1)
        to_state = to_hidden if from_hidden is None else to_hidden + from_hidden
        to_output = tf.matmul(to_state, weights["projection"])
        to_cell = tf.raw_ops.TanhGrad(y=position.squashed, dy=to_output * put_out)
        to_cell = to_cell if from_cell is None else to_cell + from_cell
        remembered = to_cell * forget
        both = tf.concat([to_cell * position.change, to_output * position.squashed], 1)
        sums = [
            tf.raw_ops.SigmoidGrad(y=position.gates, dy=both),
            tf.raw_ops.TanhGrad(y=position.candidate, dy=to_cell - remembered),
        ]
        to_gates.append(tf.concat(sums, 1))
        to_states.append(to_state)
        from_hidden = tf.matmul(to_gates[-1], weights["recurrent_kernel"]) * position.keep
        from_cell = remembered * position.keep
    gates, states = tf.concat(to_gates[::-1], 0), tf.concat(to_states[::-1], 0)
    return _ReadGradient(
        gates,
        tf.matmul(gates, tf.concat([position.hidden for position in positions], 0), transpose_a=True),
        tf.matmul(states, tf.concat([position.output for position in positions], 0), transpose_a=True),
    )
