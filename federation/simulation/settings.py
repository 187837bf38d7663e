"""The settings of a simulated run."""

from dataclasses import asdict, dataclass, field
from typing import Any

from data.errors import DataError
from federation.aggregation.privacy import Privacy
from federation.aggregation.server_settings import Server
from federation.aggregation.sum_settings import SumSettings
from model.device.learning.finetuning import FineTuning
from model.device.sampling import FULL


@dataclass(frozen=True)
class SimulationSettings:
    """Everything that a run's result depends on, except the number of rounds.

    Raises:
      DataError: the settings contradict each other.
    """

    corpus: str = "chitchat"
    init: str = "random"  # "random" weights, or the path of a model folder
    clients_per_round: int = 20
    cohort: str = "uniform"  # sampling of clients, "uniform" or by "words" (`federation.simulation.clients`)
    seed: int = 0
    average_from: int = 0  # the first round whose model enters the average that is the final model; 0: the last model
    server: Server = field(default_factory=Server)
    client: FineTuning = field(default_factory=FineTuning)
    summation: SumSettings | None = None  # None: unclipped deltas are averaged as floats
    privacy: Privacy = field(default_factory=Privacy)

    def __post_init__(self) -> None:
        if self.privacy.private and (self.summation is None or self.cohort != "uniform"):
            raise DataError(
                "differential privacy needs clipped deltas and uniform cohorts, which select everybody equally often"
            )
        if self.summation is not None and self.summation.cohort < self.clients_per_round:
            raise DataError(f"a sum over {self.summation.cohort} clients has no room for {self.clients_per_round}")

    def as_saved(self) -> dict[str, Any]:
        """Returns the content of the run's `settings.json`.

        Settings that older runs did not have are left out at their defaults, so that such runs can still be resumed.
        """
        content = asdict(self)
        if self.summation is None:
            del content["summation"]
        if not self.privacy.private:
            del content["privacy"]
        if self.client.trainable == "all":
            del content["client"]["trainable"]
        if self.client.softmax == FULL:
            del content["client"]["softmax"]
        if not self.server.momentum:
            del content["server"]["momentum"]
        return content
