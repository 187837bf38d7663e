"""The server's half of a real round: TFF's learning process, split at its secure sums.

`federation.aggregation.algorithms` and `federation.aggregation.secure_mean` compose a round; TFF compiles it to the form
that a deployment runs, `MapReduceForm`:

- `prepare` turns the server's state into the broadcast to devices: here the global weights and the round's `Terms`;
- `work` is a device's part: here LiteRT's training and `Terms.contribution` (a test compares the integers of both);
- secure aggregation sums the devices' contributions;
- `update` turns the sums into the next state.

Nothing else leaves the devices: `ServerProcess` checks that the form's plain aggregation, beside its secure sums, is empty.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import tensorflow_federated as tff

from data.errors import DataError
from federation.aggregation.accounting import check_budget, rho_of_round, rounds_spent, spent
from federation.aggregation.algorithms import learning_process, named_weights
from federation.aggregation.privacy import Privacy, Spent
from federation.aggregation.secure_mean import SecureMean, secure_metrics
from federation.aggregation.server_settings import Server
from federation.aggregation.sum_check import check_sum
from federation.aggregation.sum_settings import SumSettings
from federation.engine.state_store import StateStore
from federation.protocol.round_terms import LOSS_STEPS, Terms, counts_of, recall_of
from federation.protocol.secure_aggregation.modular_vectors import Vector
from model.device.config import ModelConfig
from model.device.learning.finetuning import FineTuning
from model.device.trainable import trainable_parameters
from model.device.weights import Weights

ServerState = Any  # LearningAlgorithmState@SERVER, with its named parts (`aggregator`, `finalizer`, ...) as mappings
TffValue = Any  # a value as a TFF computation returns it: attrs classes, named tuples, mappings and tuples of arrays


@dataclass(frozen=True)
class Broadcast:
    """A round's message to its devices: the weights to train, and the terms of their contribution."""

    weights: Weights
    terms: Terms


