"""A process that only learns, as a keyboard does: `python -m federation.benchmarks.loads.learning_on_device MODEL JSON THREADS`.

The JSON file holds encoded messages: those to `learn` from and those `held_out`. The process prints speed, peak memory and recall
as JSON, for `federation.benchmarks.learning`. It does not import TensorFlow.
"""

import json
import sys
from pathlib import Path

import numpy as np

from data.generators import result_of
from data.peak_memory import peak_memory_mib
from model.device.folder import load_model
from model.device.learning.finetuning import PERSONAL_TRAINING
from model.device.learning.training import train_program
from model.device.metrics import evaluate


def main(folder: str, messages: str, threads: str) -> None:
    """Learns, and prints the JSON that `federation.benchmarks.learning` reads."""
    content = json.loads(Path(messages).read_text("utf-8"))
    program = load_model(Path(folder)).start(int(threads))
    training = train_program(program, content["learn"], PERSONAL_TRAINING, np.random.default_rng(0))
    run = result_of(training)
    peak = peak_memory_mib()
    scores = evaluate(program, content["held_out"])
    found = {"targets_per_second": run.targets / run.seconds, "peak_memory_mib": peak}
    print(json.dumps(found | {"targets": run.targets, "recall_at_1": scores.top1, "recall_at_3": scores.top3}))


if __name__ == "__main__":
    main(*sys.argv[1:])
