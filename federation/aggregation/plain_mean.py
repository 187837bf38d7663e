"""The server's half of a round over real devices: TFF turns their model deltas into the next global model.

It is the half that `tff.learning` composes into a simulated round: `tff.aggregators.MeanFactory`, weighted, then the server
optimizer as a finalizer. The clients' half was done where the words are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from data.errors import DataError
from federation.aggregation.algorithms import ClippedSGD, Server, functional_model
from federation.engine.state_store import StateStore
from model.device.config import ModelConfig
from model.device.learning.finetuning import FineTuning
from model.device.weights import Weights, check_weights


class Aggregation:
    """Averages model deltas under a server optimizer, whose state it keeps from round to round. Needs an `engine`."""

    def __init__(self, config: ModelConfig, server: Server) -> None:
        self._config = config
        trainable = tuple(tff.TensorType(np.float32, shape) for shape in config.shapes.values())
        weights_type = tff.to_type(tff.learning.models.ModelWeights(trainable, ()))
        mean = tff.aggregators.MeanFactory().create(tff.to_type(trainable), tff.TensorType(np.float32))
        finalizer = tff.learning.templates.build_apply_optimizer_finalizer(server.optimizer(), weights_type)

        @tff.tensorflow.computation(tff.to_type(trainable))
        def as_gradient(delta: Any) -> Any:
            return tf.nest.map_structure(tf.negative, delta)  # an optimizer goes against it

        @tff.federated_computation()
        def initialize() -> Any:
            return tff.federated_zip((mean.initialize(), finalizer.initialize()))

        state_type = initialize.type_signature.result

        @tff.federated_computation(
            state_type,
            tff.FederatedType(weights_type, tff.SERVER),
            tff.FederatedType(tff.to_type(trainable), tff.CLIENTS),
            tff.FederatedType(np.float32, tff.CLIENTS),
        )
        def aggregate(state: Any, weights: Any, deltas: Any, words: Any) -> Any:
            mean_state, optimizer_state = state
            update = mean.next(mean_state, tff.federated_map(as_gradient, deltas), words)
            updated = finalizer.next(optimizer_state, weights, update.result)
            return tff.federated_zip((update.state, updated.state)), updated.result

        self._aggregate = aggregate
        self._state = initialize()

    def restore(self, store: StateStore) -> None:
        """Goes on with the server optimizer's state of the newest round in `store`; with its first where there is none."""
        self._state, _ = store.latest(self._state)

    def save(self, store: StateStore, round_number: int) -> None:
        """Keeps the server optimizer's state after a round."""
        store.save(round_number, self._state)

    def __call__(self, weights: Weights, deltas: Sequence[Weights], words: Sequence[int]) -> Weights:
        """The next global model.

        Args:
          weights: the round's global model, from which every delta starts.
          deltas: what each device learned: its weights after training minus `weights`.
          words: how many targets each learned from, the weight of its delta.

        Raises:
          DataError: there is no delta, or one is not finite or not of the model's shapes.
        """
        if not deltas or sum(words) <= 0:
            raise DataError("no device has contributed to this round")
        for delta in deltas:
            check_weights(delta, self._config)
        names = self._config.shapes
        state, updated = self._aggregate(
            self._state,
            tff.learning.models.ModelWeights(tuple(weights[n] for n in names), ()),
            [tuple(delta[n] for n in names) for delta in deltas],
            [np.float32(n) for n in words],
        )
        self._state = state
        return {name: np.asarray(array) for name, array in zip(names, updated.trainable, strict=True)}


class SimulatedClients:
    """Clients that TFF simulates beside real devices: the same work, and each one's delta handed back. Needs an `engine`."""

    def __init__(self, config: ModelConfig, weights: Weights, how: FineTuning) -> None:
        self._config = config
        work = tff.learning.templates.build_functional_model_delta_client_work(
            model=functional_model(config, weights),
            optimizer=ClippedSGD(how.learning_rate, how.clipping_norm),
            client_weighting=tff.learning.ClientWeighting.NUM_EXAMPLES,
            loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
        )
        _, weights_at_clients, data_at_clients = work.next.type_signature.parameter

        @tff.federated_computation(tff.FederatedType(weights_at_clients.member, tff.SERVER), data_at_clients)
        def train(global_weights: Any, datasets: Any) -> Any:
            return work.next(work.initialize(), tff.federated_broadcast(global_weights), datasets).result

        self._train = train

    def __call__(self, weights: Weights, datasets: Sequence[tf.data.Dataset]) -> tuple[list[Weights], list[int]]:
        """Trains a client on each dataset from the global weights; returns their deltas and the targets learned from."""
        names = list(self._config.shapes)
        results = self._train((tuple(weights[n] for n in names), ()), list(datasets))
        deltas = [dict(zip(names, (-np.asarray(array) for array in r.update), strict=True)) for r in results]
        return deltas, [int(r.update_weight) for r in results]
