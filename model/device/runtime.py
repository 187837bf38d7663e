"""The model's program as it runs on a device: LiteRT, arrays in, arrays out, no TensorFlow."""

from typing import Any, NamedTuple

import numpy as np

from data.errors import DataError
from data.vocabulary import PAD
from model.device.config import ModelConfig
from model.device.weights import Weights, check_weights

try:
    from ai_edge_litert.interpreter import Interpreter
except ModuleNotFoundError:  # a phone build may bring the older name of the same runtime
    from tflite_runtime.interpreter import Interpreter


class State(NamedTuple):
    """What the network remembers: `hidden` [B, E] and `cell` [B, H], float32."""

    hidden: np.ndarray
    cell: np.ndarray


class Evaluation(NamedTuple):
    """What the model thought of each target, [B, T]: its log-probability in nats and how many words it put before it."""

    log_likelihood: np.ndarray
    rank: np.ndarray


class Program:
    """A program with weights in it. Not for two threads at once: whoever learns beside typing opens a second one."""

    def __init__(self, content: bytes, config: ModelConfig, weights: Weights, threads: int = 1) -> None:
        """Loads a program, the contents of a `program.tflite`, and fills its variables.

        Raises:
          DataError: it is no LiteRT program, or was built for other sizes; or the weights do not check.
        """
        self.config = config
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._train, self._evaluate, self._step, self._get, self._set = (
                self._interpreter.get_signature_runner(name)
                for name in ("train", "evaluate", "step", "get_weights", "set_weights")
            )
        except (ValueError, RuntimeError) as error:
            raise DataError("the program is damaged or of another project: get a fresh copy of the model") from error
        inputs = self._set.get_input_details() | {"rows": self._train.get_input_details()["tokens"]}
        for name, expected in (config.shapes | {"rows": (config.batch, config.window)}).items():
            if (found := tuple(inputs[name]["shape"]) if name in inputs else None) != expected:
                raise DataError(f"the program was built for {name} of {found} where the weights say {expected}")
        self.weights = weights

    @property
    def weights(self) -> Weights:
        """Copies of the weights as they are now; assigning replaces them all."""
        arrays: dict[str, Any] = self._get()
        return {name: np.ascontiguousarray(arrays[name]) for name in self.config.shapes}

    @weights.setter
    def weights(self, weights: Weights) -> None:
        check_weights(weights, self.config)
        self._set(**weights)

    def initial_state(self, rows: int) -> State:
        """The state before any message."""
        return State(
            np.zeros((rows, self.config.embedding), np.float32), np.zeros((rows, self.config.units), np.float32)
        )

    def step(self, token: int, state: State) -> tuple[np.ndarray, State]:
        """Reads one token; returns the logits of the next word, [V] float32, and the new state, of one row."""
        result = self._step(token=np.array([token], np.int32), **state._asdict())
        return result["logits"][0], State(result["hidden"], result["cell"])

    def train(self, rows: np.ndarray, learning_rate: float, clipping_norm: float) -> float:
        """One step of SGD with gradients clipped to a global norm; returns the mean loss before it, in nats.

        `rows` is [n, T + 1] with n at most the program's batch; rows that are missing count nothing.
        """
        full = np.full((self.config.batch, self.config.window + 1), PAD, np.int32)
        full[: len(rows)] = rows
        result = self._train(
            tokens=np.ascontiguousarray(full[:, :-1]),
            targets=np.ascontiguousarray(full[:, 1:]),
            learning_rate=np.float32(learning_rate),
            clipping_norm=np.float32(clipping_norm),
        )
        return float(result["loss"])

    def evaluate(self, rows: np.ndarray, state: State) -> tuple[Evaluation, State]:
        """Scores the targets of `rows`, [B, T + 1], given the state each row starts with; returns the state they end with."""
        result = self._evaluate(
            tokens=np.ascontiguousarray(rows[:, :-1]), targets=np.ascontiguousarray(rows[:, 1:]), **state._asdict()
        )
        shape = (self.config.batch, self.config.window)
        evaluation = Evaluation(result["log_likelihood"].reshape(shape), result["rank"].reshape(shape))
        return evaluation, State(result["hidden"], result["cell"])
