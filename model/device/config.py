"""The sizes of the model: what its program is built from and its weights are checked against."""

import math
from dataclasses import asdict, dataclass

from data.vocabulary import SPECIALS

_CANDIDATES = 512


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the CIFG-LSTM; the defaults are those of Hard et al. 2018 (arXiv 1811.03604), Section 3.1."""

    vocabulary: int = 10_000  # words, the specials included
    embedding: int = 96  # dimensions of a word's vector, of the projected state, and of the tied output layer
    units: int = 670  # coupled input-forget-gate LSTM units
    window: int = 20  # positions of one training row
    batch: int = 16  # rows of one training step on a device

    @property
    def candidates(self) -> int:
        """How many words a batch is learned against on a device (`model.device.learning.sampling`): all of them where there are few."""
        return min(self.vocabulary, max(_CANDIDATES, self.batch * (self.window + 1) + len(SPECIALS)))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The weights by name and shape, in the order in which every part of the system lists them.

        Kernels are [outputs, inputs]: what LiteRT multiplies by as it lies in memory.
        """
        return {
            "embedding": (self.vocabulary, self.embedding),
            "input_kernel": (
                3 * self.units,
                self.embedding,
            ),  # from the word read to the gates: forget, output, candidate
            "recurrent_kernel": (3 * self.units, self.embedding),  # from the state before it to the same
            "gate_bias": (3 * self.units,),
            "projection": (self.embedding, self.units),
            "output_bias": (self.vocabulary,),
        }

    def to_metadata(self) -> dict[str, str]:
        """As strings, for the header of a weights file."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> "ModelConfig":
        """What `to_metadata` gave.

        Raises:
          KeyError, ValueError: a size is missing or is no whole number above zero.
        """
        sizes = {name: int(metadata[name]) for name in cls.__dataclass_fields__}
        if min(sizes.values()) < 1:
            raise ValueError("a size below one")
        return cls(**sizes)


def parameters(config: ModelConfig) -> int:
    """How many numbers the weights are."""
    return sum(math.prod(shape) for shape in config.shapes.values())
