"""Federated averaging in Flower (Beutel et al. 2020, arXiv 2007.14390) on PyTorch, simulated by Ray.

As many clients as there are cores train at the same time, each with one thread.
`peer_process` calls `main` in the peers' environment.
"""

import os
import sys
import traceback
from functools import lru_cache
from pathlib import Path

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

from federation.benchmarks.peers.cifg_in_pytorch import PyTorchCifg, train
from federation.benchmarks.peers.rounds_on_demand import RoundsOnDemand
from federation.benchmarks.peers.training_data import TrainingData, save_weights

client_app = ClientApp()


@lru_cache(maxsize=1)
def prepared(path: str) -> tuple[TrainingData, PyTorchCifg]:
    """Returns the training data and a network; a process of Ray's, which runs many clients, loads them once."""
    torch.set_num_threads(1)  # the other cores have clients of their own
    data = TrainingData.load(Path(path))
    return data, PyTorchCifg(data.weights, data.packed)


@client_app.train()
def train_client(message: Message, context: Context) -> Message:
    """Trains one client of a round on its rows; Flower calls this in a process of Ray's."""
    settings = message.content.config_records["config"]
    number, client = int(settings["server-round"]) - 1, int(context.node_config["partition-id"])
    data, network = prepared(str(settings["data"]))
    network.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
    train(network, torch.from_numpy(data.rounds[number][client]), data)
    trained = {
        "arrays": ArrayRecord(network.state_dict()),
        "metrics": MetricRecord({"num-examples": data.words(number, client)}),
    }
    return Message(RecordDict(trained), reply_to=message)


def server_app(data_path: str, result_path: str, on_demand: RoundsOnDemand) -> ServerApp:
    """Returns the server of the rounds, each of which it starts on demand; it writes the last weights."""
    app, data = ServerApp(), TrainingData.load(Path(data_path))

    def after_round(number: int, arrays: ArrayRecord) -> None:
        """Ends a round and waits for the next; Flower calls this before the first round, too."""
        if number > 0:
            on_demand.answer()
        if number < len(data.rounds):
            on_demand.wait()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=data.clients, min_available_nodes=data.clients)
        result = strategy.start(
            grid,
            ArrayRecord(PyTorchCifg(data.weights, data.packed).state_dict()),
            num_rounds=len(data.rounds),
            train_config=ConfigRecord({"data": data_path}),
            evaluate_fn=after_round,
        )
        weights = result.arrays.to_torch_state_dict()
        save_weights(Path(result_path), {name: weight.numpy() for name, weight in weights.items()})

    return app


def main(data_path: str, result_path: str) -> None:
    """Runs the rounds of a file of training data and writes the last weights."""
    on_demand, cores = RoundsOnDemand(), len(os.sched_getaffinity(0))
    app = server_app(data_path, result_path, on_demand)
    try:
        run_simulation(
            app,
            client_app,
            num_supernodes=TrainingData.load(Path(data_path)).clients,
            backend_config={
                "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
                # Ray listens on all of this machine's addresses by default.
                "init_args": {"num_cpus": cores, "_node_ip_address": "127.0.0.1", "log_to_driver": False},
            },
        )
    except Exception as error:
        traceback.print_exc()
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        print(f"{type(cause).__name__}: {cause}", file=sys.stderr, flush=True)
        os._exit(1)  # the thread of the server would wait for the clients for an hour
