"""`federate evaluate --baselines` on ordinary, small and unusual corpora."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

CORPORA = {
    "five messages": [
        ("a", "i think you are good"),
        ("a", "you are."),
        ("b", "hi"),
        ("b", "see you at 5"),
        ("a", "ok"),
    ],
    "one word a message": [("a", "i"), ("a", "you"), ("b", "good!"), ("c", "🙂"), ("c", "")],
    "emoji and other languages": [("a", "🙂🙂"), ("b", "съешь ещё этих мягких"), ("c", "今日は"), ("d", "das is ok")],
    "one person": [("a", "i think you are good"), ("a", "i think " * 300)],
}


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_the_comparison_adds_to_the_plain_figures(
    small_model_folder: Path, corpus_file: Path, federate: Callable, tmp_path: Path
) -> None:
    common = ["evaluate", "--model", small_model_folder, "--corpus", corpus_file, "--users", "test", "--json"]
    plain = json.loads(federate(*common).stdout)
    done = federate(*common, "--baselines", "--trained-on", corpus_file, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert {key: result[key] for key in plain} == plain, "the plain figures stay the same"
    assert {"kneser_ney", "kneser_ney_trigram", "unigram", "own_history"} <= set(result["baselines"])
    assert {"top1", "top3", "perplexity", "top1_ci", "top3_ci"} <= set(result["baselines"]["kneser_ney"])
    assert {"top1", "ci", "p"} <= set(result["ratio_to_kneser_ney"])
    assert result["ratio_to_kneser_ney"]["top1"] == pytest.approx(
        result["top1"] / result["baselines"]["kneser_ney"]["top1"]
    )
    assert "Kneser-Ney" in done.stderr and "comparison is not fair" not in done.stderr
    page = (tmp_path / "out" / "baselines.md").read_text()
    assert f"{result['baselines']['kneser_ney']['top1']:.1%}" in page
    assert f"{result['out_of_vocabulary']:,} words not in the vocabulary" in page
    assert (tmp_path / "out" / "baselines.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / "recall_by_word.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", CORPORA)
def test_small_and_unusual_corpora(
    name: str, small_model_folder: Path, corpus_file: Path, federate: Callable, tmp_path: Path
) -> None:
    path = tmp_path / "c.jsonl"
    lines = [{"user": user, "time": f"{i:03}", "text": text} for i, (user, text) in enumerate(CORPORA[name])]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    common = ["evaluate", "--model", small_model_folder, "--corpus", path, "--users", "all", "--baselines"]
    done = federate(*common, "--trained-on", corpus_file, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1], parse_constant=refuse)
    assert result["words"] > 0
    assert "nan" not in (tmp_path / "out" / "baselines.md").read_text()


def test_measuring_training_users_is_reported_as_unfair(
    small_model_folder: Path, corpus_file: Path, federate: Callable
) -> None:
    common = ["evaluate", "--model", small_model_folder, "--corpus", corpus_file, "--trained-on", corpus_file]
    done = federate(*common, "--users", "train", "--baselines", "--max-words", "2000")
    assert done.returncode == 0, done.stderr
    assert "the comparison is not fair" in done.stderr


@pytest.mark.parametrize(
    ("extra", "reason"),
    [(["--trained-on", "nowhere.jsonl"], "cannot read the corpus"), (["--out", "/dev/null/out"], "/dev/null")],
)
def test_invalid_options_fail_at_once(extra: list[str], reason: str, federate: Callable) -> None:
    done = federate("evaluate", "--baselines", *extra)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and reason in done.stderr


def test_a_folder_without_a_comparison_is_refused(federate: Callable, tmp_path: Path) -> None:
    done = federate("evaluate", "--out", tmp_path)
    assert done.returncode == 2
    assert "--baselines" in done.stderr
