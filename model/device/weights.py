"""The weights as named arrays, and the safetensors files in which they travel."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, UserFacingError
from data.files import read_bounded, write_by_rename
from model.device.config import ModelConfig
from model.device.safetensors_format import SafetensorsError, deserialize, serialize

_MAX_BYTES = 1 << 30  # of a file; a model has millions

Weights = dict[str, NDArray[np.float32]]  # float32 arrays by the names of ModelConfig.shapes, in that order


@dataclass(frozen=True)
class Provenance:
    """The origin of weights: their sizes, their vocabulary, the round that made them, and the model they started from."""

    config: ModelConfig
    vocabulary_sha256: str
    round: int = 0  # federated rounds since the random weights
    parent: str = ""  # `digest` of the weights before the last training; empty for random weights


def initial_weights(config: ModelConfig, seed: int) -> Weights:
    """Returns random weights: Glorot and Bengio 2010 for matrices, small ones for the tied embedding, open forget gates."""
    rng = np.random.default_rng(seed)

    def uniform(name: str, scale: float) -> NDArray[np.float32]:
        return rng.uniform(-scale, scale, config.shapes[name]).astype(np.float32)

    def glorot(name: str) -> NDArray[np.float32]:
        return uniform(name, float(np.sqrt(6 / sum(config.shapes[name]))))

    bias = np.zeros(3 * config.units, np.float32)
    # Jozefowicz et al. 2015, Section 2.2: a forget gate that starts open learns longer contexts.
    bias[: config.units] = 1
    return {
        "embedding": uniform("embedding", 0.05),
        "input_kernel": glorot("input_kernel"),
        "recurrent_kernel": glorot("recurrent_kernel"),
        "gate_bias": bias,
        "projection": glorot("projection"),
        "output_bias": np.zeros(config.vocabulary, np.float32),
    }


def check_weights(weights: Weights, config: ModelConfig) -> None:
    """Checks weights against a configuration.

    Raises:
      DataError: a weight is missing, unknown, not finite, or has another shape.
    """
    for name, shape in config.shapes.items():
        if name not in weights:
            raise DataError(f"the weight {name!r} is missing")
        if weights[name].shape != shape:
            raise DataError(f"the weight {name!r} has shape {weights[name].shape}, but the configuration needs {shape}")
        if weights[name].dtype.kind != "f":
            raise DataError(
                f"the weight {name!r} has the type {weights[name].dtype}: weights are floating-point numbers"
            )
        if not np.isfinite(weights[name]).all():
            raise DataError(f"the weight {name!r} contains values that are not finite")
    if unknown := set(weights) - set(config.shapes):
        raise DataError(f"unknown weights: {', '.join(sorted(unknown))}")


def digest(weights: Weights) -> str:
    """Returns the SHA-256 of the arrays' bytes in their fixed order: equal if and only if every bit of every weight is equal."""
    total = hashlib.sha256()
    for array in weights.values():
        total.update(np.ascontiguousarray(array, np.float32).tobytes())
    return total.hexdigest()


def narrowest(weights: Weights) -> type[np.float32 | np.float16]:
    """Returns the narrowest type that represents every weight exactly, so that reading them back changes no digest."""
    with np.errstate(over="ignore"):  # too large for 16 bits: such a weight becomes infinite, and so unequal
        exact = all(np.array_equal(array.astype(np.float16).astype(np.float32), array) for array in weights.values())
    return np.float16 if exact else np.float32


def to_bytes(weights: Weights, provenance: Provenance, dtype: type[np.float32 | np.float16] = np.float32) -> bytes:
    """Returns the content of a safetensors file with the provenance in its header; `np.float16` halves its size."""
    metadata = provenance.config.to_metadata() | {
        "vocabulary_sha256": provenance.vocabulary_sha256,
        "round": str(provenance.round),
        "parent": provenance.parent,
    }
    return serialize({name: array.astype(dtype, copy=False) for name, array in weights.items()}, metadata)


def from_bytes(content: bytes, name: str, vocabulary_sha256: str | None = None) -> tuple[Weights, Provenance]:
    """Reads and checks the content of a safetensors file; half-precision weights are widened to float32.

    Args:
      content: the bytes of the file.
      name: the name of the file in error messages.
      vocabulary_sha256: the digest of the vocabulary to which the weights must belong; None skips this check.

    Raises:
      DataError: the content is damaged, is not a weights file, belongs to another vocabulary, or fails `check_weights`.
    """
    try:
        arrays, metadata = deserialize(content)
        config = ModelConfig.from_metadata(metadata)
        provenance = Provenance(config, metadata["vocabulary_sha256"], int(metadata["round"]), metadata["parent"])
    except SafetensorsError as error:
        raise DataError(
            f"{name} is damaged or not a safetensors file ({error}): get a fresh copy of the model"
        ) from error
    except (KeyError, ValueError) as error:
        raise DataError(
            f"{name} lacks the description of its model ({error}): it was not written by this project"
        ) from error
    if vocabulary_sha256 is not None and provenance.vocabulary_sha256 != vocabulary_sha256:
        raise DataError(
            f"{name} belongs to another vocabulary (SHA-256 {provenance.vocabulary_sha256[:12]}…, "
            f"here {vocabulary_sha256[:12]}…): use the weights and the vocabulary of one model folder"
        )
    try:
        check_weights(arrays, config)
    except UserFacingError as error:
        raise DataError(f"{name}: {error}") from error
    return {n: arrays[n].astype(np.float32, copy=False) for n in config.shapes}, provenance


def save_weights(
    path: Path, weights: Weights, provenance: Provenance, dtype: type[np.float32 | np.float16] = np.float32
) -> None:
    """Writes the result of `to_bytes` to a file, by rename."""
    write_by_rename(path, to_bytes(weights, provenance, dtype))


def load_weights(path: Path, vocabulary_sha256: str | None = None) -> tuple[Weights, Provenance]:
    """Reads and checks a file that `save_weights` wrote.

    Raises:
      DataError: the file is missing or too large, or `from_bytes` refuses its content.
    """
    content = read_bounded(path, _MAX_BYTES, "the weights", "get a fresh copy of the model")
    return from_bytes(content, str(path), vocabulary_sha256)


def next_provenance(parent: Weights, provenance: Provenance, rounds: int = 1) -> Provenance:
    """Returns the provenance of the weights that `rounds` federated rounds make from `parent`; 0 rounds for personal learning."""
    return replace(provenance, round=provenance.round + rounds, parent=digest(parent))
