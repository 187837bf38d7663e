"""The server's settings: the algorithm that turns a mean model delta into the next global model.

Nothing here imports TensorFlow, so that a command can list the algorithms in an instant. `federation.aggregation.algorithms`
implements them.
"""

from dataclasses import dataclass

SERVER_LEARNING_RATES = {"fedavg": 1.0, "fedadam": 0.01, "fedyogi": 0.01, "fedprox": 1.0}  # defaults by algorithm
ALGORITHMS = tuple(SERVER_LEARNING_RATES)
DEVICE_ALGORITHMS = ("fedavg", "fedadam", "fedyogi")  # real devices have no proximal term, which fedprox needs


@dataclass(frozen=True)
class Server:
    """The algorithm and its constants."""

    algorithm: str = "fedavg"
    learning_rate: float = 1.0
    decay_rounds: int = 0  # rounds over which the rate falls to zero along half a cosine; 0: constant
    proximal_strength: float = 0.01  # fedprox only: half of this times the squared distance is added to the loss
