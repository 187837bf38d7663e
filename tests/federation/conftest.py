"""Fixtures: TFF's engine, started once for all tests that compute in this process; the command `federate`; a model; a corpus."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from model.device.config import ModelConfig
from model.device.folder import Model, save_model
from tests.conftest import make_small_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def small_model(program_of: Callable[[ModelConfig], bytes]) -> Model:
    """Returns the small model with rows of 8 words: the time in which TFF compiles a process grows with the length of rows."""
    return make_small_model(8, program_of)


@pytest.fixture(scope="session")
def small_model_folder(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of that model; tests must not change it."""
    folder = tmp_path_factory.mktemp("model") / "short"
    save_model(folder, small_model)
    return folder


@pytest.fixture(scope="session")
def tff_engine() -> Iterator[None]:
    from federation.engine.local import engine

    with engine():
        yield


@pytest.fixture
def federate() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `federate` in this process, where TFF is loaded already; returns its status and output."""
    from federation.cli import main

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(argument) for argument in arguments]
        output, errors = io.StringIO(), io.StringIO()
        with chdir(ROOT), redirect_stdout(output), redirect_stderr(errors):
            try:
                status = main(command)
            except SystemExit as end:  # `argparse` ends the program when it is called wrongly
                status = int(end.code or 0)
        return subprocess.CompletedProcess(["federate", *command], status, output.getvalue(), errors.getvalue())

    return run


@pytest.fixture
def federate_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `federate` as a process; returns its status and output. Importing TFF takes it 9 seconds of processor time."""

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
