"""What the device's side costs: latency, start-up, learning speed, memory. It reports and asserts nothing."""

import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data.corpus import ChitChat, users_in
from data.errors import DataError
from data.tokenizer import tokenize
from federation.rounds import keyboard
from model.device.folder import Model, load_model
from model.device.suggestions import Suggester

_CALLS = 1_000
_STARTS = 5
_SCRIPT_WORDS = 2_000

# A new interpreter times itself from its first line on: imports, loading, the first suggestion.
_START = """
import sys, time
began = time.perf_counter()
from pathlib import Path
from model.device.folder import load_model
from model.device.suggestions import Suggester
model = load_model(Path(sys.argv[1]))
Suggester(model.start(), model.vocabulary).suggest("how are", "")
print(time.perf_counter() - began)
"""


def benchmark(folder: Path) -> dict[str, Any]:
    """Measures the model in `folder` on this machine; milliseconds are medians, memory is a peak resident set in MiB."""
    model = load_model(folder)
    texts = _texts(_SCRIPT_WORDS)
    step, suggest = _suggesting(model, texts)
    starts = [float(_output([sys.executable, "-P", "-c", _START, folder])) for _ in range(_STARTS + 1)]
    with TemporaryDirectory() as temporary:
        script = Path(temporary) / "script.txt"
        script.write_text("\n".join(texts), "utf-8")
        command = keyboard("--script", script, "--profile", Path(temporary) / "profile", "--model", folder, "--json")
        typed = json.loads(_output(command).splitlines()[-1])
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "step_ms": step,
        "suggest_ms": suggest,
        "suggest_to_step": suggest / step,
        "start_to_first_suggestion_s": statistics.median(starts[1:]),
        "script_words": typed["words"],
        "script_suggest_p50_ms": typed["suggest_ms"]["p50"],
        "script_suggest_p99_ms": typed["suggest_ms"]["p99"],
        "train_words_per_second": typed["train_words_per_second"],
        "peak_memory_mb": typed["peak_memory_mb"],
    }


def benchmark_keyboard(folder: Path, presses: int) -> dict[str, Any]:
    """Measures a real window with the model in `folder`, which needs a display: so many keys idle, as many while it learns."""
    command = keyboard("benchmark", "--model", folder, "--presses", str(presses), "--json")
    return json.loads(_output(command).splitlines()[-1])


def _texts(words: int) -> list[str]:
    """Messages of one validation user, as many as hold so many words."""
    corpus, texts = ChitChat(), []
    for user in users_in(corpus, "validation"):
        for text in corpus.messages(user):
            texts.append(" ".join(text.split()))
            words -= len(tokenize(text))
            if words <= 0:
                return texts
    return texts


def _suggesting(model: Model, texts: list[str]) -> tuple[float, float]:
    """Medians, in ms, of a bare step of the program and of a suggestion for a word further on, the two in turn."""
    program = model.start()
    suggester, state = Suggester(program, model.vocabulary), program.initial_state(1)
    contexts = [text[: token.start] for text in texts for token in tokenize(text)][: _CALLS + 100]
    steps, suggestions = [], []
    for context in contexts:
        began = time.perf_counter()
        _, state = program.step(5, state)
        between = time.perf_counter()
        suggester.suggest(context)
        steps.append(between - began)
        suggestions.append(time.perf_counter() - between)
    return 1e3 * statistics.median(steps[100:]), 1e3 * statistics.median(suggestions[100:])


def _output(command: list[Any]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{command} failed")
    return done.stdout
