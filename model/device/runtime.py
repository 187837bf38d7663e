"""The model's program on a device: arrays in, arrays out, without TensorFlow."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.allocator import release_memory
from data.errors import DataError
from data.vocabulary import PAD
from model.device import litert
from model.device.config import ModelConfig
from model.device.network import Network, State, step
from model.device.sampling import Candidates
from model.device.trainable import trainable_shapes
from model.device.weights import Weights, check_weights

_SIGNATURES = ("train", "evaluate", "step", "get_weights", "set_weights")
_BY_WORD = ("embedding", "output_bias")  # the weights with a row for each word
# The bias of a row without a word. Its share of every softmax is exactly zero, and so are its gradients, and it is below every
# target. It is far enough from the lowest float32 that no difference of two logits overflows.
_MASKED = np.float32(-1e38)


class Evaluation(NamedTuple):
    """The log-probability of each target in nats, float32 [B, T], and its rank, int32 [B, T]; the top word has rank 0."""

    log_likelihood: NDArray[np.float32]
    rank: NDArray[np.int32]


class Program(Network):
    """A network that learns: a LiteRT program with its weights. It is not thread-safe.

    A program may have been built for more words than the vocabulary has (`rows`). The rows beyond the vocabulary are masked: they
    have no probability, rank or gradient, and no array that this class takes or returns has them.

    The weights are arrays of this object, with which `step` computes (`Network`). LiteRT runs `train` and `evaluate` on variables
    of an interpreter, which are filled from the arrays when they are needed, and `learn` on the arrays themselves, of which each
    step changes only the rows that it touches.

    An interpreter keeps the memory that its signatures have needed, tens of MB for a training step at full size. A call of
    another signature than the last one therefore goes to a new interpreter, which takes about 50 ms, and a step gives up an
    interpreter that has trained or evaluated.

    `candidates` is the number of words in a step of `learn`, at most the vocabulary; None for an older program, which lacks that
    signature. An older program cannot train a part of its weights either: `trains_parts` is then False.
    """

    def __init__(self, content: bytes, config: ModelConfig, weights: Weights, threads: int = 1) -> None:
        """Loads a program, the content of a `program.tflite`.

        Raises:
          DataError: `content` is not a LiteRT program, was built for other sizes or for fewer words, or the weights do not fit the
            configuration.
        """
        super().__init__(config, weights)
        self._content, self._threads = content, threads
        self._own = False  # whether nothing else refers to the arrays of `_weights` that `learn` changes in place
        interpreter = _started(content, threads)
        self._interpreter: litert.Interpreter | None = interpreter
        self._filled = False  # whether its variables hold the current weights
        self._signature: str | None = None  # the only one that it has run, besides those for its variables
        self.rows = _rows(interpreter, config)
        # The value is unused: LiteRT's Java library refuses to run a signature without inputs.
        to_get = interpreter.inputs("get_weights")
        self._to_get = {name: np.zeros(shape, np.float32) for name, shape in to_get.items()}
        self.trains_parts = "trained" in interpreter.inputs("train")
        self._places = _count_candidates(interpreter)
        self.candidates = None if self._places is None else min(self._places, config.vocabulary)

    def _arrays(self) -> Weights:
        """Returns the current weights, without a copy."""
        if not self._weights and self._interpreter is not None:
            arrays = self._interpreter.run("get_weights", self._to_get)
            shapes = self.config.shapes
            self._weights = {name: np.ascontiguousarray(arrays[name][: shape[0]]) for name, shape in shapes.items()}
            self._own = True
        return self._weights

    def release(self) -> None:
        """Gives up the interpreter and its memory; the next training or evaluation starts another one."""
        self._arrays()
        self._interpreter, self._filled, self._signature = None, False, None
        release_memory()

    def _interpreter_for(self, signature: str, filled: bool) -> litert.Interpreter:
        """Returns an interpreter that has run no other signature, its variables filled with the weights or empty."""
        if self._signature not in (None, signature):
            self.release()
        if self._interpreter is None:
            self._interpreter = litert.start(self._content, self._threads)
        if filled and not self._filled:
            self._interpreter.run("set_weights", _masked(self._arrays(), self.rows))
            self._filled = True
        self._signature = signature
        return self._interpreter

    @property
    def weights(self) -> Weights:
        """The current weights, which later training leaves as they are. Assigning replaces all of them.

        The arrays that are returned or assigned are shared with the program, which saves their memory: do not change them.
        """
        self._own = False
        return dict(self._arrays())

    @weights.setter
    def weights(self, weights: Weights) -> None:
        check_weights(weights, self.config)
        self._weights, self._own, self._filled = weights, False, False

    def step(self, token: int, state: State) -> tuple[NDArray[np.float32], State]:
        """Reads one token; returns the logits of the next word, float32 [V], and the new state of one row."""
        if self._signature is not None:
            self.release()
        return step(self._arrays(), token, state)

    def train(
        self, rows: NDArray[np.int32], learning_rate: float, clipping_norm: float, trainable: str = "all"
    ) -> float:
        """Takes one SGD step with gradients clipped to a global norm; returns the mean loss before the step, in nats.

        `rows` has shape [n, T + 1], with n at most the batch size of the program; padding fills the rest of the batch. Only the
        trainable part of the weights (`model.device.trainable`) changes.

        Raises:
          DataError: the program is an older one, which cannot train that part.
        """
        settings = self._settings(learning_rate, clipping_norm, trainable)
        batch = _shifted(self._full_batch(rows)) | settings
        result = self._interpreter_for("train", filled=True).run("train", batch)
        self._weights = {}
        return float(result["loss"])

    def learn(
        self,
        rows: NDArray[np.int32],
        candidates: Candidates,
        learning_rate: float,
        clipping_norm: float,
        trainable: str = "all",
    ) -> float:
        """Takes the step of `train` with a softmax over the candidates only; returns the mean loss, in nats.

        In the embedding and the output bias, only the rows of the candidates change.

        Raises:
          ValueError: the program lacks this signature, or there are more candidates than it takes.
        """
        if self._places is None or len(candidates.words) > self._places:
            raise ValueError(f"this program takes {self._places} candidates, not {len(candidates.words)}")
        settings = self._settings(learning_rate, clipping_norm, trainable)
        interpreter = self._interpreter_for("learn", filled=False)  # the weights are inputs of this signature
        if not self._own:
            arrays = self._arrays().items()
            self._weights = {name: array.copy() if name in _BY_WORD else array for name, array in arrays}
            self._own = True
        weights, words = self._arrays(), candidates.words
        small = weights | {
            "embedding": weights["embedding"][words],
            "output_bias": weights["output_bias"][words] + candidates.shift,
        }
        batch = _shifted(candidates.places(self._full_batch(rows)))
        small = _masked(small, self._places)
        result = interpreter.run("learn", batch | settings | small)
        weights["embedding"][words] = result["embedding"][: len(words)]
        weights["output_bias"][words] = result["output_bias"][: len(words)] - candidates.shift
        weights |= {name: result[name] for name in weights if name not in _BY_WORD}
        return float(result["loss"])

    def _settings(self, learning_rate: float, clipping_norm: float, trainable: str) -> dict[str, NDArray[np.float32]]:
        settings = {
            "learning_rate": np.array(learning_rate, np.float32),
            "clipping_norm": np.array(clipping_norm, np.float32),
        }
        if self.trains_parts:
            chosen = trainable_shapes(self.config, trainable)
            settings["trained"] = np.array([name in chosen for name in self.config.shapes], np.float32)
        elif trainable != "all":
            raise DataError(
                f"the program of this model cannot train the {trainable} alone: build a new one with federate export"
            )
        return settings

    def _full_batch(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        full = np.full((self.config.batch, self.config.window + 1), PAD, np.int32)
        full[: len(rows)] = rows
        return full

    def evaluate(self, rows: NDArray[np.int32], state: State) -> tuple[Evaluation, State]:
        """Scores the targets of `rows`, [B, T + 1], from the initial state of each row; returns the final states too."""
        result = self._interpreter_for("evaluate", filled=True).run("evaluate", _shifted(rows) | state._asdict())
        shape = (self.config.batch, self.config.window)
        evaluation = Evaluation(result["log_likelihood"].reshape(shape), result["rank"].reshape(shape))
        return evaluation, State(result["hidden"], result["cell"])


def _count_candidates(interpreter: litert.Interpreter) -> int | None:
    """Returns the number of rows of a step of `learn`, or None for an older program."""
    try:
        return interpreter.inputs("learn")["output_bias"][0]
    except (ValueError, RuntimeError):
        return None


def check_fits(content: bytes, config: ModelConfig) -> None:
    """Checks that a program, the content of a `program.tflite`, can run a model of these sizes.

    Raises:
      DataError: it is not a LiteRT program, or was built for other sizes or for fewer words.
    """
    _rows(_started(content, threads=1), config)


def _started(content: bytes, threads: int) -> litert.Interpreter:
    try:
        interpreter = litert.start(content, threads)
        for name in _SIGNATURES:
            interpreter.inputs(name)
    except (ValueError, RuntimeError) as error:
        raise DataError("the program is damaged or of another project: get a fresh copy of the model") from error
    return interpreter


def _rows(interpreter: litert.Interpreter, config: ModelConfig) -> int:
    """Returns the number of words that a program was built for.

    Raises:
      DataError: it does not fit a model of these sizes.
    """
    shapes = interpreter.inputs("set_weights") | {"rows": interpreter.inputs("train").get("tokens", ())}
    rows = max((shapes.get("output_bias") or (0,))[0], config.vocabulary)
    needed = replace(config, vocabulary=rows).shapes | {"rows": (config.batch, config.window)}
    for name, expected in needed.items():
        if (found := shapes.get(name)) != expected:
            raise DataError(f"the program was built for {name} of shape {found}, but the weights need {expected}")
    return rows


def _masked(weights: Weights, rows: int) -> Weights:
    """Returns the weights with this number of rows for words; those that are added are masked."""
    missing = rows - len(weights["output_bias"])
    if not missing:
        return weights
    return weights | {
        "embedding": np.pad(weights["embedding"], ((0, missing), (0, 0))),
        "output_bias": np.pad(weights["output_bias"], (0, missing), constant_values=_MASKED),
    }


def _shifted(rows: NDArray[np.int32]) -> dict[str, NDArray[np.int32]]:
    """Returns the inputs, each row without its last token, and the targets, each row without its first."""
    return {"tokens": np.ascontiguousarray(rows[:, :-1]), "targets": np.ascontiguousarray(rows[:, 1:])}
