"""The server's half of a real round: TFF's learning process, taken apart at its secure sums.

`federation.aggregation.algorithms` and `federation.aggregation.secure_mean` compose a round; TFF compiles it to the form that a deployment runs,
`MapReduceForm`:

- `prepare` makes of the server's state what devices are told: here the global weights and the round's `Terms`;
- `work` is what a device does, here LiteRT's training and `Terms.contribution` (a test holds both to the same integers);
- the sums of what devices send come from secure aggregation, and are all that
- `update` makes the next state of.

Nothing else crosses: the plain aggregation that the form has beside the secure sums is empty, which is checked.
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
from federation.aggregation.accounting import Spent, check_budget, rho_of_round, rounds_spent, spent
from federation.aggregation.algorithms import Server, learning_process
from federation.aggregation.privacy import Privacy
from federation.aggregation.secure_mean import SecureMean, secure_metrics
from federation.aggregation.sum_check import check_sum
from federation.aggregation.sum_settings import SumSettings
from federation.engine.state_store import StateStore
from federation.protocol.round_terms import LOSS_STEPS, Terms, counts_of, recall_of
from federation.protocol.secure_aggregation.modular_vectors import Vector
from model.device.config import ModelConfig, parameters
from model.device.learning.finetuning import FineTuning
from model.device.weights import Weights


@dataclass(frozen=True)
class Broadcast:
    """What a round's devices are told: the weights to train, and the terms on which they give what they learned."""

    weights: Weights
    terms: Terms


class ServerProcess:
    """Turns sums into models. Needs an `engine`; its state is handed in and out, and can be stored.

    A round: `prepare`, then devices, then `update`; or neither, if the round is aborted: the state stays, and the next attempt has
    the same terms.
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
    ) -> None:
        """Composes and compiles the process, in seconds.

        Args:
          config: the model's sizes.
          weights: those of the first round.
          client: how devices train.
          server: how the mean becomes the next model.
          summation: how deltas are bounded and encoded.
          privacy: the mechanism and the budget.
          seed: of the rotations.
          noise_seed: of the server's noise: `secrets.randbits(62)`, kept to oneself. A restored state has its own.

        Raises:
          DataError: the settings contradict each other.
        """
        self._config, self._summation, self._privacy = config, summation, privacy
        length = parameters(config)
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
            raise AssertionError("a number would leave the devices outside the secure sums")

    def initialize(self) -> Any:
        """The state before any round."""
        return _as_mappings(self.process.initialize())

    def rounds(self, state: Any) -> int:
        """How many rounds made this state."""
        return int(state["aggregator"]["round"])

    def weights(self, state: Any) -> Weights:
        """The global model in a state."""
        arrays = state["global_model_weights"]["trainable"]
        return {name: np.asarray(array) for name, array in zip(self._config.shapes, arrays, strict=True)}

    def prepare(self, state: Any) -> Broadcast:
        """What the devices of the next round are told.

        Raises:
          BudgetExhausted: the round would spend more privacy than was allowed.
        """
        check_budget(self._privacy, self.rounds(state) + 1, self._rho)
        _, _, told, _ = self.form.prepare(state)
        terms = Terms(
            length=self._encoding.length,
            clipping_norm=float(told["clipping_norm"]),
            max_weight=self._encoding.max_weight,
            cohort=self._encoding.cohort,
            bits=self._encoding.bits,
            seed=int(told["seed"]),
            estimate=float(told["estimate"]),
            zeroing_norm=float(told["zeroing_norm"]),
            zeroing_estimate=float(told["zeroing_estimate"]),
            noise_stddev=self._noise,
            private=self._privacy.private,
        )
        return Broadcast(self.weights(state), terms)

    def update(
        self, state: Any, summed: tuple[Vector, Vector], devices: int | None = None
    ) -> tuple[Any, dict[str, float]]:
        """The next state, from the sums of what devices sent (values of `Terms.layout`), and what is known of the round.

        `devices` is how many are in the sums, as whoever summed them knows; without it, it is what they say themselves.

        Metrics: `devices`, `words`, `loss` (mean over words as trained), `clipping_norm`, `update_norm` (of the step from model to
        model); and, as far as devices report them, recall on the `tested` words that they hold back: `top1` and `top3` of the
        model that the round began with, `top1_after` and `top3_after` of what each device's own training made of it. Privacy spent
        is `spent`'s.

        Raises:
          DataError: the sums are not of the round's terms, or more or fewer devices are in them than the settings allow.
          SpoiltSum: devices that follow the protocol do not have such sums.
        """
        delta, counted = summed
        devices = counts_of(counted)["devices"] if devices is None else devices
        least, most = self._summation.least(self._privacy), self._summation.cohort
        if not least <= devices <= most:
            raise DataError(f"{devices} devices are in this sum, which is for {least} to {most}")
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

    def spent(self, state: Any, unmasked: int = 0) -> Spent:
        """The privacy that all rounds so far have spent, and any up to the place `unmasked` whose sum made no model."""
        return spent(self._privacy, rounds_spent(self.rounds(state), unmasked), self._rho)

    def save(self, state: Any, folder: Path) -> None:
        """Keeps a state on disk, in place of the one before."""
        StateStore(folder).save(self.rounds(state), state)

    def load(self, folder: Path) -> Any:
        """The state that was saved; the first where none was."""
        state, _ = StateStore(folder).latest(self.initialize())
        return state


def _as_mappings(value: Any) -> Any:
    """A value of TFF with its named parts as mappings, as `MapReduceForm` hands them out and no other container does."""
    if attrs.has(type(value)):
        value = attrs.asdict(value, recurse=False)
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return OrderedDict((name, _as_mappings(part)) for name, part in value.items())
    return tuple(map(_as_mappings, value)) if isinstance(value, tuple | list) else value
