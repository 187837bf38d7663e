"""Federated averaging of the same CIFG-LSTM in pfl (Granqvist et al. 2024, arXiv 2404.06430) on PyTorch.

The script runs in an environment of its own, in which this project is not installed: `python pfl_training.py DATA.npz RESULT.npz`.
`DATA` holds the initial weights (`weight/NAME`), each client's padded rows (`rows/ROUND/CLIENT`, int64 [n, T + 1]) and the
settings as JSON. For each line on standard input the script runs a round and prints its seconds as JSON. At the end it writes the
weights.
"""

import json
import sys
import time
from typing import Any, TextIO

import numpy as np
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
from torch.nn import functional

PAD = 0  # the value in `data.vocabulary`


class Cifg(torch.nn.Module):
    """The network of `model.cifg`, for rows of one message each."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        for name, array in weights.items():
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(array)))

    def loss(self, tokens: torch.Tensor) -> torch.Tensor:
        """Returns the mean loss of rows [B, T + 1] in nats, over targets that are not padding."""
        logits = functional.linear(self._read(tokens[:, :-1]), self.embedding, self.output_bias)
        return functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=PAD)

    def metrics(self, tokens: torch.Tensor) -> dict[str, Any]:
        """Returns the metrics that pfl needs before its first round."""
        with torch.no_grad():
            words = int((tokens[:, 1:] != PAD).sum())
            return {"loss": Weighted(float(self.loss(tokens)) * words, words)}

    def _read(self, tokens: torch.Tensor) -> torch.Tensor:
        inputs = functional.linear(functional.embedding(tokens, self.embedding), self.input_kernel, self.gate_bias)
        hidden = inputs.new_zeros(len(tokens), self.projection.shape[0])
        cell = inputs.new_zeros(len(tokens), self.projection.shape[1])
        states = []
        for added in inputs.unbind(1):
            forget, output, candidate = (added + functional.linear(hidden, self.recurrent_kernel)).chunk(3, 1)
            forget = torch.sigmoid(forget)
            cell = forget * cell + (1 - forget) * torch.tanh(candidate)
            hidden = functional.linear(torch.sigmoid(output) * torch.tanh(cell), self.projection)
            states.append(hidden)
        return torch.stack(states, 1)


class WeightByWords(WeightingStrategy):
    """The weighting of clients by their words, as in this project."""

    def __init__(self, words: dict[str, int]) -> None:
        self._words = words

    def postprocess_one_user(self, *, stats: Any, user_context: Any) -> tuple[Any, Metrics]:
        """Weights one client's update; pfl calls this."""
        stats.reweight(self._words[user_context.user_id])
        return stats, Metrics()


class OnDemand(TrainingProcessCallback):
    """A callback that waits for a line before each round, and prints the round's seconds after it."""

    def __init__(self, rounds: int, answers: TextIO) -> None:
        self._rounds, self._answers = rounds, answers
        self._began = 0.0

    def on_train_begin(self, *, model: Any) -> Metrics:
        """Waits before the first round; pfl calls this."""
        self._wait()
        return Metrics()

    def after_central_iteration(
        self, aggregate_metrics: Any, model: Any, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        """Prints the seconds and waits for the next round; pfl calls this."""
        print(json.dumps({"seconds": time.perf_counter() - self._began}), file=self._answers, flush=True)
        if central_iteration + 1 < self._rounds:
            self._wait()
        return False, Metrics()

    def _wait(self) -> None:
        if not sys.stdin.readline():
            sys.exit("standard input was closed before the last round")
        self._began = time.perf_counter()


def main(data: str, result: str) -> None:
    """Runs the rounds of the file `data` and writes the weights to `result`."""
    answers, sys.stdout = sys.stdout, sys.stderr  # because pfl prints its metrics to standard output
    with np.load(data) as content:
        settings = json.loads(str(content["settings"]))
        weights = {name.partition("/")[2]: content[name] for name in content.files if name.startswith("weight/")}
        rows = {name: torch.from_numpy(content[name]) for name in content.files if name.startswith("rows/")}
    users = sorted(rows, key=lambda name: [int(part) for part in name.split("/")[1:]])
    words = {user: int((rows[user][:, 1:] != PAD).sum()) for user in users}
    datasets = FederatedDataset(
        lambda user: PyTorchTensorDataset((rows[user],), user_id=user), MinimizeReuseUserSampler(users)
    )
    network = Cifg(weights)
    model = PyTorchModel(network, torch.optim.SGD, torch.optim.SGD(network.parameters(), lr=1.0))
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=settings["rounds"],
            evaluation_frequency=settings["rounds"],
            train_cohort_size=settings["clients"],
            val_cohort_size=0,
        ),
        backend=SimulatedBackend(datasets, datasets, postprocessors=[WeightByWords(words)]),
        model=model,
        model_train_params=NNTrainHyperParams(
            local_num_epochs=1,
            local_learning_rate=settings["learning_rate"],
            local_batch_size=settings["batch"],
            local_max_grad_norm=settings["clipping_norm"],
        ),
        model_eval_params=NNEvalHyperParams(local_batch_size=settings["batch"]),
        callbacks=[OnDemand(settings["rounds"], answers)],
    )
    np.savez(result, **{name: parameter.detach().numpy() for name, parameter in network.named_parameters()})


if __name__ == "__main__":
    main(*sys.argv[1:])
