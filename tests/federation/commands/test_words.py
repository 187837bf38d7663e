"""`federate words`: the words that the people of a corpus use and a vocabulary lacks."""

import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from data.corpus import split_of
from federation.commands.words import _discover
from federation.discovery.privacy import noisy_threshold
from federation.growing.counts_files import read_phrases
from federation.protocol.discovery.offer import may_be_offered
from model.device.folder import load_model


@pytest.fixture(scope="module")
def people_with_new_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a corpus: every training user writes "zebra", every third one "quokka", each one a word of their own."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    users = [f"user{i}" for i in range(60)]
    training = [user for user in users if split_of(user) == "train"]
    lines = []
    for user in users:
        place = training.index(user) if user in training else 0
        own = f"wo{chr(97 + place // 26)}i{chr(97 + place % 26)}"
        texts = ["a zebra is at the gym", f"i like {'quokka' if place % 3 == 0 else 'snacks'} and {own}", "like snacks"]
        lines += [json.dumps({"user": user, "time": str(i), "text": text}) for i, text in enumerate(texts)]
    path.write_text("\n".join(lines))
    return path


def test_words_and_phrases_of_enough_people_are_found(
    people_with_new_words: Path, small_model_folder: Path, tmp_path: Path, federate: Callable
) -> None:
    out, phrases = tmp_path / "words.json", tmp_path / "phrases.json"
    common = ["words", "--model", small_model_folder, "--corpus", people_with_new_words, "--json"]
    done = federate(*common, "--k", "5", "--out", out, "--phrases", phrases)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    people = result["devices"]
    words = {found["word"]: found["devices"] for found in result["words"]}
    assert words == {"zebra": people, "gym": people, "quokka": -(-people // 3)}
    assert result["words"][-1]["word"] == "quokka", "most devices first"
    assert result["coverage"] < result["coverage_with_words"] <= 1
    assert result["costs"]["device_bytes_counts"] == 2**18 * people.bit_length() // 8
    assert json.loads(out.read_text())["words"] == result["words"]
    found = {entry["phrase"]: entry["devices"] for entry in json.loads(phrases.read_text())["phrases"]}
    assert found["like"] == people
    assert found["like snacks"] == people, "one message of a person is enough"
    assert "zebra" in done.stderr
    assert "a device sends, counts" in done.stderr and "least k" in done.stderr
    counted = read_phrases(phrases)
    assert counted.devices == people and {entry.text: entry.devices for entry in counted.found} == found
    done = federate("grow", "--model", small_model_folder, "--words", out, "--out", tmp_path / "grown")
    assert done.returncode == 0, done.stderr
    assert set(load_model(tmp_path / "grown").vocabulary.words[-3:]) == set(words), "federate grow reads the file"


def test_the_budgets_of_words_and_phrases_are_composed_and_printed(
    people_with_new_words: Path, small_model_folder: Path, tmp_path: Path, federate: Callable
) -> None:
    phrases = tmp_path / "phrases.json"
    common = ["words", "--model", small_model_folder, "--corpus", people_with_new_words, "--json", "--k", "3"]
    done = federate(*common, "--dp", "20", "--words-per-device", "3", "--phrases", phrases)
    assert done.returncode == 0, done.stderr
    result, own = json.loads(done.stdout.splitlines()[-1]), json.loads(phrases.read_text())
    assert result["epsilon"] == own["epsilon"] == 20
    assert 20 < result["epsilon_with_phrases"] < 40 and result["delta_with_phrases"] == 2e-6
    assert f"words and phrases together: epsilon {result['epsilon_with_phrases']:.2f} at delta 2e-06" in done.stderr
    assert all(entry["devices"] >= own["threshold"] for entry in own["phrases"])
    assert "a device sends, counts" in done.stderr
    assert "least k" not in done.stderr, "it tells how many words the people offered, which the noise is to hide"


def test_nobody_can_subtract_the_noise_by_its_seed() -> None:
    options, noise = Namespace(k=3, seed=0), noisy_threshold(1.0, 1e-5, 1, 3)
    words = [f"wo{letter}d" for letter in "abcdefghij"]
    offers = [[word] for word in words for _ in range(200)]
    runs = [_discover(options, offers, may_be_offered, 2**12, None, noise).words for _ in range(2)]
    assert set(runs[0]) == set(runs[1]) == set(words) and runs[0] != runs[1]


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["--k", "2"], 2, "--k 2 is below 3"),
        (["--dp", "1", "--delta", "1"], 2, "--delta 1 must be below 1"),
        (["--dp", "0"], 2, "not above 0"),
        (["--buckets", "20000000"], 2, "--buckets must be between 256 and 16777216, not 20000000"),
        (["--capacity", "100000"], 2, "--capacity must be between 1 and 99999, not 100000"),
        (["--words-per-device", "10001"], 2, "--words-per-device must be between 1 and 10000, not 10001"),
        (["--dp", "0.00001"], 1, "raise it, or offer fewer words"),
        (["--model", "nowhere"], 1, "there is no model folder nowhere"),
    ],
)
def test_wrong_options_are_one_clear_line(
    arguments: list[str],
    status: int,
    reason: str,
    people_with_new_words: Path,
    small_model_folder: Path,
    federate: Callable,
) -> None:
    done = federate("words", "--model", small_model_folder, "--corpus", people_with_new_words, *arguments)
    assert done.returncode == status
    assert reason in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
