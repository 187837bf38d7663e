"""The file that a peer trains on: initial weights, each round's clients and their rows, and the settings.

This project writes it and the peer's process reads it, so that it needs NumPy alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.windows import targets

_SETTINGS = ("batch", "learning_rate", "clipping_norm", "packed")


@dataclass(frozen=True)
class TrainingData:
    """Rounds of federated averaging, in which each client takes one pass of SGD over its rows, in their order."""

    weights: dict[str, NDArray[np.float32]]  # initial global weights, by the names of `ModelConfig.shapes`
    rounds: Sequence[Sequence[np.ndarray]]  # for each round, the rows of each client: [n, T + 1]
    batch: int  # rows in a step
    learning_rate: float
    clipping_norm: float  # global L2 norm of a step's gradient
    packed: bool  # whether a row holds several messages, so that `<s>` has to reset the network's state

    @property
    def clients(self) -> int:
        """The number of clients in a round."""
        return len(self.rounds[0])

    def words(self, number: int, client: int) -> int:
        """Returns the number of targets of a client that are not padding: its weight in the mean."""
        return targets(self.rounds[number][client])

    def save(self, path: Path) -> None:
        """Writes the file. Rows become int64, which PyTorch's loss takes."""
        arrays = {f"weight/{name}": array for name, array in self.weights.items()}
        for number, clients in enumerate(self.rounds):
            arrays |= {f"rows/{number}/{client}": rows.astype(np.int64) for client, rows in enumerate(clients)}
        settings = {name: getattr(self, name) for name in _SETTINGS}
        sizes = [len(clients) for clients in self.rounds]
        np.savez(path, settings=np.array(json.dumps(settings | {"sizes": sizes})), **arrays)

    @classmethod
    def load(cls, path: Path) -> "TrainingData":
        """Reads the file that `save` wrote."""
        with np.load(path) as content:
            settings = json.loads(str(content["settings"]))
            sizes = settings.pop("sizes")
            weights = {name.partition("/")[2]: content[name] for name in content.files if name.startswith("weight/")}
            rounds = [[content[f"rows/{n}/{client}"] for client in range(size)] for n, size in enumerate(sizes)]
        return cls(weights, rounds, **settings)


def save_weights(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """Writes the weights after the last round."""
    np.savez(path, **weights)


def load_weights(path: Path) -> dict[str, np.ndarray]:
    """Reads the weights that `save_weights` wrote."""
    with np.load(path) as content:
        return {name: content[name] for name in content.files}
