"""The model's program as it runs on a device: arrays in, arrays out, no TensorFlow."""

from typing import NamedTuple

import numpy as np

from data.errors import DataError
from data.vocabulary import PAD
from model.device import litert
from model.device.config import ModelConfig
from model.device.learning.sampling import Candidates
from model.device.weights import Weights, check_weights

_SIGNATURES = ("train", "evaluate", "step", "get_weights", "set_weights")


class State(NamedTuple):
    """What the network remembers: `hidden` [B, E] and `cell` [B, H], float32."""

    hidden: np.ndarray
    cell: np.ndarray


class Evaluation(NamedTuple):
    """What the model thought of each target, [B, T]: its log-probability in nats and how many words it put before it."""

    log_likelihood: np.ndarray
    rank: np.ndarray


class Program:
    """A program with weights in it. Not for two threads at once: whoever learns beside typing opens a second one.

    An interpreter keeps the memory that its signatures needed once, tens of MB for a training step of the full size. So where
    another signature is run than the last, a fresh interpreter takes the weights over, in some 50 ms. While it learns (`learn`)
    the weights are no part of the interpreter but arrays here, of which each step changes what it touches.

    `candidates` is how many words a step of `learn` takes; None where the program is of a time before there was one.
    """

    def __init__(self, content: bytes, config: ModelConfig, weights: Weights, threads: int = 1) -> None:
        """Loads a program, the contents of a `program.tflite`, and fills its variables.

        Raises:
          DataError: it is no LiteRT program, or was built for other sizes; or the weights do not check.
        """
        self.config = config
        self._content, self._threads = content, threads
        self._signature: str | None = None  # that the interpreter has run
        self._given: Weights | None = None  # what the variables hold, until it trains
        self._held: Weights | None = None  # while it learns; no one else's arrays
        try:
            self._interpreter = litert.start(content, threads)
            inputs = {name: self._interpreter.inputs(name) for name in _SIGNATURES}
        except (ValueError, RuntimeError) as error:
            raise DataError("the program is damaged or of another project: get a fresh copy of the model") from error
        # Whatever it takes counts for nothing: it takes something because LiteRT's Java library runs no signature without.
        self._to_get = {name: np.zeros(shape, np.float32) for name, shape in inputs["get_weights"].items()}
        shapes = inputs["set_weights"] | {"rows": inputs["train"].get("tokens")}
        for name, expected in (config.shapes | {"rows": (config.batch, config.window)}).items():
            if (found := shapes.get(name)) != expected:
                raise DataError(f"the program was built for {name} of {found} where the weights say {expected}")
        self.candidates = self._count_candidates()
        self.weights = weights

    def _count_candidates(self) -> int | None:
        try:
            return self._interpreter.inputs("learn")["output_bias"][0]
        except (ValueError, RuntimeError):
            return None

    def _run(self, signature: str, arrays: litert.Arrays) -> dict[str, np.ndarray]:
        if self._held is not None or self._signature not in (None, signature):
            weights = self._held or self._given or self.weights
            self._start()
            self._fill(weights)
        self._signature = signature
        return self._interpreter.run(signature, arrays)

    def _start(self) -> None:
        del self._interpreter  # before there is another
        self._interpreter = litert.start(self._content, self._threads)
        self._signature = None

    def _fill(self, weights: Weights) -> None:
        self._interpreter.run("set_weights", weights)
        self._given, self._held = weights, None

    @property
    def weights(self) -> Weights:
        """Copies of the weights as they are now; assigning replaces them all by arrays that are not to be changed any more."""
        known = self._held or self._given
        if known is not None:
            return {name: array.copy() for name, array in known.items()}
        arrays = self._interpreter.run("get_weights", self._to_get)
        return {name: np.ascontiguousarray(arrays[name]) for name in self.config.shapes}

    @weights.setter
    def weights(self, weights: Weights) -> None:
        check_weights(weights, self.config)
        if self._held is not None:
            self._held = None
            self._start()
        self._fill(weights)

    def initial_state(self, rows: int) -> State:
        """The state before any message."""
        return State(
            np.zeros((rows, self.config.embedding), np.float32), np.zeros((rows, self.config.units), np.float32)
        )

    def step(self, token: int, state: State) -> tuple[np.ndarray, State]:
        """Reads one token; returns the logits of the next word, [V] float32, and the new state, of one row."""
        result = self._run("step", {"token": np.array([token], np.int32), **state._asdict()})
        return result["logits"][0], State(result["hidden"], result["cell"])

    def train(self, rows: np.ndarray, learning_rate: float, clipping_norm: float) -> float:
        """One step of SGD with gradients clipped to a global norm; returns the mean loss before it, in nats.

        `rows` is [n, T + 1] with n at most the program's batch; rows that are missing count nothing.
        """
        result = self._run("train", _shifted(self._filled(rows)) | _settings(learning_rate, clipping_norm))
        self._given = None
        return float(result["loss"])

    def learn(self, rows: np.ndarray, candidates: Candidates, learning_rate: float, clipping_norm: float) -> float:
        """A step as `train` takes it, with the softmax over so many candidates alone; returns the mean loss, in nats.

        Only the rows of the candidates in the embedding change, and only their biases.
        """
        if self._held is None:
            weights, self._given = self.weights, None
            self._start()  # an empty one: this signature takes what it needs
            self._held = weights
        weights, words = self._held, candidates.words
        small = weights | {
            "embedding": weights["embedding"][words],
            "output_bias": weights["output_bias"][words] + candidates.shift,
        }
        batch = _shifted(candidates.places(self._filled(rows)))
        result = self._interpreter.run("learn", batch | _settings(learning_rate, clipping_norm) | small)
        weights["embedding"][words] = result["embedding"]
        weights["output_bias"][words] = result["output_bias"] - candidates.shift
        weights |= {name: result[name] for name in weights if name not in ("embedding", "output_bias")}
        return float(result["loss"])

    def _filled(self, rows: np.ndarray) -> np.ndarray:
        full = np.full((self.config.batch, self.config.window + 1), PAD, np.int32)
        full[: len(rows)] = rows
        return full

    def evaluate(self, rows: np.ndarray, state: State) -> tuple[Evaluation, State]:
        """Scores the targets of `rows`, [B, T + 1], given the state each row starts with; returns the state they end with."""
        result = self._run("evaluate", _shifted(rows) | state._asdict())
        shape = (self.config.batch, self.config.window)
        evaluation = Evaluation(result["log_likelihood"].reshape(shape), result["rank"].reshape(shape))
        return evaluation, State(result["hidden"], result["cell"])


def _shifted(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Each row without its last token, and the targets: without its first."""
    return {"tokens": np.ascontiguousarray(rows[:, :-1]), "targets": np.ascontiguousarray(rows[:, 1:])}


def _settings(learning_rate: float, clipping_norm: float) -> dict[str, np.ndarray]:
    return {
        "learning_rate": np.array(learning_rate, np.float32),
        "clipping_norm": np.array(clipping_norm, np.float32),
    }
