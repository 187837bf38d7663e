"""The likelihood of rows of tokens with its gradient written out: the mathematics of `model.cifg`, for training on a desktop.

`tf.GradientTape` over `model.cifg` gives the same gradients to rounding. Written out, a step with one thread takes about a fifth
less time:

- the softmax is one operation, and its gradient needs no other array of its size [N, V]: each target's upstream gradient
  multiplies the projected state [E] instead of the probabilities [V];
- the embedding's three gradients (of the output layer, of the targets' own logits, and of the inputs) are added in place;
- the kernels that are used at every position are transposed once;
- each gate has a kernel of its own. A product of few rows reads a kernel row by row, and a row of all gates, [3H], is longer than
  a page of memory, beyond which the processor does not read ahead.

The device's program has the form of `model.cifg`, as LiteRT lacks some of these operations.

With the sampled softmax (`model.device.sampling`), all of this is done over the C candidates of a batch instead of V words, and
two more things save time. They add in another order. The full softmax does without them, to keep the bits of recorded results:

- a word that is read at several positions enters the gates by one product, forwards and backwards;
- the gradient of the state is a sum of one product for each gate.

B rows, T positions, N targets that are not padding, V words, E dimensions, H units, W distinct words that are read. Arrays of all
positions are ordered by position, then by row. Gates are in the order forget, output, candidate.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from data.vocabulary import BOUNDARY, PAD

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
    return _full_likelihood(rows, *(weights[name] for name in _NAMES))


def sampled_likelihood(weights: dict[str, tf.Tensor], rows: tf.Tensor, words: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Returns the log-probability of each target as `row_likelihood` does, among candidate words.

    The gradient of the embedding and of the output bias is a `tf.IndexedSlices` with the rows of the candidates, each once.

    Args:
      weights: the tensors of `ModelConfig.shapes`, by name.
      rows: int32 [B, T + 1], indices among the candidates.
      words: int32 [C], the ids of the candidates, each once.
      shift: float32 [C], what their sampling adds to their biases.
    """
    chosen = {name: tf.gather(weights[name], words) for name in ("embedding", "output_bias")}
    among = weights | {"embedding": chosen["embedding"], "output_bias": chosen["output_bias"] + shift}
    return _sampled_likelihood(rows, *(among[name] for name in _NAMES))


def _likelihood(rows: tf.Tensor, arrays: Sequence[tf.Tensor], by_gate: bool) -> tuple[tf.Tensor, Gradient]:
    """Returns the likelihood with its gradient; `by_gate` for what adds in another order, see above."""
    weights = dict(zip(_NAMES, arrays, strict=True))
    embedding = weights["embedding"]
    by_position = tf.transpose(rows)  # [T + 1, B]
    tokens, targets = by_position[:-1], tf.reshape(by_position[1:], [-1])
    ids = tf.reshape(tokens, [-1])
    entering, place = tf.unique(ids) if by_gate else (ids, None)  # [W] and [T * B]; or each position by itself
    looked_up = tf.gather(embedding, entering)
    inputs = [
        tf.nn.bias_add(tf.matmul(looked_up, kernel, transpose_b=True), bias)
        for kernel, bias in zip(*(_by_gate(weights[n]) for n in ("input_kernel", "gate_bias")), strict=True)
    ]
    reading = _read(weights, tokens, inputs if place is None else [tf.gather(gate, place) for gate in inputs], by_gate)

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
        to_states = tf.scatter_nd(tf.expand_dims(places, 1), to_hidden, everywhere)
        to_read = _read_gradient(weights, reading, to_states, by_gate)
        to_gate_bias = tf.concat([tf.reduce_sum(block, 0) for block in to_read.gates], 0)
        to_words = to_read.gates
        if place is not None:
            to_words = [tf.math.unsorted_segment_sum(block, place, tf.shape(entering)[0]) for block in to_words]
        to_kernel = tf.concat([tf.matmul(block, looked_up, transpose_a=True) for block in to_words], 0)
        to_looked_up = _product(to_words, weights["input_kernel"])
        rows_used = tf.expand_dims(tf.concat([own, entering], 0), 1)
        to_embedding = tf.tensor_scatter_nd_add(to_embedding, rows_used, tf.concat([weighted, to_looked_up], 0))
        return None, to_embedding, to_kernel, to_read.recurrent_kernel, to_gate_bias, to_read.projection, to_bias

    return likelihood, gradient


