"""The settings of a federation, as stored in its folder: how devices train, how sums are made, and how rounds are run."""

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from data.errors import DataError
from data.files import write_by_rename
from federation.aggregation.privacy import Privacy
from federation.aggregation.server_settings import Server
from federation.aggregation.sum_settings import SumSettings
from federation.coordinator.round_machine import Rules
from federation.protocol.api_messages import Plan
from model.device.learning.finetuning import ROUND_TRAINING, FineTuning

SETTINGS = "federation.json"


@dataclass(frozen=True)
class FederationSettings:
    """How devices train, how sums are made and applied, the privacy guarantee, and how rounds are run.

    `settings_change` says which of them may change once there were rounds.

    Raises:
      DataError: a device would refuse to train so.
    """

    training: FineTuning = ROUND_TRAINING
    summation: SumSettings = field(
        default_factory=lambda: SumSettings(
            cohort=Rules.target, minimum=Rules.minimum, max_weight=ROUND_TRAINING.max_words
        )
    )
    privacy: Privacy = field(default_factory=Privacy)
    algorithm: str = "fedavg"
    server_learning_rate: float = 1.0
    seed: int = 0
    noise_seed: int = 0  # seed of the server's noise; a secret
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        Plan.check_fields(**vars(self.training))  # raises here, not when a round opens

    def server(self) -> Server:
        """Returns the server optimizer's settings."""
        return Server(self.algorithm, self.server_learning_rate)

    def with_noise_seed(self) -> Self:
        """Returns these settings with a new secret seed of the noise."""
        return replace(self, noise_seed=secrets.randbits(62))

    def save(self, folder: Path, name: str = SETTINGS) -> None:
        """Stores the settings in a federation's folder."""
        write_by_rename(folder / name, json.dumps(asdict(self)).encode(), mode=0o600)

    @classmethod
    def load(cls, folder: Path, name: str = SETTINGS) -> Self:
        """Reads the settings of the federation in a folder.

        Raises:
          DataError: the file is missing or damaged.
        """
        try:
            content: dict[str, Any] = json.loads((folder / name).read_text("utf-8"))
            content["training"] = FineTuning(**content["training"])
            content["summation"] = summation = SumSettings(**content["summation"])
            content["privacy"] = Privacy(**content["privacy"])
            # Earlier versions did not store the rules.
            rules = content.get("rules", {"minimum": summation.minimum or Rules.minimum, "target": summation.cohort})
            content["rules"] = Rules(**rules)
            return cls(**content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"cannot read the settings of the federation, {folder / name}: {' '.join(str(error).split())}. "
                "Restore the file from a backup, or choose another --folder"
            ) from error
