"""The settings that make a federation one process from its first round to its last: they are kept with it and do not change."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from data.errors import DataError
from data.files import write_by_rename
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import SumSettings
from model.device.learning.finetuning import ROUND_TRAINING, FineTuning

if TYPE_CHECKING:
    from federation.aggregation.server_settings import Server

FILE = "federation.json"


@dataclass(frozen=True)
class FederationSettings:
    """How devices train, how their deltas are bounded and summed, what the server makes of the sum, and what that promises."""

    training: FineTuning = ROUND_TRAINING
    summation: SumSettings = field(default_factory=SumSettings)
    privacy: Privacy = field(default_factory=Privacy)
    algorithm: str = "fedavg"
    server_learning_rate: float = 1.0
    seed: int = 0
    noise_seed: int = 0  # of the server's noise: a secret

    def server(self) -> "Server":
        """The server optimizer's settings; imports TensorFlow."""
        from federation.aggregation.server_settings import Server

        return Server(self.algorithm, self.server_learning_rate)

    def begin(self, folder: Path) -> Self:
        """The settings of the federation in a folder: these, where it begins now.

        Raises:
          DataError: it has begun with others.
        """
        if not (folder / FILE).exists():
            new = type(self)(**{**vars(self), "noise_seed": secrets.randbits(62)})
            write_by_rename(folder / FILE, json.dumps(asdict(new)).encode(), mode=0o600)
        found = type(self).load(folder)
        for name, value in vars(self).items():
            if name != "noise_seed" and getattr(found, name) != value:
                raise DataError(
                    f"the federation in {folder} has begun with {getattr(found, name)}, not with {value}: "
                    "give the options it began with, or another --folder"
                )
        return found

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the settings that a federation has begun with.

        Raises:
          DataError: they are missing or damaged.
        """
        try:
            content: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
            content["training"] = FineTuning(**content["training"])
            content["summation"] = SumSettings(**content["summation"])
            content["privacy"] = Privacy(**content["privacy"])
            return cls(**content)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"cannot read the settings of the federation in {folder}: {error}") from error
