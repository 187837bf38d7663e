"""A search over settings: a row and a curve for each run, and what is wrong with its list is said before anything runs."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import DataError
from federation.search import TRIALS, read_trials


def test_a_search_compares_its_runs_and_goes_on_where_it_was(
    small_model_folder: Path, corpus_file: Path, tmp_path: Path, federate: Callable
) -> None:
    trials, out = tmp_path / "trials.toml", tmp_path / "out"
    shared = f'[all]\nrounds = 2\nclients_per_round = 3\ninit = "{small_model_folder}"\ncorpus = "{corpus_file}"\n'
    runs = {"fedavg": 'algorithm = "fedavg"\nserver_learning_rate = 1', "fedprox": 'algorithm = "fedprox"'}
    for count in (1, 2):
        listed = [f'[[run]]\nname = "{name}"\n{settings}\n' for name, settings in list(runs.items())[:count]]
        trials.write_text(shared + "".join(listed))
        result = federate("search", "--trials", trials, "--out", out, "--json")
        assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout.splitlines()[-1])["runs"]
    assert {row["name"] for row in rows} == set(runs)
    assert rows[0]["top1"] >= rows[1]["top1"]
    assert all(row["words"] > 0 and row["perplexity"] > 1 for row in rows)
    with (out / "search.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [(row["name"], float(row["top1"])) for row in written] == [(row["name"], row["top1"]) for row in rows]
    assert (out / "search.png").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[[run]", "no TOML"),
        ("", "list each run"),
        ('[[run]]\nname = "a"\nrounds = 1\nspeed = 3', "no setting 'speed'"),
        ('[[run]]\nname = "a"\nrounds = "many"', "rounds = 'many' is not of type int"),
        ('[[run]]\nname = "a"', "needs a name, and rounds"),
        ('[all]\nrounds = 1\n[[run]]\nname = "a"\n[[run]]\nname = "a"', "a name of its own"),
    ],
)
def test_a_list_that_is_not_right_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "trials.toml"
    path.write_text(content)
    with pytest.raises(DataError, match=reason):
        read_trials(path)


def test_the_list_of_bits_differs_in_bits_alone() -> None:
    trials = read_trials(TRIALS.with_name("bits.toml"))
    bits = [trial.settings.summation.bits for trial in trials if trial.settings.summation]
    assert bits == [32, 16, 12, 9, 8]
    assert len({replace(trial, name="", bits=0) for trial in trials}) == 1


def test_the_projects_own_search_tries_all_algorithms() -> None:
    assert {trial.algorithm for trial in read_trials(TRIALS)} == {"fedavg", "fedadam", "fedyogi", "fedprox"}
