"""No test user's text influences anything that is trained, tuned or saved: a run with other texts has the same results."""

import functools
import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from data.corpus import split_of
from model import program
from model.device.folder import load_model
from model.device.weights import digest

CANARY = "xyzzyplugh"


def write_corpus(path: Path, test_users_write: str) -> None:
    """Writes a corpus of sixty users in all three splits; the test users write the given text."""
    rng, words = np.random.default_rng(0), ["".join(letters) for letters in product("bdkr", "aeiou", "ln")]
    assert {split_of(f"user-{i}") for i in range(60)} == {"train", "validation", "test"}
    with path.open("w") as file:
        for user in (f"user-{i}" for i in range(60)):
            for number in range(12):
                text = " ".join(rng.choice(words, 6))
                if split_of(user) == "test":
                    text = f"{test_users_write} {number}"
                file.write(json.dumps({"user": user, "time": f"{number:04}", "text": text}) + "\n")


def contents(folder: Path) -> dict[str, bytes]:
    """Returns the files of a run by name, except for TensorBoard's, which contain times."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: content for name, content in files.items() if "tensorboard" not in name}


@pytest.fixture(scope="module", autouse=True)
def programs_are_built_once() -> Iterator[None]:
    """Runs of the same sizes share a program, which depends on nothing else: building one takes many seconds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(program, "build_program", functools.cache(program.build_program))
        yield


@pytest.mark.parametrize(
    "command",
    [
        ["simulate", "--init", "random", "--rounds", "2", "--clients-per-round", "3", "--seed", "1"],
        ["central", "--passes", "1"],
        ["pretrain", "--passes", "1"],
    ],
)
def test_the_text_of_test_users_changes_nothing(command: list[str], tmp_path: Path, federate: Callable) -> None:
    runs = []
    for name, written in (("one", f"{CANARY} everywhere"), ("other", "bal dol rin")):
        folder = tmp_path / name
        folder.mkdir()
        write_corpus(folder / "corpus.jsonl", written)
        result = federate(*command, "--corpus", folder / "corpus.jsonl", "--out", folder / "run", "--json")
        assert result.returncode == 0, result.stderr
        runs.append(contents(folder / "run"))
    assert runs[0].keys() == runs[1].keys()
    one, other = (load_model(tmp_path / name / "run" / "model") for name in ("one", "other"))
    assert digest(one.weights) == digest(other.weights)
    assert (one.provenance, one.program, one.vocabulary.words) == (
        other.provenance,
        other.program,
        other.vocabulary.words,
    )
    assert not [name for name, content in runs[0].items() if CANARY.encode() in content]
    assert "bal" in one.vocabulary
    assert CANARY not in one.vocabulary
    figures = [run["metrics.csv"].decode().splitlines() for run in runs]
    for rows in zip(*figures, strict=True):  # training users' loss, validation users' recall
        assert len({tuple(untimed(figures[0][0], row)) for row in rows}) == 1


def untimed(header: str, row: str) -> list[str]:
    return [value for name, value in zip(header.split(","), row.split(","), strict=True) if name != "seconds"]
