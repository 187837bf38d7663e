"""What the tests of several packages share: a model small enough to build, train and run in a moment, and other Pythons."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from data.vocabulary import SPECIALS, Vocabulary
from model.device.config import ModelConfig
from model.device.folder import Model, save_model
from model.device.weights import Provenance, initial_weights
from tests import machine

machine.hide_the_rest()

# The tests' profiles keep their keys in files: nobody's keyring is touched. Processes that tests start have it from here.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"

SMALL_VOCABULARY = """
. , ! ? i a the to you and it that of is in have so but like my for be are do just was would what on they with not i'm think
don't can we see at me how this if go good climbing clothes close hall tonight rope ropes chalk snacks 5 50 pm meet seven
"""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Ends the run at once, with one line, where the machine lacks something that the tests need."""
    if not hasattr(session.config, "workerinput"):  # one process of several: the first has looked
        for complaint in machine.complaints():
            pytest.exit(complaint, returncode=1)


def pytest_report_header() -> list[str]:
    """Says which tests will be skipped for want of another Python."""
    return [
        f"skipped: {tested}, as this machine has no Python {version} and no package brings one"
        for version, tested in machine.OTHER_PYTHONS.items()
        if python_of_this_machine(version) is None
    ]


@pytest.fixture(scope="session")
def small_model() -> Model:
    """A model of random weights over a few dozen words; nobody outside the tests meets it."""
    from model.program import build_program  # TensorFlow takes seconds that most tests need not spend

    vocabulary = Vocabulary([*SPECIALS, *SMALL_VOCABULARY.split()])
    config = ModelConfig(vocabulary=len(vocabulary), embedding=16, units=32, window=20, batch=4)
    provenance = Provenance(config, vocabulary.sha256)
    return Model(initial_weights(config, seed=0), provenance, vocabulary, build_program(config))


@pytest.fixture(scope="session")
def small_model_folder(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a model folder; not to be changed."""
    folder = tmp_path_factory.mktemp("model") / "small"
    save_model(folder, small_model)
    return folder


def python_of_this_machine(version: str) -> str | None:
    """A Python of this version on the machine's path or kept by pyenv, whose shims on the path may lead nowhere."""
    name, path = f"python{version}", machine.outer_path()
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates: list[str | Path | None] = [
        shutil.which(name, path=path),
        *sorted(pyenv.glob(f"versions/{version}.*/bin/{name}")),
    ]
    for candidate in filter(None, candidates):
        command = [candidate, "-c", "import sys; print(sys.executable)"]
        settings = os.environ | {"PATH": path}
        done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    return None


@pytest.fixture(scope="session")
def run_python() -> Callable[..., str]:
    """Runs a Python of another version, or with other packages; returns what it prints.

    It finds this project's packages in this folder, or in `sources`. Skips the test where the machine has no such Python.
    """
    root = Path(__file__).parents[1]

    def run(version: str, packages: Sequence[str], *arguments: str | Path, sources: Path = root) -> str:
        uv = os.environ.get("UV", "uv")
        python = python_of_this_machine(version)
        if python is None:
            pytest.skip(f"this machine has no Python {version}")
        options = [option for package in packages for option in ("--with", package)]
        settings = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        settings |= {"PYTHONPATH": str(sources), "UV_COMPILE_BYTECODE": "0"}
        how = ["--isolated", "--no-project", "--no-python-downloads", "--python", python]
        command: list[str | Path] = [uv, "run", *how, *options, "python", *arguments]
        done = subprocess.run(command, env=settings, cwd=sources, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
