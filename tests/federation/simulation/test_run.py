"""`federate simulate`: a run that is stopped, killed and resumed, and the average of models.

Runs that are killed or stopped are processes. The others run in this process, because starting TFF takes long.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserFacingError
from federation.cli import main
from model.device.folder import load_model
from model.device.weights import Weights, digest

ROOT = Path(__file__).parents[3]
ROUNDS = 4


def arguments(small_model_folder: Path, corpus_file: Path, out: Path, *more: str) -> list[str]:
    settings = ["--rounds", str(ROUNDS), "--clients-per-round", "6", "--seed", "5", "--algorithm", "fedadam"]
    settings += ["--decay-rounds", "9", "--average-from", "2"]  # a killed run must not lose the state of either
    model = ["--init", str(small_model_folder), "--corpus", str(corpus_file)]
    return ["simulate", *settings, *model, "--out", str(out), "--json", *more]


def descendants(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return [d for child in children for d in (child, *descendants(child))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Makes Ctrl-C work as on a terminal: a shell that runs the tests in the background makes processes ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="reads /proc")
def test_a_run_that_is_stopped_and_then_killed_reaches_the_same_weights_and_leaves_no_process(
    ctrl_c: None, small_model_folder: Path, corpus_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(small_model_folder, corpus_file, tmp_path / "whole")) == 0
    whole = capsys.readouterr()
    killed = tmp_path / "killed"
    for reached, way, more in ((1, signal.SIGINT, ()), (3, signal.SIGKILL, ("--resume",))):
        command = [sys.executable, "-m", "federation", *arguments(small_model_folder, corpus_file, killed, *more)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not any(
            (killed / "state" / f"round_{number}.safetensors").exists() for number in range(reached, ROUNDS + 1)
        ):
            assert process.poll() is None, "the run ended before it could be ended"
            time.sleep(0.01)
        workers = descendants(process.pid)
        assert workers
        process.send_signal(way)
        _, errors = process.communicate(timeout=60)
        if way == signal.SIGINT:
            assert process.returncode == 1
            assert errors.splitlines()[-1] == "federate: stopped"
            assert not any(alive(worker) for worker in workers), "a stopped run ends its worker itself"
        deadline = time.monotonic() + 20
        while any(alive(worker) for worker in workers):
            assert time.monotonic() < deadline, "a TFF worker outlived the run that started it"
            time.sleep(0.05)
    (killed / "state" / ".round_9.safetensors.123").touch()  # as if a save had been killed
    assert main(arguments(small_model_folder, corpus_file, killed, "--resume")) == 0
    resumed = capsys.readouterr()

    expected, found = (json.loads(run.out.splitlines()[-1]) for run in (whole, resumed))
    assert [r["round"] for r in found["rounds"]] == list(range(1, ROUNDS + 1))
    rounds = [row["round"] for row in csv.DictReader((killed / "metrics.csv").open())]
    assert rounds == [str(number) for number in range(1, ROUNDS + 1)], "whole numbers are written as such"
    last = resumed.err.splitlines()[-5:]
    assert last[0].startswith("On "), last
    assert last[1].startswith("recall at 1 "), last
    assert str(killed / "progress.png") in last[4]
    for rounds in (expected["rounds"], found["rounds"]):
        for row in rounds:
            del row["seconds"]
    assert found["rounds"] == expected["rounds"]
    assert found["after"] == expected["after"] != expected["before"]
    models = [load_model(tmp_path / run / "model") for run in ("whole", "killed")]
    assert digest(models[0].weights) == digest(models[1].weights)
    assert models[0].provenance == models[1].provenance
    assert models[0].provenance.round == ROUNDS
    assert models[0].provenance.parent == digest(load_model(small_model_folder).weights)
    states = sorted(path.name for path in (killed / "state").iterdir())
    assert states == [f"round_{number}.safetensors" for number in (ROUNDS - 1, ROUNDS)]
    assert all((killed / name).exists() for name in ("metrics.csv", "progress.png", "tensorboard"))

    for options, refusal in (
        ((), "holds a run already"),
        (("--resume", "--max-words", "7"), "other settings"),
        (("--resume", "--rounds", "2"), "has done 4 rounds already"),
    ):
        assert main(arguments(small_model_folder, corpus_file, killed, *options)) == 1
        assert refusal in capsys.readouterr().err


def test_a_state_that_cannot_be_saved_ends_the_run(
    small_model_folder: Path,
    corpus_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from federation.engine.state_store import StateStore

    saved = []

    def save(store: StateStore, round_number: int, state: object) -> None:
        saved.append(round_number)
        raise UserFacingError("the disk is full")

    monkeypatch.setattr(StateStore, "save", save)
    assert main(arguments(small_model_folder, corpus_file, tmp_path / "run")) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("the disk is full")
    assert saved == [1], "no later round is saved"
    assert not (tmp_path / "run" / "model").exists()


def test_ctrl_c_during_a_save_is_not_lost(ctrl_c: None) -> None:
    from federation.engine.state_store import wait_for

    async def save() -> None:  # never awaits anything, so it cannot be cancelled
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        wait_for(save())


def test_the_averaged_model_is_the_mean_of_the_rounds_models(
    small_model_folder: Path, corpus_file: Path, tmp_path: Path
) -> None:
    def weights(name: str, rounds: int, *more: str) -> Weights:
        settings = ["--init", str(small_model_folder), "--corpus", str(corpus_file), "--clients-per-round", "4"]
        settings += ["--seed", "5", "--out", str(tmp_path / name)]
        assert main(["simulate", "--rounds", str(rounds), *settings, *more]) == 0
        return load_model(tmp_path / name / "model").weights

    second, third = weights("plain", 2), weights("plain", 3, "--resume")
    averaged = weights("averaged", 3, "--average-from", "2")
    for name, array in averaged.items():
        np.testing.assert_allclose(array, (second[name] + third[name]) / 2, atol=1e-6)
        assert np.abs(array - third[name]).max() > 1e-4
