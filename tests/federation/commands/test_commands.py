"""The interface for scripts: each command's JSON and exit status, and one line for each error."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.corpus import split_of
from data.vocabulary import Vocabulary
from model.device.folder import Model, load_model, save_model
from model.device.runtime import Program
from model.device.weights import Provenance


def json_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_evaluate(small_model_folder: Path, corpus_file: Path, federate: Callable) -> None:
    common = ["evaluate", "--model", small_model_folder, "--corpus", corpus_file, "--users", "all", "--json"]
    done = federate(*common)
    result = json_of(done)
    for words in ("people", "keystrokes saved", "words outside the vocabulary"):
        assert words in done.stderr, "the table is in words"
    assert "top1" not in done.stderr
    assert set(result) == {
        *("words", "out_of_vocabulary", "top1", "top3", "top1_all_words", "top3_all_words", "perplexity", "ksr"),
        "ksr_phrases",
    }
    assert result["ksr"] <= result["ksr_phrases"] < 1
    assert result["words"] + result["out_of_vocabulary"] == 40 * 30 * 10
    assert 0 <= result["top1"] <= result["top3"] <= 1
    capped = json_of(federate(*common, "--max-words", "400"))
    assert 0 < capped["words"] + capped["out_of_vocabulary"] <= 400


def test_models_of_different_vocabularies_are_compared_fairly(
    small_model: Model, small_model_folder: Path, corpus_file: Path, tmp_path: Path, federate: Callable
) -> None:
    smaller = tmp_path / "smaller"
    words = small_model.vocabulary.words[:30]
    config = replace(small_model.provenance.config, vocabulary=len(words))
    vocabulary = Vocabulary(words)
    weights = {name: array[: config.shapes[name][0]] for name, array in small_model.weights.items()}
    program = small_model.program  # it has more rows than this vocabulary needs
    save_model(smaller, Model(weights, Provenance(config, vocabulary.sha256), vocabulary, program))
    common = ["evaluate", "--model", small_model_folder, "--corpus", corpus_file, "--users", "all", "--json"]
    done = federate(*common, "--max-words", "2000", "--beside", smaller, small_model_folder)
    result = json_of(done)["beside"]
    first, less, same = result["models"]
    assert "points above" in done.stderr
    assert less["out_of_vocabulary"] > first["out_of_vocabulary"] == 0
    assert first["words_common"] == less["words_common"] == result["words"] - less["out_of_vocabulary"]
    assert less["perplexity_common"] < first["perplexity_common"], "it has fewer words to choose from"
    assert less["ksr"] < first["ksr"], "and more words to type key by key"
    figures = set(first) - {"model"}
    assert {name: first[name] for name in figures} == {name: same[name] for name in figures}
    assert (same["difference"], same["p"]) == (0, 1)


def test_evaluate_on_a_keyboard_that_learns(small_model_folder: Path, corpus_file: Path, federate: Callable) -> None:
    common = ["evaluate", "--model", small_model_folder, "--corpus", corpus_file, "--users", "all", "--json"]
    result = json_of(federate(*common, "--max-words", "2000", "--personal"))
    assert result["ksr_personal"] > result["ksr"], "each user has a favourite word to learn"
    assert result["top1_personal"] > result["top1"]
    assert result["top1_personal"] <= result["top3_personal"] <= 1
    assert result["top3_all_words_personal"] == result["top3_personal"], "no word is outside the vocabulary"


def test_personalize(small_model_folder: Path, corpus_file: Path, federate: Callable) -> None:
    common = ["personalize", "--model", small_model_folder, "--corpus", corpus_file, "--users", "all", "--json"]
    result = json_of(federate(*common, "--max-users", "20", "--min-words", "50"))
    assert 0 < result["users"] <= 20, "users whose recall was zero before have no relative gain"
    assert result["top1_after"] > result["top1_before"], "each user has a favourite word to learn"
    assert result["users_better"] + result["users_worse"] <= result["users"]
    assert result["words_per_second"] > 0


def test_export(small_model_folder: Path, tmp_path: Path, federate_process: Callable) -> None:
    path, model = tmp_path / "program.tflite", load_model(small_model_folder)
    done = federate_process("export", "--model", small_model_folder, "--without-weights", "--out", path, "--json")
    result = json_of(done)
    assert done.stderr == f"{path}: {result['bytes']:,} bytes\n", "TensorFlow's warnings are hidden"
    content = path.read_bytes()
    assert len(content) == result["bytes"]
    Program(content, model.provenance.config, model.weights)  # it can replace the folder's own program


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["evaluate", "--model", "nowhere"], 1, "there is no model folder"),
        (["evaluate", "--corpus", "nowhere.jsonl"], 1, "cannot read the corpus"),
        (["evaluate", "--users", "everyone"], 2, "invalid choice"),
        (["simulate", "--out", "x"], 2, "--rounds"),
        (["simulate", "--out", "nowhere", "--rounds", "1", "--resume"], 1, "nowhere holds no run to continue"),
        (["simulate", "--rounds", "0", "--out", "x"], 2, "below 1"),
        (["simulate", "--rounds", "many", "--out", "x"], 2, "invalid"),
        (["simulate", "--rounds", "1", "--out", "x", "--seed", "-1"], 2, "below 0"),
        (["export", "--out", "/dev/null/m.tflite"], 1, "/dev/null"),
        (["round", "--profiles", "x", "--out", "x", "--algorithm", "fedadam"], 2, "needs --state"),
        (["dance"], 2, "invalid choice"),
        ([], 2, "required"),
    ],
)
def test_an_invalid_command_line_prints_one_clear_line(
    arguments: list[str], status: int, reason: str, federate: Callable
) -> None:
    done = federate(*arguments)
    assert done.returncode == status
    assert reason in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_split_without_users_is_reported_with_those_that_have_some(tmp_path: Path, federate: Callable) -> None:
    path, user = tmp_path / "c.jsonl", next(name for name in "abcdefghijklmnopqrst" if split_of(name) == "train")
    path.write_text(json.dumps({"user": user, "time": "1", "text": "hello there"}) + "\n")
    done = federate("evaluate", "--corpus", path, "--users", "test")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("choose others by --users train, or all")


def test_a_corpus_in_another_language_is_reported(tmp_path: Path, small_model_folder: Path, federate: Callable) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"user": "a", "time": "1", "text": "съешь ещё этих мягких 🙂"}\n', "utf-8")
    done = federate("evaluate", "--model", small_model_folder, "--corpus", path, "--users", "all")
    assert done.returncode == 1
    assert "no word of these messages" in done.stderr.splitlines()[-1]
