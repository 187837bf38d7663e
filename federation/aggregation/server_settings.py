"""The server's settings: the algorithm that turns a mean model delta into the next global model.

Nothing here imports TensorFlow, so that a command can list the algorithms in an instant. `federation.aggregation.algorithms`
implements them.
"""

from dataclasses import dataclass

from data.errors import DataError

SERVER_LEARNING_RATES = {"fedavg": 1.0, "fedadam": 0.01, "fedyogi": 0.01, "fedprox": 1.0}  # defaults by algorithm
ALGORITHMS = tuple(SERVER_LEARNING_RATES)
DEVICE_ALGORITHMS = ("fedavg", "fedadam", "fedyogi")  # real devices have no proximal term, which fedprox needs


@dataclass(frozen=True)
class Server:
    """The algorithm and its constants.

    Raises:
      DataError: the momentum is out of range, or the algorithm takes none.
    """

    algorithm: str = "fedavg"
    learning_rate: float = 1.0
    decay_rounds: int = 0  # rounds over which the rate falls to zero along half a cosine; 0: constant
    proximal_strength: float = 0.01  # fedprox only: half of this times the squared distance is added to the loss
    momentum: float = 0.0  # fedavg and fedprox only: share of the previous step that the next one repeats; below 1

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1 or (self.momentum and self.algorithm not in ("fedavg", "fedprox")):
            raise DataError(
                f"momentum is a share from 0 to below 1, for fedavg and fedprox only, not {self.momentum:g} for "
                f"{self.algorithm}: Adam and Yogi have their own"
            )