@tf.custom_gradient
def _full_likelihood(rows: tf.Tensor, *arrays: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    return _likelihood(rows, arrays, by_gate=False)


@tf.custom_gradient
def _sampled_likelihood(rows: tf.Tensor, *arrays: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    return _likelihood(rows, arrays, by_gate=True)


class _Position(NamedTuple):
    """The values at one position, [B, ...], that its gradient needs."""

    keep: tf.Tensor  # [B, 1]: 0 where the token starts a message, which resets the state; else 1
    hidden: tf.Tensor  # [B, E]: the projected state in which the token is read
    gates: list[tf.Tensor]  # the forget gate and the output gate, in one array [B, 2H] or in two
    forget: tf.Tensor  # [B, H]
    put_out: tf.Tensor  # [B, H]: the output gate
    candidate: tf.Tensor  # [B, H]
    change: tf.Tensor  # [B, H]: the cells before, minus the candidate
    squashed: tf.Tensor  # [B, H]: the hyperbolic tangent of the cells after
    output: tf.Tensor  # [B, H]


class _Reading(NamedTuple):
    hidden: tf.Tensor  # [T * B, E]: the projected state after each token
    positions: list[_Position]


class _ReadGradient(NamedTuple):
    gates: list[tf.Tensor]  # the gradient at the sums that enter the gates: [T * B, 3H], or [T * B, H] of each
    recurrent_kernel: tf.Tensor
    projection: tf.Tensor


def _by_gate(kernel: tf.Tensor) -> list[tf.Tensor]:
    """Returns the parts [H, ...] of a kernel or bias [3H, ...]."""
    return tf.split(kernel, 3)


def _product(blocks: list[tf.Tensor], kernel: tf.Tensor) -> tf.Tensor:
    """Returns the product of a kernel [3H, E] and blocks [..., 3H / n] of its n parts: [..., E]."""
    return tf.add_n([tf.matmul(block, part) for block, part in zip(blocks, tf.split(kernel, len(blocks)), strict=True)])


def _read(weights: dict[str, tf.Tensor], tokens: tf.Tensor, inputs: list[tf.Tensor], by_gate: bool) -> _Reading:
    """Reads tokens [T, B], given what enters each gate with them, [T * B, H]."""
    length, rows = tokens.shape[0], tf.shape(tokens)[1]
    dimensions, units = weights["projection"].shape
    recurrent = [tf.transpose(kernel) for kernel in _by_gate(weights["recurrent_kernel"])]
    projection = tf.transpose(weights["projection"])
    kept = tf.unstack(tf.expand_dims(tf.cast(tf.not_equal(tokens, BOUNDARY), tf.float32), 2))
    hidden, cell = tf.zeros([rows, dimensions]), tf.zeros([rows, units])
    states, positions = [], []
    for keep, *added in zip(kept, *(tf.split(gate, length) for gate in inputs), strict=True):
        before = hidden * keep
        *sums, last = (own + tf.matmul(before, kernel) for own, kernel in zip(added, recurrent, strict=True))
        if not by_gate:  # the last numbers of an array, which fill no vector register, are rounded in another way
            sums = [tf.concat(sums, 1)]
        gates, candidate = [tf.sigmoid(gate) for gate in sums], tf.tanh(last)
        forget, put_out = gates if by_gate else tf.split(gates[0], 2, 1)
        change = cell * keep - candidate
        cell = candidate + forget * change
        squashed = tf.tanh(cell)
        output = put_out * squashed
        hidden = tf.matmul(output, projection)
        states.append(hidden)
        positions.append(_Position(keep, before, gates, forget, put_out, candidate, change, squashed, output))
    return _Reading(tf.concat(states, 0), positions)


def _read_gradient(
    weights: dict[str, tf.Tensor], reading: _Reading, upstream: tf.Tensor, by_gate: bool
) -> _ReadGradient:
    """Goes back over the positions, given the gradient at the projected states, [T * B, E]."""
    positions = reading.positions
    to_gates, to_states = [], []
    from_hidden = from_cell = None  # the gradients that come from the position after
    for position, to_hidden in zip(reversed(positions), reversed(tf.split(upstream, len(positions))), strict=True):
        to_state = to_hidden if from_hidden is None else to_hidden + from_hidden
        to_output = tf.matmul(to_state, weights["projection"])
        to_cell = tf.raw_ops.TanhGrad(y=position.squashed, dy=to_output * position.put_out)
        to_cell = to_cell if from_cell is None else to_cell + from_cell
        remembered = to_cell * position.forget
        to_sigmoids = [to_cell * position.change, to_output * position.squashed]
        if not by_gate:
            to_sigmoids = [tf.concat(to_sigmoids, 1)]
        sums = [tf.raw_ops.SigmoidGrad(y=y, dy=dy) for y, dy in zip(position.gates, to_sigmoids, strict=True)]
        sums.append(tf.raw_ops.TanhGrad(y=position.candidate, dy=to_cell - remembered))
        to_gates.append(sums if by_gate else [tf.concat(sums, 1)])
        to_states.append(to_state)
        from_hidden = _product(to_gates[-1], weights["recurrent_kernel"]) * position.keep
        from_cell = remembered * position.keep
    to_inputs = [tf.concat(blocks[::-1], 0) for blocks in zip(*to_gates, strict=True)]
    states, before = tf.concat(to_states[::-1], 0), tf.concat([position.hidden for position in positions], 0)
    return _ReadGradient(
        to_inputs,
        tf.concat([tf.matmul(block, before, transpose_a=True) for block in to_inputs], 0),
        tf.matmul(states, tf.concat([position.output for position in positions], 0), transpose_a=True),
    )
