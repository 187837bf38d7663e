"""The benchmark of learning on the device next to a plain TensorFlow loop: the same messages, each in its own process, in turn."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data.corpus import ChitChat, users_in
from federation.benchmarks.measuring import Figure, in_turn, output, ratio_figure
from model.device.folder import load_model
from model.device.learning.finetuning import FineTuning
from model.device.metrics import evaluate

_HELD_OUT_SHARE = 4  # words learned from for each held-out word
_RUNS = {
    "device": ("learning_on_device", "1"),  # one thread, as in a keyboard, which leaves a core for typing
    "device_2": ("learning_on_device", "2"),
    "tensorflow": ("learning_in_tensorflow", "padded"),
    "tensorflow_packed": ("learning_in_tensorflow", "packed"),
}


def measure_learning(
    folder: Path, repeats: int = 5, words: int = FineTuning.max_words
) -> tuple[list[Figure], dict[str, Any]]:
    """Fine-tunes the model in `folder` on at most `words` words.

    Returns figures, and details: the number of words and the recall before and after.

    Raises:
      DataError: a process failed.
    """
    model = load_model(folder)
    messages = _messages(model.vocabulary.encode, words)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in _RUNS}
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "messages.json"
        path.write_text(json.dumps(messages), "utf-8")

        def measure(name: str) -> Callable[[], float]:
            module, how = _RUNS[name]
            command = [sys.executable, "-P", "-m", f"federation.benchmarks.loads.{module}", folder, path, how]

            def once() -> float:
                found[name].append(json.loads(output(command).splitlines()[-1]))
                return found[name][-1]["targets_per_second"]

            return once

        speeds = in_turn({name: measure(name) for name in _RUNS}, repeats, warm_up=0)
    before = evaluate(model.start(), messages["held_out"])
    recall = {"before": {"recall_at_1": before.top1, "recall_at_3": before.top3}}
    recall |= {name: {k: runs[0][k] for k in recall["before"]} for name, runs in found.items()}
    memory = {name: [run["peak_memory_mib"] for run in runs] for name, runs in found.items()}
    device, plain, packed = speeds["device"], speeds["tensorflow"], speeds["tensorflow_packed"]
    figures = [
        Figure("learning_device", "fine-tuning on the device with one thread, words per second", "", device),
        ratio_figure("learning_threads", "ratio of two threads to one", speeds["device_2"], device),
        Figure(
            "learning_tensorflow",
            "a plain TensorFlow loop on all cores, one message in a row, words per second",
            "",
            plain,
        ),
        ratio_figure("learning_to_tensorflow", "ratio of the device to this loop", device, plain, "at least 3"),
        Figure("learning_packed", "the same loop with packed rows, words per second", "", packed),
        ratio_figure("learning_to_packed", "ratio of the device to the packed loop", device, packed),
        Figure("learning_memory", "peak memory of fine-tuning on the device", "MiB", memory["device"], "under 150"),
        Figure("tensorflow_memory", "peak memory of the plain TensorFlow loop", "MiB", memory["tensorflow"]),
    ]
    details = {"targets": found["device"][0]["targets"], "held_out_words": before.words, "recall": recall}
    return figures, {"learning": details}


def _messages(encode: Callable[[str], list[int]], words: int) -> dict[str, list[list[int]]]:
    """Splits the messages of the most prolific validation user: first those that a device learns from, then held-out ones."""
    corpus = ChitChat()
    users = [list(corpus.messages(user)) for user in users_in(corpus, "validation")]
    longest = max(users, key=lambda texts: sum(map(len, texts)))
    learn, rest = _words([encode(text) for text in longest], words)
    held_out, _ = _words(rest, words // _HELD_OUT_SHARE)
    return {"learn": learn, "held_out": held_out}


def _words(messages: list[list[int]], words: int) -> tuple[list[list[int]], list[list[int]]]:
    """Splits messages into the first ones, of at most `words` words in total, and the rest."""
    for number, message in enumerate(messages):
        words -= len(message)
        if words < 0:
            return messages[:number], messages[number:]
    return messages, []
