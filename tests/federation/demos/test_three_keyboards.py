"""`federate demo` from start to end, on a small model."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.keyboards import keyboard
from model.device.folder import load_model
from model.device.weights import digest, load_weights

ROOT = Path(__file__).parents[3]


def test_the_demo_runs_to_the_end_and_leaves_a_report(
    small_model_folder: Path, tmp_path: Path, federate_process: Callable
) -> None:
    out = tmp_path / "demo"
    done = federate_process(
        "demo", "--model", small_model_folder, "--out", out, "--rounds", "2", "--words", "300", "--json"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert len(result["users"]) == len(result["words_measured"]) == 3
    assert len(result["stages"]) == 4
    assert all(len(users) == 3 for users in result["stages"].values())
    assert (
        next(iter(result["stages"])) == "at the start" and list(result["stages"])[-1] == "after the rounds and learning"
    )
    assert all(set(row) >= {"top1", "top3", "ksr"} for users in result["stages"].values() for row in users)
    contributed = [[device["words"] > 0 for device in round_["keyboards"]] for round_ in result["rounds"]]
    assert contributed == [[], [True] * 3], "the keyboards are in every fifth round and in the last one"
    assert [round_["simulated"] for round_ in result["rounds"]] == [5, 5]
    assert [row["round"] for row in result["strangers"]["by_round"]] == [0, 2]
    change, strangers = result["change"]["all"], result["strangers"]
    assert strangers["change"]["after"] == strangers["by_round"][-1]["top1"]
    for figures in (change, strangers["change"], *result["change"]["people"]):
        low, high = figures["interval"]
        assert low <= figures["difference"] <= high
        assert figures["difference"] == pytest.approx(figures["after"] - figures["before"])
    for row in result["suggestions"]:
        assert len(row["keyboards"]) == 3
        assert all(len(offered) == 3 for offered in (row["before"], row["after"], *row["keyboards"]))
        assert f"{row['start']} …" in done.stderr
    assert f"{strangers['people']} strangers, who took no part" in done.stderr
    for number, words in enumerate(result["words_measured"], 1):
        assert f"keyboard {number}, {words:,} words" in done.stderr, "the tables fit 80 columns"
    assert (out / "report.html").read_text().count("<tr>") == 5 + (1 + len(result["suggestions"])) + 2
    assert (out / "recall.png").stat().st_size > 10_000
    newest = load_model(out / "model")
    assert newest.provenance.round == 2
    for number in (1, 2, 3):
        profile = out / "profiles" / f"keyboard-{number}"
        assert digest(load_model(profile / "global").weights) == digest(newest.weights), "it installed the new model"
        opened = tmp_path / "personal.safetensors"
        subprocess.run(keyboard("data", "model", opened, "--profile", profile), cwd=ROOT, check=True)
        _, provenance = load_weights(opened)
        assert provenance.parent == digest(newest.weights), "and fine-tuned it"


def test_the_demo_does_not_overwrite_a_folder_of_something_else(
    small_model_folder: Path, tmp_path: Path, federate: Callable
) -> None:
    (tmp_path / "thesis.tex").touch()
    done = federate("demo", "--model", small_model_folder, "--out", tmp_path)
    assert done.returncode == 1
    assert "was not made by `federate demo`" in done.stderr.splitlines()[-1]
    assert (tmp_path / "thesis.tex").exists()
