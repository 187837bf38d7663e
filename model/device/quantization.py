"""Weights rounded to fewer bits, to measure how much quality a smaller model folder would lose."""

import numpy as np

from model.device.weights import Weights

_LARGEST = 127  # symmetric: -128 is not used


def half_precision(weights: Weights) -> tuple[Weights, int]:
    """Rounds weights to 16-bit floats (IEEE 754 binary16); returns them as 32-bit floats, and the bytes of the 16-bit form."""
    halves = {name: array.astype(np.float16) for name, array in weights.items()}
    return {name: a.astype(np.float32) for name, a in halves.items()}, sum(a.nbytes for a in halves.values())


def eight_bit(weights: Weights) -> tuple[Weights, int]:
    """Rounds matrices to 8 bits; returns all weights as 32-bit floats, and the bytes of the 8-bit form.

    The rounding is symmetric with one scale per row, as in LiteRT's 8-bit specification for weights: a row consists of integers
    from -127 to 127, times its largest magnitude / 127. Vectors keep 32 bits: they are small, and added rather than multiplied.
    """
    widened, size = {}, 0
    for name, array in weights.items():
        if array.ndim < 2:
            widened[name], size = array, size + array.nbytes
            continue
        scales = np.abs(array).max(axis=1, keepdims=True) / np.float32(_LARGEST)
        rounded = np.rint(array / np.where(scales > 0, scales, 1)).astype(np.int8)
        widened[name], size = rounded * scales, size + rounded.nbytes + scales.nbytes
    return widened, size
