"""The trainable part of a model: the weights that a round trains and sends. The others stay as they are.

Noise for differential privacy grows with the number of weights that are summed, so a round may train the output bias alone, which
makes words more or less frequent, or the head, which also changes what the units remember and how it is read. Fine-tuning biases
alone is known from Ben Zaken et al. 2022 (arXiv 2106.10199); sending a part of a model's weights, from Sidahmed et al. 2021 (arXiv
2110.03450).
"""

import math

from data.errors import DataError
from model.device.config import ModelConfig

TRAINABLE = ("bias", "head", "all")

_WEIGHTS = {"bias": ("output_bias",), "head": ("gate_bias", "projection", "output_bias")}


def check_trainable(trainable: str) -> None:
    """Raises DataError unless `trainable` is one of `TRAINABLE`."""
    if trainable not in TRAINABLE:
        raise DataError(f"there is no trainable part {trainable!r}: choose one of {', '.join(TRAINABLE)}")


def trainable_shapes(config: ModelConfig, trainable: str = "all") -> dict[str, tuple[int, ...]]:
    """Returns the shape of each trainable weight by name, in the order of `ModelConfig.shapes`.

    Raises:
      DataError: `trainable` is none of `TRAINABLE`.
    """
    check_trainable(trainable)
    names = _WEIGHTS.get(trainable, tuple(config.shapes))
    return {name: shape for name, shape in config.shapes.items() if name in names}


def trainable_parameters(config: ModelConfig, trainable: str = "all") -> int:
    """Returns the number of trainable parameters, which is the length of a round's delta."""
    return sum(math.prod(shape) for shape in trainable_shapes(config, trainable).values())
