"""The weights as arrays named by what they are, and the safetensors file they travel in."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from model.device.config import ModelConfig
from model.device.safetensors_format import SafetensorsError, deserialize, serialize

_MAX_BYTES = 1 << 30  # of a file; a model's are millions

Weights = dict[str, np.ndarray]  # float32 arrays by the names of ModelConfig.shapes, in that order


@dataclass(frozen=True)
class Provenance:
    """Where weights come from: their sizes, the vocabulary they index, the round that made them, the model they grew from."""

    config: ModelConfig
    vocabulary_sha256: str
    round: int = 0  # federated rounds from random weights on
    parent: str = ""  # `digest` of the weights this model was made from; empty for random ones


def initial_weights(config: ModelConfig, seed: int) -> Weights:
    """Random weights: Glorot and Bengio 2010 for the matrices, small ones for the tied embedding, and gates that remember."""
    rng = np.random.default_rng(seed)

    def uniform(name: str, scale: float) -> np.ndarray:
        return rng.uniform(-scale, scale, config.shapes[name]).astype(np.float32)

    def glorot(name: str) -> np.ndarray:
        return uniform(name, float(np.sqrt(6 / sum(config.shapes[name]))))

    bias = np.zeros(3 * config.units, np.float32)
    bias[: config.units] = (
        1  # Jozefowicz et al. 2015, Section 2.2: a forget gate that starts open learns longer context
    )
    return {
        "embedding": uniform("embedding", 0.05),
        "input_kernel": glorot("input_kernel"),
        "recurrent_kernel": glorot("recurrent_kernel"),
        "gate_bias": bias,
        "projection": glorot("projection"),
        "output_bias": np.zeros(config.vocabulary, np.float32),
    }


def check_weights(weights: Weights, config: ModelConfig) -> None:
    """Lets weights pass that are what the configuration says.

    Raises:
      DataError: a weight is missing, too many, of another shape, or not finite.
    """
    for name, shape in config.shapes.items():
        if name not in weights:
            raise DataError(f"the weight {name!r} is missing")
        if weights[name].shape != shape:
            raise DataError(f"the weight {name!r} has shape {weights[name].shape} where the configuration says {shape}")
        if not np.isfinite(weights[name]).all():
            raise DataError(f"the weight {name!r} holds values that are not finite")
    if unknown := set(weights) - set(config.shapes):
        raise DataError(f"unknown weights: {', '.join(sorted(unknown))}")


def digest(weights: Weights) -> str:
    """SHA-256 over the arrays' bytes in their fixed order: equal exactly when every bit of every weight is."""
    total = hashlib.sha256()
    for array in weights.values():
        total.update(np.ascontiguousarray(array, np.float32).tobytes())
    return total.hexdigest()


def to_bytes(weights: Weights, provenance: Provenance, dtype: type[np.floating] = np.float32) -> bytes:
    """The content of a safetensors file with the provenance in its header; as `np.float16` in half the bytes."""
    metadata = provenance.config.to_metadata() | {
        "vocabulary_sha256": provenance.vocabulary_sha256,
        "round": str(provenance.round),
        "parent": provenance.parent,
    }
    return serialize({name: array.astype(dtype, copy=False) for name, array in weights.items()}, metadata)


def from_bytes(content: bytes, name: str, vocabulary_sha256: str | None = None) -> tuple[Weights, Provenance]:
    """Reads what `to_bytes` gave and checks it; half-precision weights are widened.

    Args:
      content: of a safetensors file.
      name: what to call it in an error.
      vocabulary_sha256: the digest of the vocabulary the weights must belong to, if that is known.

    Raises:
      DataError: it is cut short, no weights file, of another vocabulary, or its weights do not check.
    """
    try:
        arrays, metadata = deserialize(content)
        config = ModelConfig.from_metadata(metadata)
        provenance = Provenance(config, metadata["vocabulary_sha256"], int(metadata["round"]), metadata["parent"])
    except SafetensorsError as error:
        raise DataError(f"{name} is damaged or no safetensors file ({error}): get a fresh copy of the model") from error
    except (KeyError, ValueError) as error:
        raise DataError(
            f"{name} does not say what model it belongs to ({error}): it was not written by this project"
        ) from error
    if vocabulary_sha256 is not None and provenance.vocabulary_sha256 != vocabulary_sha256:
        raise DataError(
            f"{name} belongs to another vocabulary (SHA-256 {provenance.vocabulary_sha256[:12]}…, "
            f"here {vocabulary_sha256[:12]}…): use weights and vocabulary of one model folder"
        )
    try:
        check_weights(arrays, config)
    except UserFacingError as error:
        raise DataError(f"{name}: {error}") from error
    return {n: arrays[n].astype(np.float32, copy=False) for n in config.shapes}, provenance


def save_weights(path: Path, weights: Weights, provenance: Provenance, dtype: type[np.floating] = np.float32) -> None:
    """Writes a safetensors file (`to_bytes`) by rename."""
    write_by_rename(path, to_bytes(weights, provenance, dtype))


def load_weights(path: Path, vocabulary_sha256: str | None = None) -> tuple[Weights, Provenance]:
    """Reads what `save_weights` wrote and checks it, as `from_bytes` does.

    Raises:
      DataError: the file is missing or larger than any model's, or what `from_bytes` raises.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path} is larger than any model's weights: get a fresh copy of the model")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the weights {path}: {error.strerror or error}") from error
    return from_bytes(content, str(path), vocabulary_sha256)


def next_provenance(parent: Weights, provenance: Provenance, rounds: int = 1) -> Provenance:
    """The provenance of what so many federated rounds make from `parent`; none for what a device learns on top of it."""
    return replace(provenance, round=provenance.round + rounds, parent=digest(parent))
