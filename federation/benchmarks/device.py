"""The benchmark of the device without a window: latency, start-up time, learning speed, memory."""

import json
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from data.corpus import ChitChat, users_in
from data.tokenizer import tokenize
from federation.benchmarks.learning import measure_learning
from federation.benchmarks.measuring import Benchmark, Figure, output, ratio_figure
from federation.keyboards import keyboard
from model.device import litert
from model.device.folder import Model, load_model
from model.device.learning.finetuning import FineTuning
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester

TYPED_WORDS = 2_000
_CALLS = 1_000
_WARM_UP = 100  # calls

# A new interpreter times itself from its first line: imports, loading, the first suggestion.
_START = """
import sys, time
began = time.perf_counter()
from pathlib import Path
from model.device.folder import load_model
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
model = load_model(Path(sys.argv[1]))
Suggester(Reader(model.network()), model.vocabulary).suggest("how are", "")
print(time.perf_counter() - began)
"""


def measure_device(
    folder: Path, repeats: int = 5, typed_words: int = TYPED_WORDS, learned_words: int = FineTuning.max_words
) -> Benchmark:
    """Measures the model in `folder`: suggestions, steps of the network and of its program, start-up, memory, learning.

    Args:
      folder: the model's folder.
      repeats: number of measurements.
      typed_words: number of words that a keyboard types and learns from.
      learned_words: maximum number of words for the comparison of learning with TensorFlow.

    Raises:
      DataError: a keyboard failed.
    """
    model = load_model(folder)
    texts = _texts(typed_words)
    interpreter = litert.start(model.program, threads=1)
    interpreter.run("set_weights", model.weights)
    steps, program_steps, suggestions, starts, scripts = [], [], [], [], []
    for turn in range(1 + repeats):
        step, program_step, suggest = _suggesting(model, interpreter, texts)
        start = float(output([sys.executable, "-P", "-c", _START, folder]))
        typed = _typed(folder, texts)
        if turn:
            steps.append(step)
            program_steps.append(program_step)
            suggestions.append(suggest)
            starts.append(start)
            scripts.append(typed)
    learning, details = measure_learning(folder, repeats, learned_words)
    return Benchmark(
        "device",
        "The device, without a window",
        [
            Figure("step", "one step of the network", "ms", steps),
            Figure("litert_step", "one step of the LiteRT program", "ms", program_steps),
            ratio_figure("litert_to_step", "ratio of that to the network's", program_steps, steps),
            Figure("suggest", "a suggestion after a new word, including one step", "ms", suggestions),
            ratio_figure("suggest_to_step", "ratio of a suggestion to a step", suggestions, steps, "at most 1.5"),
            Figure("script_p50", "a suggestion while typing, p50", "ms", [s["suggest_ms"]["p50"] for s in scripts]),
            Figure("script_p99", "a suggestion while typing, p99", "ms", [s["suggest_ms"]["p99"] for s in scripts]),
            Figure("start", "from Python's first import to the first suggestion", "s", starts, "under 0.3"),
            Figure(
                "learning",
                "learning in a keyboard, words per second",
                "",
                [s["train_words_per_second"] for s in scripts],
            ),
            Figure(
                "memory",
                f"peak memory of a keyboard that learns from {scripts[0]['words']:,} words",
                "MiB",
                [s["peak_memory_mb"] for s in scripts],
                "under 150",
            ),
            *learning,
        ],
        details,
    )


def _texts(words: int) -> list[str]:
    """Returns the first messages of validation users that hold `words` words in all."""
    corpus, texts = ChitChat(), []
    for user in users_in(corpus, "validation"):
        for text in corpus.messages(user):
            texts.append(" ".join(text.split()))
            words -= len(tokenize(text))
            if words <= 0:
                return texts
    return texts


def _typed(folder: Path, texts: list[str]) -> dict[str, Any]:
    """Runs a new keyboard that types these texts from a script and learns from them; returns its report."""
    with TemporaryDirectory() as temporary:
        script = Path(temporary) / "script.txt"
        script.write_text("\n".join(texts), "utf-8")
        command = keyboard("--script", script, "--profile", Path(temporary) / "profile", "--model", folder, "--json")
        return json.loads(output(command).splitlines()[-1])


def _suggesting(model: Model, interpreter: litert.Interpreter, texts: list[str]) -> tuple[float, float, float]:
    """Returns the median ms of a step of the network, of one by LiteRT, and of a suggestion after one more word, in turn."""
    network = model.network()
    suggester = Suggester(Reader(network), model.vocabulary)
    state = network.initial_state(1)
    inputs = {"token": np.array([5], np.int32), **state._asdict()}
    contexts = [text[: token.start] for text in texts for token in tokenize(text)][: _WARM_UP + _CALLS]
    times = []
    for context in contexts:
        began = time.perf_counter()
        _, state = network.step(5, state)
        stepped = time.perf_counter()
        interpreter.run("step", inputs)
        between = time.perf_counter()
        suggester.suggest(context)
        times.append((stepped - began, between - stepped, time.perf_counter() - between))
    step, program_step, suggest = (
        1e3 * statistics.median(column) for column in zip(*times[min(_WARM_UP, len(times) // 2) :], strict=True)
    )
    return step, program_step, suggest
