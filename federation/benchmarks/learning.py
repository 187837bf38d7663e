"""Learning on the device beside a plain TensorFlow training loop: the same messages, each in a process of its own, in turn."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data.corpus import ChitChat, users_in
from federation.benchmarks.measuring import Figure, in_turn, output, ratios
from model.device.finetuning import FineTuning
from model.device.folder import load_model
from model.device.metrics import evaluate

_HELD_OUT_WORDS = 5_000
_MODULES = {"device": "learning_on_device", "device_2": "learning_on_device", "tensorflow": "learning_in_tensorflow"}


def measure_learning(folder: Path, repeats: int = 5) -> tuple[list[Figure], dict[str, Any]]:
    """Fine-tunes the model in `folder`; returns figures, and details: what was learned from and the recall that came of it.

    Raises:
      DataError: a process failed.
    """
    model = load_model(folder)
    messages = _messages(model.vocabulary.encode)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in _MODULES}
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "messages.json"
        path.write_text(json.dumps(messages), "utf-8")

        def measure(name: str) -> Callable[[], float]:
            command = [sys.executable, "-P", "-m", f"federation.benchmarks.{_MODULES[name]}", folder, path]
            threads = {"device": ["1"], "device_2": ["2"]}.get(name, [])

            def once() -> float:
                found[name].append(json.loads(output([*command, *threads]).splitlines()[-1]))
                return found[name][-1]["targets_per_second"]

            return once

        speeds = in_turn({name: measure(name) for name in _MODULES}, repeats, warm_up=0)
    before = evaluate(model.start(), messages["held_out"])
    recall = {"before": {"recall_at_1": before.top1, "recall_at_3": before.top3}}
    recall |= {name: {k: runs[0][k] for k in recall["before"]} for name, runs in found.items()}
    faster = ratios(speeds["device"], speeds["tensorflow"])
    twice = ratios(speeds["device_2"], speeds["device"])
    memory = {name: [run["peak_memory_mib"] for run in runs] for name, runs in found.items()}
    figures = [
        Figure("learning_device", "fine-tuning, targets a second", "", speeds["device"]),
        Figure("learning_tensorflow", "the same by a plain TensorFlow loop", "", speeds["tensorflow"]),
        Figure("learning_to_tensorflow", "the first over the second", "", faster, "at least 3"),
        Figure("learning_threads", "fine-tuning with two threads over one", "", twice),
        Figure("learning_memory", "peak memory, fine-tuning alone", "MiB", memory["device"], "under 150"),
        Figure("tensorflow_memory", "peak memory, the plain TensorFlow loop", "MiB", memory["tensorflow"]),
    ]
    details = {"targets": found["device"][0]["targets"], "held_out_words": before.words, "recall": recall}
    return figures, {"learning": details}


def _messages(encode: Callable[[str], list[int]]) -> dict[str, list[list[int]]]:
    """Of the validation user who wrote most, as many words as a device learns from, and the next ones held out."""
    corpus = ChitChat()
    users = [list(corpus.messages(user)) for user in users_in(corpus, "validation")]
    longest = max(users, key=lambda texts: sum(map(len, texts)))
    learn, rest = _words([encode(text) for text in longest], FineTuning.max_words)
    held_out, _ = _words(rest, _HELD_OUT_WORDS)
    return {"learn": learn, "held_out": held_out}


def _words(messages: list[list[int]], words: int) -> tuple[list[list[int]], list[list[int]]]:
    """The first messages that hold at most so many words, and those behind them."""
    for number, message in enumerate(messages):
        words -= len(message)
        if words < 0:
            return messages[:number], messages[number:]
    return messages, []
