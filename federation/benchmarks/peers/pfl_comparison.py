"""The benchmark of our rounds next to the same rounds in pfl 0.6.0 on PyTorch, in a process and an environment of its own.

Both get the same people's words, weights and settings, in the form that users of each framework would choose: our rows
concatenate messages, pfl's hold one padded message each. So the speed counts useful words, the targets that are not padding,
which are the same.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import numpy as np
from platformdirs import user_cache_path

from data.corpus import Part, open_corpus
from data.errors import DataError
from data.windows import targets
from federation.aggregation.algorithms import learning_process
from federation.aggregation.server_settings import Server
from federation.benchmarks.loads.cohort import Cohort, cohorts
from federation.benchmarks.loads.learning_in_tensorflow import one_message_a_row
from federation.benchmarks.measuring import Benchmark, Figure, SkippedBenchmarkError, in_turn, ratios
from federation.benchmarks.simulation import TffRounds, seconds_of, words_per_second
from federation.engine.local import engine
from federation.processes import start
from federation.simulation.start import checked_messages
from model.device.folder import Model, load_model
from model.device.learning.finetuning import ROUND_TRAINING
from model.device.metrics import Scores, evaluate
from model.device.weights import Weights

_REQUIREMENTS = ("pfl==0.6.0", "torch==2.13.0")
_SCRIPT = Path(__file__).with_name("pfl_training.py")


def environment(folder: Path | None, install: bool) -> Path:
    """Returns the Python interpreter of an environment with pfl, in `folder` or in this user's cache.

    Raises:
      SkippedBenchmarkError: pfl is not installed there, and `install` is false.
      DataError: installing pfl failed.
    """
    place = folder or user_cache_path("federated-keyboard") / "pfl-0.6.0"
    python = place / "bin" / "python"
    if _has_pfl(python):
        return python
    if not install:
        raise SkippedBenchmarkError(
            f"pfl is not installed in {place}: add --install-peers (which also installs PyTorch), or --peers DIR"
        )
    print(f"installing {' and '.join(_REQUIREMENTS)} in {place}", file=sys.stderr)
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", place],
        [python, "-m", "pip", "install", "--quiet", *_REQUIREMENTS],
    ]
    for command in commands:
        done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            reason = done.stderr.strip().splitlines() or ["pip gave no reason"]
            raise DataError(f"{_REQUIREMENTS[0]} cannot be installed in {place}: {reason[-1]}")
    return python


def _has_pfl(python: Path) -> bool:
    return (
        python.exists()
        and not subprocess.run([python, "-c", "import pfl, torch"], capture_output=True, check=False).returncode
    )


class PflProcess:
    """A process that runs rounds in pfl, one at a time."""

    def __init__(self, process: subprocess.Popen, requests: IO[str], answers: IO[str]) -> None:
        self._process, self._requests, self._answers = process, requests, answers

    def round(self) -> float:
        """Runs the next round and returns its seconds.

        Raises:
          DataError: pfl failed.
        """
        try:
            print("round", file=self._requests, flush=True)
            return float(json.loads(self._answers.readline())["seconds"])
        except (OSError, ValueError) as error:
            raise DataError(f"pfl failed: run {_SCRIPT} by hand to see why") from error

    def end(self) -> None:
        """Waits until the process has written its weights.

        Raises:
          DataError: pfl failed.
        """
        if self._process.wait():
            raise DataError(f"pfl failed: run {_SCRIPT} by hand to see why")


@contextmanager
def pfl_process(python: Path, model: Model, drawn: list[Cohort], result: Path) -> Iterator[PflProcess]:
    """Starts a process for rounds over these cohorts from a model's weights; the process writes the last weights to `result`."""
    how = ROUND_TRAINING
    settings = {
        "rounds": len(drawn),
        "clients": len(drawn[0].rows),
        "batch": drawn[0].batch,
        "learning_rate": how.learning_rate,
        "clipping_norm": how.clipping_norm,
    }
    arrays = {f"weight/{name}": array for name, array in model.weights.items()}
    for number, cohort in enumerate(drawn):
        for client, rows in enumerate(cohort.rows):
            arrays[f"rows/{number}/{client}"] = one_message_a_row(rows)
    data = result.with_name("data.npz")
    np.savez(data, settings=np.array(json.dumps(settings)), **arrays)
    process = start(
        [python, "-P", _SCRIPT, data, result],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None  # noqa: S101 (they are pipes)
    try:
        yield PflProcess(process, process.stdin, process.stdout)
    finally:
        process.kill()
        process.wait()


def measure_peers(
    folder: Path, corpus: str, clients: int, max_words: int, rounds: int, peers: Path | None, install: bool
) -> Benchmark:
    """Measures `rounds` rounds of each system after a warm-up round, from the model in `folder`, and recall on validation users.

    Raises:
      SkippedBenchmarkError: pfl is not installed, and `install` is false.
      DataError: pfl failed, or no user of the corpus wrote `max_words` words.
    """
    python = environment(peers, install)
    model = load_model(folder)
    config = model.provenance.config
    drawn = cohorts(model, corpus, clients, max_words, 1 + rounds)
    held_out = checked_messages(Part(open_corpus(corpus), "validation"), model.vocabulary)
    with TemporaryDirectory() as temporary, engine():
        result = Path(temporary) / "result.npz"
        ours = TffRounds(config, learning_process(config, model.weights, ROUND_TRAINING, Server()))
        left = iter(drawn)
        with pfl_process(python, model, drawn, result) as theirs:
            seconds = in_turn({"ours": lambda: seconds_of(ours, next(left)), "pfl": theirs.round}, rounds)
            theirs.end()
        with np.load(result) as content:
            their_weights = {name: content[name] for name in model.weights}
    words = [cohort.words for cohort in drawn[1:]]
    speeds = {name: words_per_second(words, taken) for name, taken in seconds.items()}
    before, after, their = (_scores(model, w, held_out) for w in (model.weights, ours.weights, their_weights))
    return Benchmark(
        "peers",
        f"TFF and pfl 0.6.0 on PyTorch: {rounds} rounds of {len(drawn[0].rows)} clients, {words[0]:,} words",
        [
            Figure("ours", "TFF, useful words per second", "", speeds["ours"]),
            Figure("pfl", "pfl, useful words per second", "", speeds["pfl"]),
            Figure(
                "ratio", "ratio of TFF to pfl", "", ratios(speeds["ours"], speeds["pfl"]), "at least 1.5", ratio=True
            ),
            Figure("recall_before", "recall at 1 on validation users before the rounds", "", [before.top1]),
            Figure("recall_ours", "recall at 1 after the rounds in TFF", "", [after.top1]),
            Figure("recall_pfl", "recall at 1 after the rounds in pfl", "", [their.top1]),
        ],
        {
            "clients": clients,
            "max_words": max_words,
            "peer": list(_REQUIREMENTS),
            "perplexity": {"before": before.perplexity, "ours": after.perplexity, "pfl": their.perplexity},
            "padding": {
                "ours": _padding([rows for cohort in drawn for rows in cohort.rows]),
                "pfl": _padding([one_message_a_row(rows) for cohort in drawn for rows in cohort.rows]),
            },
        },
    )


def _scores(model: Model, weights: Weights, held_out: list[list[int]]) -> Scores:
    program = model.start(threads=2)
    program.weights = weights
    return evaluate(program, held_out)


def _padding(arrays: list[np.ndarray]) -> float:
    """Returns the share of padding among the targets."""
    return 1 - sum(map(targets, arrays)) / sum(rows[:, 1:].size for rows in arrays)
