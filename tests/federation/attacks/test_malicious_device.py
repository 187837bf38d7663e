"""`federate liars` on a small model: the malicious updates that the check of the sum stops, and those that pass."""

import csv
import json
from pathlib import Path

import pytest

from federation.cli import main


def test_the_check_stops_the_largest_numbers_and_bounds_what_passes(
    small_model_folder: Path, corpus_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["liars", "--out", str(tmp_path), "--model", str(small_model_folder), "--corpus", str(corpus_file)]
    arguments += ["--devices", "8", "--rounds", "2", "--phrase", "you have", "--word", "think", "--json"]
    assert main(arguments) == 0, capsys.readouterr().err
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    found = {(row["case"], row["round"]): row for row in rows}
    before, honest = found["before", 0], found["all devices honest", 2]
    assert honest["perplexity"] < before["perplexity"]

    unchecked, refused = (found[f"largest numbers possible{end}", 1] for end in (", sum not checked", ""))
    assert refused["refused"]
    assert {k: refused[k] for k in before if k not in ("case", "round")} == {
        k: before[k] for k in before if k not in ("case", "round")
    }
    assert refused["mean_norm"] == unchecked["mean_norm"] > 3
    assert unchecked["perplexity"] > 3 * before["perplexity"]

    for case in ("the most harmful update that passes", "the strongest backdoor that passes"):
        assert not any(found[case, number]["refused"] for number in (1, 2))
        assert all(0.9 < found[case, number]["mean_norm"] < 1.02 for number in (1, 2))  # as long as a clipped delta
    assert found["the most harmful update that passes", 2]["perplexity"] > honest["perplexity"]
    backdoor, poison = (
        found[case, 2]["word_probability"]
        for case in ("the strongest backdoor that passes", "poisoned words, protocol followed")
    )
    assert backdoor > 1.1 * max(poison, honest["word_probability"])
    with (tmp_path / "liars.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    assert "refused" in (tmp_path / "liars.md").read_text()


def test_a_phrase_of_unknown_words_is_refused(
    small_model_folder: Path, corpus_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["liars", "--out", str(tmp_path), "--model", str(small_model_folder), "--corpus", str(corpus_file)]
    assert main([*arguments, "--word", "xylophone"]) == 1
    assert "does not know all words" in capsys.readouterr().err


def test_a_round_of_one_device_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["liars", "--out", str(tmp_path), "--devices", "1"]) == 2
    assert "--devices 1 is below 2" in capsys.readouterr().err
