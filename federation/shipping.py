"""What the project ships: model folders with weights in 16 bits and without a program, and the app's programs."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from data.errors import DataError
from data.files import write_by_rename
from federation.reports.model_card import STEP, with_step
from model.device.folder import Model, save_model
from model.device.programs import SHIPPED, file_name
from model.device.quantization import half_precision
from model.device.weights import digest


def ship(model: Model, out: Path, command: str) -> Model:
    """Saves a model for shipping, and returns it as it is loaded from there: with the weights as 16 bits represent them.

    Its digest is that of these weights in 32 bits, so that every keyboard and coordinator computes the same one. Weights that
    were in 16 bits already stay the same model, whose card stays too.

    Args:
      model: the model to ship.
      out: the model folder to write.
      command: the command line, for the card.

    Raises:
      DataError: a weight is too large for 16 bits, or the path holds something else than a model folder.
    """
    with np.errstate(over="ignore"):
        weights, _ = half_precision(model.weights)
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise DataError(
            "a weight is above 65,504, the largest number of 16 bits: the model cannot be shipped like this"
        )
    shipped = replace(model, weights=weights)
    if (before := digest(model.weights)) != digest(weights):
        step = f"{STEP}`{command}`, which rounds weights to 16 bits, from weights of SHA-256 `{before}`"
        shipped = replace(shipped, card=with_step(model.card, step))
    save_model(out, shipped, with_program=False)
    return shipped


def ship_programs(folder: Path) -> list[Path]:
    """Builds the programs that the app comes with and writes them into a folder; returns their files."""
    from model.program import build_program  # imports TensorFlow

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for config in SHIPPED:
        paths.append(folder / file_name(config))
        write_by_rename(paths[-1], build_program(config))
    return paths
