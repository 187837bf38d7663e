"""Fixtures: TFF's engine, started once for all tests that compute in this process; the command `federate`; a corpus."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from model.device.folder import Model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tff_engine() -> Iterator[None]:
    from federation.engine.local import engine

    with engine():
        yield


@pytest.fixture
def federate() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `federate` as a process; returns its status and output."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "federation", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def corpus_file(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Messages of forty users in words of the small model, each user with a favourite word of their own."""
    rng, words = np.random.default_rng(0), small_model.vocabulary.words[7:]
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    with path.open("w") as file:
        for user in range(40):
            favourite = words[user]
            for number in range(30):
                text = f"i think {favourite} is {words[rng.integers(len(words))]} and you have {favourite}."
                file.write(json.dumps({"user": f"user-{user}", "time": f"{number:04}", "text": text}) + "\n")
    return path
