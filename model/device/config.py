"""The sizes of the model, from which its program is built and against which its weights are checked."""

import math
from dataclasses import asdict, dataclass

from data.vocabulary import SPECIALS

_CANDIDATES = 512
_GREATEST_SIZE = 2**24  # of anything in a model, so that products and messages about them stay short


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the CIFG-LSTM; the defaults are those of Hard et al. 2018 (arXiv 1811.03604), Section 3.1."""

    vocabulary: int = 10_000  # words, including the specials
    embedding: int = 96  # dimensions of a word's vector, of the projected state, and of the tied output layer
    units: int = 670  # coupled input-forget-gate LSTM units
    window: int = 20  # positions in a training row
    batch: int = 16  # rows in a training step on a device

    @property
    def candidates(self) -> int:
        """The number of candidates of the sampled softmax (`model.device.sampling`), at most the vocabulary."""
        return min(self.vocabulary, max(_CANDIDATES, self.batch * (self.window + 1) + len(SPECIALS)))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight by name, in the order that the whole system uses.

        Kernels are [outputs, inputs], the memory layout that LiteRT multiplies fastest. The gates are forget, output, candidate.
        """
        return {
            "embedding": (self.vocabulary, self.embedding),
            "input_kernel": (3 * self.units, self.embedding),  # from the current word to the gates
            "recurrent_kernel": (3 * self.units, self.embedding),  # from the previous state to the gates
            "gate_bias": (3 * self.units,),
            "projection": (self.embedding, self.units),
            "output_bias": (self.vocabulary,),
        }

    def to_metadata(self) -> dict[str, str]:
        """Returns the sizes as strings, for the header of a weights file."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> "ModelConfig":
        """Reads the sizes that `to_metadata` returned.

        Raises:
          KeyError, ValueError: a size is missing, or is not a positive integer up to 2^24.
        """
        sizes = {name: int(metadata[name]) for name in cls.__dataclass_fields__}
        if min(sizes.values()) < 1 or max(sizes.values()) > _GREATEST_SIZE:
            raise ValueError(f"a size is below one or above {_GREATEST_SIZE:,}")
        return cls(**sizes)


def parameters(config: ModelConfig) -> int:
    """Returns the number of parameters."""
    return sum(math.prod(shape) for shape in config.shapes.values())
