"""The growth of costs with the clients in a round, the vocabulary, the LSTM units, and a person's history, next to theory.

In theory, training costs the floating-point operations of the matrix products, three times those of prediction (once forward,
twice for the gradients). A round, and a person's history, cost in proportion to words. The theoretical line goes through the
measurement at today's size.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from data.corpus import Part, open_corpus
from federation.aggregation.algorithms import learning_process
from federation.aggregation.server_settings import Server
from federation.benchmarks.loads.cohort import Cohort, cohorts
from federation.benchmarks.measuring import Benchmark, Figure, in_turn
from federation.benchmarks.simulation import PlainLoop, TffRounds, seconds_of
from federation.engine.local import engine
from model.device.config import ModelConfig
from model.device.folder import Model, load_model
from model.device.learning.finetuning import ROUND_TRAINING, FineTuning, finetune
from model.device.weights import initial_weights

_CLIENTS = (2, 5, 10, 20, 40)
_CLIENT_WORDS = 500
_FACTORS = (0.25, 0.5, 1, 2, 4)  # multiples of today's sizes
_HISTORY_WORDS = 8_000
_HISTORY_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
_STEPS = 5  # training steps that are timed together


@dataclass(frozen=True)
class Panel:
    """The data of one plot: cost by size, measured and in theory."""

    name: str
    title: str
    size: str  # the axis label of the sizes
    sizes: Sequence[float]
    seconds: Mapping[str, Sequence[float]]  # `median`, `lowest` and `highest` for each size
    theory: Sequence[float]  # seconds for each size
    law: str  # the label of the theoretical line

    def as_json(self) -> dict[str, Any]:
        """Returns the panel for the result's details."""
        return asdict(self)


def training_flops(config: ModelConfig) -> float:
    """Returns the floating-point operations of the matrix products in training on one position."""
    gates = 3 * config.units * config.embedding  # needed twice: for the word, and for the state
    return 3 * 2 * (2 * gates + config.units * config.embedding + config.vocabulary * config.embedding)


def measure_growth(
    folder: Path, corpus: str, max_words: int, repeats: int = 5, factors: Sequence[float] = _FACTORS
) -> Benchmark:
    """Measures costs at the sizes of the model in `folder` times each of these factors, one of which is 1.

    Raises:
      DataError: no user of the corpus wrote enough words.
    """
    model = load_model(folder)
    config = model.provenance.config
    crowd = cohorts(model, corpus, max(_CLIENTS), min(max_words, _CLIENT_WORDS), 1)[0]
    vocabularies = [replace(config, vocabulary=int(config.vocabulary * f)) for f in factors]
    units = [replace(config, units=int(config.units * f)) for f in factors]
    found = [
        _clients(model, crowd, repeats),
        _steps(
            "vocabulary",
            "words in the vocabulary",
            [c.vocabulary for c in vocabularies],
            vocabularies,
            factors.index(1),
            repeats,
        ),
        _steps("units", "LSTM units", [c.units for c in units], units, factors.index(1), repeats),
        _history(model, corpus, repeats),
    ]
    figures = []
    for panel, today, taken in found:
        grown = panel.theory[-1] / panel.theory[today]
        over = [turn[-1] / turn[today] / grown for turn in taken]
        largest = f"{panel.sizes[-1]:,.0f} {panel.size}"
        figures.append(Figure(panel.name, f"{panel.title}: {largest}", "s", [turn[-1] for turn in taken]))
        figures.append(
            Figure(f"{panel.name}_to_theory", f"its growth from {panel.sizes[today]:,.0f} over theory's", "", over)
        )
    panels = [panel.as_json() for panel, _, _ in found]
    return Benchmark("growth", "How costs grow", figures, {"panels": panels})


_Found = tuple[Panel, int, list[list[float]]]  # the panel, the index of today's size, and the seconds by turn and size


def _panel(
    name: str, title: str, size: str, law: str, measures: Mapping[int, Callable[[], float]],
    costs: Sequence[float], today: int, repeats: int,
) -> _Found:  # fmt: skip
    taken = in_turn({str(place): measure for place, measure in enumerate(measures.values())}, repeats)
    by_size = list(taken.values())
    seconds = {
        "median": [median(s) for s in by_size],
        "lowest": [min(s) for s in by_size],
        "highest": [max(s) for s in by_size],
    }
    theory = [seconds["median"][today] * cost / costs[today] for cost in costs]
    panel = Panel(name, title, size, list(measures), seconds, theory, law)
    return panel, today, [list(turn) for turn in zip(*by_size, strict=True)]


def _clients(model: Model, crowd: Cohort, repeats: int) -> _Found:
    """Measures rounds in TFF over growing numbers of a cohort's clients."""
    counts = sorted({min(count, len(crowd.rows)) for count in _CLIENTS})
    parts = [replace(crowd, rows=crowd.rows[:count]) for count in counts]
    config = model.provenance.config
    with engine():
        system = TffRounds(config, learning_process(config, model.weights, ROUND_TRAINING, Server()))
        measures = {n: partial(seconds_of, system, part) for n, part in zip(counts, parts, strict=True)}
        title = "A simulated round"
        return _panel(
            "clients", title, "clients", "in proportion to their words", measures,
            [part.words for part in parts], len(counts) // 2, repeats,
        )  # fmt: skip


def _steps(
    name: str, size: str, sizes: Sequence[int], configs: Sequence[ModelConfig], today: int, repeats: int
) -> _Found:
    """Measures training steps of models with random weights in TensorFlow."""
    rng = np.random.default_rng(0)

    def measure(config: ModelConfig) -> Callable[[], float]:
        loop = PlainLoop(config, initial_weights(config, seed=0), ROUND_TRAINING)
        rows = rng.integers(3, config.vocabulary, (config.batch * _STEPS, config.window + 1)).astype(np.int32)
        return lambda: seconds_of(loop, Cohort([rows], config)) / _STEPS

    measures = {size: measure(config) for size, config in zip(sizes, configs, strict=True)}
    costs = [training_flops(config) for config in configs]
    title = f"A training step of {configs[0].batch} × {configs[0].window} positions"
    return _panel(name, title, size, "in proportion to FLOPs", measures, costs, today, repeats)


def _history(model: Model, corpus: str, repeats: int) -> _Found:
    """Measures fine-tuning on the device with the newest words of the most prolific training user."""
    part = Part(open_corpus(corpus), "train")
    messages = max(
        ([model.vocabulary.encode(text) for text in part.messages(user)] for user in part.users()),
        key=lambda encoded: sum(map(len, encoded)),
    )
    most = min(_HISTORY_WORDS, sum(map(len, messages)))
    program = model.start()

    def measure(how: FineTuning) -> Callable[[], float]:
        def once() -> float:
            program.weights = model.weights
            began = time.perf_counter()
            for _ in finetune(program, messages, how, np.random.default_rng(0)):
                pass
            return time.perf_counter() - began

        return once

    words = [int(most * share) for share in _HISTORY_SHARES]
    measures = {count: measure(FineTuning(max_words=count)) for count in words}
    title = f"Learning on the device, {FineTuning.passes} passes"
    law = f"in proportion to words, constant beyond {FineTuning.max_words:,}"
    return _panel("history", title, "words typed", law, measures, words, len(words) - 2, repeats)
