"""A search over settings: a row and a curve for each run; an invalid list is refused before anything runs."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import DataError
from federation.simulation.comparison import bytes_sent, compared
from federation.simulation.search import TRIALS
from federation.simulation.trials import Trial, read_search
from model.device.metrics import Scores


def test_a_search_compares_its_runs_and_can_be_continued(
    small_model_folder: Path, corpus_file: Path, tmp_path: Path, federate: Callable
) -> None:
    trials, out = tmp_path / "trials.toml", tmp_path / "out"
    shared = f'[all]\nrounds = 2\nclients_per_round = 3\ninit = "{small_model_folder}"\ncorpus = "{corpus_file}"\n'
    private = 'algorithm = "fedavg"\nserver_momentum = 0.5\ntrainable = "bias"\ncohort = "uniform"\n'
    private += "bits = 16\nclip_quantile = 0.5\nnoise_multiplier = 3"
    runs = {"fedprox": 'algorithm = "fedprox"', "private": private}
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
    spent = {row["name"]: row["rho"] for row in rows}
    assert spent == {"fedprox": None, "private": pytest.approx(2 / (2 * 3**2), rel=1e-4)}
    assert (out / "privacy.png").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[[run]", "not a TOML"),
        ("", "list each run"),
        ('[[run]]\nname = "a"\nrounds = 1\nspeed = 3', "no setting 'speed'"),
        ('[[run]]\nname = "a"\nrounds = "many"', "rounds = 'many' is not of type int"),
        ('[[run]]\nname = "a"', "needs a name, and rounds"),
        ('[all]\nrounds = 1\n[[run]]\nname = "a"\n[[run]]\nname = "a"', "a name of its own"),
        ('[[run]]\nname = "a"\nrounds = 1\nafter = "a"', "after 'a', which is not a run listed before it"),
        ('[[run]]\nname = "a"\nrounds = 1\nseeds = [1, "2"]', "not a list of whole numbers"),
        ('[[run]]\nname = "a"\nrounds = 1\nrepeats = "b"', "no setting 'repeats'"),
        ('[all]\nyardstick = "a"\n[[run]]\nname = "a"\nrounds = 1', "'a' is not a run with seeds"),
        (
            '[all]\nrounds = 1\nyardstick = "a"\n[[run]]\nname = "a"\nseeds = [1]\n[[run]]\nname = "b"\nseeds = [2]',
            "b has no seed in common",
        ),
    ],
)
def test_an_invalid_list_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "trials.toml"
    path.write_text(content)
    with pytest.raises(DataError, match=reason):
        read_search(path)


def test_the_runs_of_the_list_of_bits_differ_only_in_bits_and_room() -> None:
    listed = read_search(TRIALS.with_name("bits.toml"))
    start, *repeats = listed.trials
    assert not start.settings.summation
    sums = [t.settings.summation for t in repeats if t.settings.summation]
    assert [s.bits for s in sums[::3]] == [32, 16, 12, 9, 8]
    assert len({replace(t, name="", repeats="", bits=0, room=0) for t in repeats}) == 3  # seeds
    assert {t.after for t in repeats} == {start.name}
    assert listed.yardstick == "floats"
    assert {bytes_sent(t, 1_422_250) for t in repeats if t.bits == 16 and t.room == 256} == {2_850_882}
    assert {bytes_sent(t, 1_422_250) for t in repeats if t.bits == 9 and t.room == 32} == {1_603_650}


def test_the_runs_of_the_list_of_softmaxes_differ_only_in_the_softmax() -> None:
    listed = read_search(TRIALS.with_name("softmax.toml"))
    runs = {trial.name: trial.settings for trial in listed.trials}
    assert listed.yardstick == "full"
    for seed in (5, 6):
        full, sampled = (runs[f"{softmax}, seed {seed}"] for softmax in ("full", "sampled"))
        assert sampled == replace(full, client=replace(full.client, softmax="sampled"))
    assert {bytes_sent(trial, 1_000) for trial in listed.trials} == {4_000}, "deltas are averaged as floats"


def test_repeats_start_from_one_model_and_are_compared_by_seed(
    small_model_folder: Path, corpus_file: Path, tmp_path: Path, federate: Callable
) -> None:
    trials, out = tmp_path / "trials.toml", tmp_path / "out"
    trials.write_text(
        f'''
[all]
rounds = 1
clients_per_round = 3
init = "{small_model_folder}"
corpus = "{corpus_file}"
yardstick = "floats"

[[run]]
name = "start"

[[run]]
name = "floats"
after = "start"
bits = 32
seeds = [2]

[[run]]
name = "few bits"
after = "start"
bits = 4
room = 7
seeds = [2]
'''
    )
    result = federate("search", "--trials", trials, "--out", out, "--json")
    assert result.returncode == 0, result.stderr
    started = json.loads((out / "floats, seed 2" / "settings.json").read_text())["init"]
    assert started == str(out / "start" / "model")
    with (out / "comparison.csv").open(newline="") as file:
        floats, few = csv.DictReader(file)
    assert (floats["run"], floats["seeds"], float(floats["difference"]), float(floats["p"])) == ("floats", "1", 0, 1)
    assert (few["run"], few["seeds"], few["bits"]) == ("few bits", "1", "4")
    assert float(few["perplexity"]) != float(floats["perplexity"])
    assert (out / "comparison.png").exists()


def test_differences_are_pooled_over_seeds_and_tested_over_people() -> None:
    def seed(*hits: int) -> list[Scores]:
        return [Scores(words=10, first=first, among_three=first) for first in hits]

    found = compared([seed(5, 6, 7), seed(4, 4, 4)], [seed(4, 6, 7), seed(3, 3, 3)])
    assert found["difference"] == pytest.approx(4 / 60)
    assert found["by_seed"] == pytest.approx([1 / 30, 3 / 30])
    assert found["top1"] == pytest.approx(30 / 60)
    low, high = found["difference_ci"]
    assert low == pytest.approx(1 / 20)  # everybody gained at least one word of twenty
    assert high == pytest.approx(2 / 20)


def test_runs_without_seeds_are_not_repeats() -> None:
    assert {trial.repeats for trial in read_search(TRIALS).trials} == {""}
    assert Trial("a", 1).settings.summation is None


def test_the_projects_own_search_tries_all_algorithms() -> None:
    assert {trial.algorithm for trial in read_search(TRIALS).trials} == {"fedavg", "fedadam", "fedyogi", "fedprox"}
