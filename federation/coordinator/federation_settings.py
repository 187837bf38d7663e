"""The settings that hold from a federation's first round to its last. They are stored in its folder and never change."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from data.errors import DataError
from data.files import write_by_rename
from federation.aggregation.privacy import Privacy
from federation.aggregation.server_settings import Server
from federation.aggregation.sum_settings import SumSettings
from model.device.learning.finetuning import ROUND_TRAINING, FineTuning

_FILE = "federation.json"


@dataclass(frozen=True)
class FederationSettings:
    """How devices train, how their deltas are clipped and summed, how the server applies the sum, and the privacy guarantee."""

    training: FineTuning = ROUND_TRAINING
    summation: SumSettings = field(default_factory=SumSettings)
    privacy: Privacy = field(default_factory=Privacy)
    algorithm: str = "fedavg"
    server_learning_rate: float = 1.0
    seed: int = 0
    noise_seed: int = 0  # seed of the server's noise; a secret

    def server(self) -> Server:
        """Returns the server optimizer's settings."""
        return Server(self.algorithm, self.server_learning_rate)

    def begin(self, folder: Path) -> Self:
        """Returns the settings of the federation in a folder; a new federation gets these settings.

        Raises:
          DataError: the folder's federation has other settings, or its file is damaged.
        """
        if not (folder / _FILE).exists():
            new = type(self)(**{**vars(self), "noise_seed": secrets.randbits(62)})
            write_by_rename(folder / _FILE, json.dumps(asdict(new)).encode(), mode=0o600)
        found = type(self).load(folder)
        for name, value in vars(self).items():
            if name != "noise_seed" and getattr(found, name) != value:
                raise DataError(
                    f"the federation in {folder} was started with {getattr(found, name)}, not with {value}: "
                    "give the options it was started with, or another --folder"
                )
        return found

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the settings of the federation in a folder.

        Raises:
          DataError: the file is missing or damaged.
        """
        try:
            content: dict[str, Any] = json.loads((folder / _FILE).read_text("utf-8"))
            content["training"] = FineTuning(**content["training"])
            content["summation"] = SumSettings(**content["summation"])
            content["privacy"] = Privacy(**content["privacy"])
            return cls(**content)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"cannot read the settings of the federation in {folder}: {error}") from error
