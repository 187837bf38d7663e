"""Federated averaging in pfl (Granqvist et al. 2024, arXiv 2404.06430) on PyTorch.

`peer_process` calls `main` in the peers' environment.
"""

from pathlib import Path
from typing import Any

import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightingStrategy
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.data.sampling import MinimizeReuseUserSampler
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel

from data.vocabulary import PAD
from federation.benchmarks.peers.cifg_in_pytorch import PyTorchCifg, weights_of
from federation.benchmarks.peers.rounds_on_demand import RoundsOnDemand
from federation.benchmarks.peers.training_data import TrainingData, save_weights


class PflCifg(PyTorchCifg):
    """The network with the metrics that pfl asks for before its first round."""

    def metrics(self, rows: torch.Tensor) -> dict[str, Any]:
        """Returns the loss of rows [B, T + 1], weighted by their targets."""
        with torch.no_grad():
            words = int((rows[:, 1:] != PAD).sum())
            return {"loss": Weighted(float(self.loss(rows)) * words, words)}


class WeightByWords(WeightingStrategy):
    """The weighting of clients by their words, as in this project."""

    def __init__(self, words: dict[str, int]) -> None:
        self._words = words

    def postprocess_one_user(self, *, stats: Any, user_context: Any) -> tuple[Any, Metrics]:
        """Weights one client's update; pfl calls this."""
        stats.reweight(self._words[user_context.user_id])
        return stats, Metrics()


class AnswerAfterRound(TrainingProcessCallback):
    """A callback that waits for a request before each round and answers after it."""

    def __init__(self, rounds: int, on_demand: RoundsOnDemand) -> None:
        self._rounds, self._on_demand = rounds, on_demand

    def on_train_begin(self, *, model: Any) -> Metrics:
        """Waits before the first round; pfl calls this."""
        self._on_demand.wait()
        return Metrics()

    def after_central_iteration(
        self, aggregate_metrics: Any, model: Any, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        """Answers, and waits for the next round; pfl calls this."""
        self._on_demand.answer()
        if central_iteration + 1 < self._rounds:
            self._on_demand.wait()
        return False, Metrics()


def main(data_path: str, result_path: str) -> None:
    """Runs the rounds of a file of training data and writes the last weights."""
    on_demand, data = RoundsOnDemand(), TrainingData.load(Path(data_path))
    rows, words = {}, {}
    for number, clients in enumerate(data.rounds):
        for client, own in enumerate(clients):
            user = f"{number}/{client}"
            rows[user], words[user] = torch.from_numpy(own), data.words(number, client)
    datasets = FederatedDataset(
        lambda user: PyTorchTensorDataset((rows[user],), user_id=user),
        MinimizeReuseUserSampler(list(rows)),  # takes them in order: each round has the clients meant for it
    )
    network = PflCifg(data.weights, data.packed)
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=len(data.rounds),
            evaluation_frequency=len(data.rounds),
            train_cohort_size=data.clients,
            val_cohort_size=0,
        ),
        backend=SimulatedBackend(datasets, datasets, postprocessors=[WeightByWords(words)]),
        model=PyTorchModel(network, torch.optim.SGD, torch.optim.SGD(network.parameters(), lr=1.0)),
        model_train_params=NNTrainHyperParams(
            local_num_epochs=1,
            local_learning_rate=data.learning_rate,
            local_batch_size=data.batch,
            local_max_grad_norm=data.clipping_norm,
        ),
        model_eval_params=NNEvalHyperParams(local_batch_size=data.batch),
        callbacks=[AnswerAfterRound(len(data.rounds), on_demand)],
    )
    save_weights(Path(result_path), weights_of(network))
