"""Federated averaging in a plain PyTorch loop: one client after another, with a thread for each core.

`peer_process` calls `main` in the peers' environment.
"""

import os
from pathlib import Path

import torch

from federation.benchmarks.peers.cifg_in_pytorch import PyTorchCifg, train, weights_of
from federation.benchmarks.peers.rounds_on_demand import RoundsOnDemand
from federation.benchmarks.peers.training_data import TrainingData, save_weights


def main(data_path: str, result_path: str) -> None:
    """Runs the rounds of a file of training data and writes the last weights."""
    on_demand, data = RoundsOnDemand(), TrainingData.load(Path(data_path))
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = PyTorchCifg(data.weights, data.packed)
    parameters = dict(network.named_parameters())
    shared = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    for number, clients in enumerate(data.rounds):
        on_demand.wait()
        total = {name: torch.zeros_like(weight) for name, weight in shared.items()}
        words = 0
        for client, rows in enumerate(clients):
            network.load_state_dict(shared)
            train(network, torch.from_numpy(rows), data)
            own = data.words(number, client)
            for name, parameter in parameters.items():
                total[name].add_(parameter.detach(), alpha=own)
            words += own
        shared = {name: weight / words for name, weight in total.items()}
        on_demand.answer()
    network.load_state_dict(shared)
    save_weights(Path(result_path), weights_of(network))
