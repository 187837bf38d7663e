"""The encoding of `federation.protocol.delta_encoding` in TensorFlow, for simulated devices.

That file explains the steps and their names. The sizes come from an `Encoding`; the clipping norm and the seed, which change
from round to round, are tensors. A test compares the integers of both.
"""

import math

import numpy as np
import tensorflow as tf

from federation.protocol.delta_encoding import Encoding


class TensorEncoding:
    """An encoding's steps on tensors. The clipping norm and the seed of the `Encoding` are not used."""

    def __init__(self, sizes: Encoding, noise_stddev: float = 0.0) -> None:
        """Takes the sizes, and the standard deviation of each device's noise, in steps of the integers."""
        self.sizes = sizes
        self._noise = noise_stddev
        # The greatest squared norm of an integer vector.
        self._most_squared = (sizes.rounded_norm * float(sizes.scale)) ** 2

    @property
    def lengthening(self) -> float:
        """The factor by which rounding may lengthen a device's contribution beyond the clipping norm."""
        return self.sizes.rounded_norm / self.sizes.clipping_norm

    def scale(self, norm: tf.Tensor) -> tf.Tensor:
        """Returns S of step 4 for a clipping norm."""
        reach = tf.constant(self.sizes.levels * math.sqrt(self.sizes.padded), tf.float64)
        deviations = tf.constant(self.sizes.deviations, tf.float64)
        return tf.cast(reach / (deviations * tf.cast(norm, tf.float64)), tf.float32)

    def scaled(self, delta: tf.Tensor, weight: tf.Tensor, norm: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns a delta after steps 1 to 4: coordinates [p], in steps of the integers.

        Args:
          delta: float32 [n].
          weight: float32 scalar, the device's words, at least 0.
          norm: float32 scalar, the clipping norm.
          seed: int64 scalar, of the rotation, below 2^32.
        """
        length = l2_norm(delta)
        clipped = tf.cond(length > norm, lambda: delta * (norm / length), lambda: delta)
        greatest = self.sizes.max_weight
        share = tf.cast(tf.cast(tf.minimum(weight, greatest), tf.float64) / greatest, tf.float32)
        return self.rotate(clipped * share, seed) * self.scale(norm)

    def round(self, scaled: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        """Returns coordinates after step 5: whole numbers as float32 [p].

        If random rounding would make the vector longer than allowed, which has a probability of one in a billion, all
        coordinates are rounded towards zero. Devices draw again instead.
        """
        levels = tf.constant(self.sizes.levels, tf.float32)
        rounded = tf.clip_by_value(tf.floor(scaled + uniform), -levels, levels)
        short = tf.clip_by_value(tf.sign(scaled) * tf.floor(tf.abs(scaled)), -levels, levels)
        squared = tf.reduce_sum(tf.cast(rounded, tf.float64) ** 2)
        return tf.where(squared <= self._most_squared, rounded, short)

    def encode(
        self, delta: tf.Tensor, weight: tf.Tensor, norm: tf.Tensor, seed: tf.Tensor, key: tf.Tensor
    ) -> tf.Tensor:
        """Returns a delta after steps 1 to 6, with noise: int32 [p] below 2^bits.

        `key`, int64 [2], and the delta itself seed the random draws, so that simulated devices with different deltas draw
        differently, and a repeated round gives the same result. The noise is a rounded Gaussian here, but a discrete Gaussian on
        devices.
        """
        scaled = self.scaled(delta, weight, norm, seed)
        odd = 2 * tf.range(tf.size(delta, out_type=tf.int64), dtype=tf.int64) + 1
        own = key + tf.reduce_sum(tf.cast(tf.bitcast(delta, tf.int32), tf.int64) * odd)
        rounded = self.round(scaled, tf.random.stateless_uniform([self.sizes.padded], own))
        if self._noise:
            rounded += tf.round(self._noise * tf.random.stateless_normal([self.sizes.padded], own + 1))
        return tf.math.floormod(tf.cast(rounded, tf.int32), 2**self.sizes.bits)

    def decode(self, summed: tf.Tensor, norm: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Applies steps 7 and 8: returns the sum of (w / W) d, float32 [n], from sums [p] modulo 2^bits."""
        half = 2 ** (self.sizes.bits - 1)
        lifted = tf.where(summed >= half, summed - 2 * half, summed)
        step = tf.cast(1 / tf.cast(self.scale(norm), tf.float64), tf.float32)
        return self.rotate_back(tf.cast(lifted, tf.float32) * step, seed)

    def rotate(self, vector: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Applies step 3: [n] to [p]."""
        block, (first, second) = self.sizes.block, self._signs(seed)
        matrix = tf.reshape(tf.pad(vector, [[0, self.sizes.padded - self.sizes.length]]), [block, -1])
        matrix = tf.reshape(tf.transpose(_hadamard(matrix * first)), [block, -1])
        return tf.reshape(_hadamard(matrix * second) * (1 / block), [-1])

    def rotate_back(self, vector: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Inverts `rotate`: [p] to [n]."""
        block, (first, second) = self.sizes.block, self._signs(seed)
        matrix = _hadamard(tf.reshape(vector, [block, -1]) * (1 / block)) * second
        matrix = _hadamard(tf.transpose(tf.reshape(matrix, [-1, block]))) * first
        return tf.reshape(matrix, [-1])[: self.sizes.length]

    def _signs(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mixed = _mix(_mix(tf.range(2 * self.sizes.padded, dtype=tf.int64)) ^ seed)
        signs = tf.cast(1 - 2 * _shift(mixed, 31), tf.float32)
        first, second = tf.split(tf.reshape(signs, [2 * self.sizes.block, -1]), 2)
        return first, second


def l2_norm(vector: tf.Tensor) -> tf.Tensor:
    """Returns the norm as devices compute it: summed in float64, rounded to float32."""
    return tf.cast(tf.sqrt(tf.reduce_sum(tf.cast(vector, tf.float64) ** 2)), tf.float32)


def _mix(x: tf.Tensor) -> tf.Tensor:
    """Applies MurmurHash3's finalizer, in int64: products wrap modulo 2^64, so their low 32 bits are right."""
    low = tf.constant(2**32 - 1, tf.int64)
    x = ((x ^ _shift(x, 16)) * 0x85EBCA6B) & low
    x = ((x ^ _shift(x, 13)) * 0xC2B2AE35) & low
    return x ^ _shift(x, 16)


def _shift(x: tf.Tensor, bits: int) -> tf.Tensor:
    return tf.bitwise.right_shift(x, tf.constant(bits, x.dtype))


def _hadamard(matrix: tf.Tensor) -> tf.Tensor:
    rows, columns = matrix.shape
    half = 1
    while half < rows:
        pairs = tf.reshape(matrix, [rows // (2 * half), 2, half * columns])
        matrix = tf.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1)
        half *= 2
    return tf.reshape(matrix, [rows, columns])


def as_vector(arrays: tuple[tf.Tensor, ...]) -> tf.Tensor:
    """Concatenates a model's weights into one vector [n]."""
    return tf.concat([tf.reshape(array, [-1]) for array in arrays], 0)


def as_arrays(vector: tf.Tensor, shapes: list[tuple[int, ...]]) -> tuple[tf.Tensor, ...]:
    """Splits a vector into arrays of these shapes: the inverse of `as_vector`."""
    parts = tf.split(vector, [int(np.prod(shape)) for shape in shapes])
    return tuple(tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True))
