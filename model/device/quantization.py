"""Weights in fewer bits: what a smaller model folder would hold, and what is left of the weights when it is read again."""

import numpy as np

from model.device.weights import Weights

_LARGEST = 127  # of a signed byte, symmetric: -128 is not used


def half_precision(weights: Weights) -> tuple[Weights, int]:
    """Weights rounded to 16-bit floating point (IEEE 754 binary16) and widened again, and the bytes that the 16 bits take."""
    halves = {name: array.astype(np.float16) for name, array in weights.items()}
    return {name: a.astype(np.float32) for name, a in halves.items()}, sum(a.nbytes for a in halves.values())


def eight_bit(weights: Weights) -> tuple[Weights, int]:
    """Weights with their matrices rounded to 8 bits and widened again, and the bytes that this form takes.

    Symmetric and one scale a row, as LiteRT's 8-bit specification has it for weights: a row is whole numbers from -127 to 127
    times a 127th of its largest magnitude. Vectors stay 32 bits wide: they are few, and added, not multiplied.
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
