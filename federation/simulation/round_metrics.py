"""The metrics of each round of a run, in its folder: `metrics.csv` and TensorBoard's files in `tensorboard/`."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_federated as tff

from federation.engine.state_store import wait_for

Row = dict[str, float]  # a row of `metrics.csv`

_WHOLE = ("round", "clients", "words")  # columns of `metrics.csv` that count something


def _exact(name: str, value: float) -> np.number[Any]:
    return np.int64(value) if name in _WHOLE else np.float64(value)


class RoundMetrics:
    """A row per round, written by TFF's release managers, which drop the rows of rounds that are repeated."""

    def __init__(self, out: Path) -> None:
        self._path = out / "metrics.csv"
        self._managers: Sequence[tff.program.ReleaseManager] = (
            tff.program.CSVFileReleaseManager(self._path, tff.program.CSVSaveMode.WRITE, key_fieldname="key"),
            tff.program.TensorBoardReleaseManager(out / "tensorboard"),
        )

    def release(self, row: Row) -> None:
        """Writes the row of a round."""
        for manager in self._managers:
            wait_for(manager.release({k: _exact(k, v) for k, v in row.items()}, int(row["round"])))

    def rows(self) -> list[Row]:
        """Returns the rows of all rounds so far."""
        with self._path.open(newline="") as file:
            return [
                {
                    k: int(float(v)) if k in _WHOLE else float(v)  # older files hold them as 1.0
                    for k, v in r.items()
                    if k != "key" and v
                }
                for r in csv.DictReader(file)
            ]