class ServerProcess:
    """Turns sums into models. Needs an `engine`. State is passed in and returned, and can be saved.

    A round is `prepare`, the devices' work, and `update`. An aborted round has no `update`: the state stays the same, and
    so do the terms of the next attempt.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: Weights,
        client: FineTuning,
        server: Server,
        summation: SumSettings,
        privacy: Privacy,
        seed: int,
        noise_seed: int,
        before: int = 0,
    ) -> None:
        """Composes and compiles the process, which takes seconds.

        Args:
          config: the model's sizes.
          weights: the first global weights.
          client: how devices train, and which weights.
          server: how the mean becomes the next model.
          summation: how deltas are clipped and encoded.
          privacy: the mechanism and the budget.
          seed: the seed of the rotations.
          noise_seed: the seed of the server's noise, a secret: `secrets.randbits(62)`. A loaded state keeps its own seed.
          before: the number of rounds before the state began, over another model, as the privacy spent counts them: whole periods
            of differential privacy.

        Raises:
          DataError: the settings contradict each other.
        """
        self._config, self._summation, self._privacy, self._before = config, summation, privacy, before
        self._trainable = client.trainable
        length = trainable_parameters(config, client.trainable)
        self._encoding, self._noise = summation.encoding(length, privacy)
        self._rho = rho_of_round(summation, privacy, length)
        process = learning_process(
            config,
            weights,
            client,
            server,
            SecureMean(summation, privacy, seed, noise_seed),
            client_weighting=tff.learning.ClientWeighting.UNIFORM
            if privacy.private
            else tff.learning.ClientWeighting.NUM_EXAMPLES,
            metrics_aggregator=secure_metrics,
        )
        self.process = process
        self.form = tff.backends.mapreduce.get_map_reduce_form_for_computation(process.next)
        plain = (self.form.zero, self.form.accumulate, self.form.report)
        if any(len(part.type_signature.result) for part in plain):
            raise AssertionError("the compiled round sends numbers outside the secure sums")

    def initialize(self) -> ServerState:
        """Returns the state before any round."""
        return _as_mappings(self.process.initialize())

    def rounds(self, state: ServerState) -> int:
        """Returns the number of rounds up to a state, those before it began included."""
        return self._before + int(state["aggregator"]["round"])

    def weights(self, state: ServerState) -> Weights:
        """Returns the global model in a state."""
        values = state["global_model_weights"]
        named = named_weights(self._config, values["trainable"], values["non_trainable"], self._trainable)
        return {name: np.asarray(array) for name, array in named.items()}

    def prepare(self, state: ServerState) -> Broadcast:
        """Returns the weights and terms for the devices of the next round.

        Raises:
          BudgetExhaustedError: the round would exceed the privacy budget.
        """
        check_budget(self._privacy, self.rounds(state) + 1, self._rho)
        _, _, broadcast, _ = self.form.prepare(state)
        terms = Terms(
            length=self._encoding.length,
            clipping_norm=float(broadcast["clipping_norm"]),
            max_weight=self._encoding.max_weight,
            cohort=self._encoding.cohort,
            bits=self._encoding.bits,
            seed=int(broadcast["seed"]),
            estimate=float(broadcast["estimate"]),
            zeroing_norm=float(broadcast["zeroing_norm"]),
            zeroing_estimate=float(broadcast["zeroing_estimate"]),
            noise_stddev=self._noise,
            private=self._privacy.private,
        )
        return Broadcast(self.weights(state), terms)

    def update(
        self, state: ServerState, summed: tuple[Vector, Vector], devices: int | None = None
    ) -> tuple[ServerState, dict[str, float]]:
        """Returns the next state, and the round's metrics.

        Metrics are `devices`, `words`, `loss` (mean over words during training), `clipping_norm`, `update_norm` (of the step
        from model to model), and, where devices report them, recall on the `tested` words that they hold back: `top1` and
        `top3` of the model that the round began with, `top1_after` and `top3_after` of the model after each device's own
        training.

        Args:
          state: the present state.
          summed: the sums of the devices' contributions, values of `Terms.layout`.
          devices: the number of devices in the sums, as the coordinator counts them; by default, the devices' own count.

        Raises:
          DataError: the sums do not fit the round's terms, or are over more or fewer devices than the settings allow.
          ImplausibleSumError: honest devices cannot have such sums.
        """
        delta, counted = summed
        devices = counts_of(counted)["devices"] if devices is None else devices
        least, most = self._summation.least(self._privacy), self._summation.cohort
        if not least <= devices <= most:
            raise DataError(f"{devices} devices are in this sum, but the settings allow {least} to {most}")
        counts = check_sum(self._encoding, self._noise, self._privacy.private, summed, devices)
        learned = np.array([counts["loss"], counts["words"]], np.int64)
        needed = np.array([counts[name] for name in ("devices", "weight", "side", "zeroing_side")], np.int64)
        sums = OrderedDict(delta=delta.astype(np.int32), counts=needed)
        output = _as_mappings(self.form.update(state, ((), (), (), (learned, sums))))
        before, after = self.weights(state), self.weights(output["state"])
        clipping_norm = float(output["metrics"]["aggregator"]["clipping_norm"])
        metrics: dict[str, float] = {"devices": counts["devices"], "clipping_norm": clipping_norm}
        metrics["update_norm"] = float(np.sqrt(sum(float(np.sum((after[n] - before[n]) ** 2)) for n in after)))
        if counts["words"]:
            metrics |= {"words": counts["words"], "loss": counts["loss"] / LOSS_STEPS / counts["words"]}
        return output["state"], metrics | recall_of(counts)

    def spent(self, state: ServerState, unmasked: int = 0) -> Spent:
        """Returns the privacy that all rounds have spent.

        Args:
          state: the present state.
          unmasked: the number of the newest round whose sum was unmasked, even if it made no model; 0 if there is none.
        """
        return spent(self._privacy, rounds_spent(self.rounds(state), unmasked), self._rho)

    def save(self, state: ServerState, folder: Path) -> None:
        """Saves a state in a folder, in place of the one before."""
        StateStore(folder).save(self.rounds(state), state)

    def load(self, folder: Path) -> ServerState:
        """Returns the state saved in a folder, or the state before any round if there is none."""
        state, _ = StateStore(folder).latest(self.initialize())
        return state


def _as_mappings(value: TffValue) -> TffValue:
    """Returns a TFF value with its named parts as mappings, which is how `MapReduceForm` takes and returns them."""
    if attrs.has(type(value)):
        value = attrs.asdict(value, recurse=False)
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return OrderedDict((name, _as_mappings(part)) for name, part in value.items())
    return tuple(map(_as_mappings, value)) if isinstance(value, tuple | list) else value
