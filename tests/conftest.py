"""Fixtures that the tests of several packages share: a small model, and other versions of Python."""

import gc
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

import filelock
import hypothesis
import pytest

from data.vocabulary import SPECIALS, Vocabulary
from model.device.config import ModelConfig
from model.device.folder import Model, save_model
from model.device.weights import Provenance, initial_weights
from tests import machine

machine.hide_the_rest()

# Profiles of tests keep their keys in files, so that no keyring of the user is touched. Child processes inherit this setting.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
# Before any test imports JAX, which TFF does: it would set a lower level, and the child processes would inherit that.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# No test fails for being slow: the machine may be busy, and the first example often pays for an import.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

SMALL_VOCABULARY = """
. , ! ? i a the to you and it that of is in have so but like my for be are do just was would what on they with not i'm think
don't can we see at me how this if go good climbing clothes close hall tonight rope ropes chalk snacks 5 50 pm meet seven
"""

# The files that take longest, the longest first. They begin first: a long file that began last would keep one processor busy while
# the other ones are idle. A file that is missing here costs at most its own time.
LONGEST = (
    "federation/coordinator/test_killed_processes.py",
    "federation/simulation/test_run.py",
    "federation/demos/test_three_keyboards.py",
    "federation/benchmarks/test_rounds.py",
    "federation/benchmarks/test_measuring.py",
    "federation/coordinator/web/page/test_dashboard.py",
    "federation/demos/test_new_words.py",
    "keyboard_app/window/test_pages.py",
    "keyboard_app/window/test_federation_page.py",
    "keyboard_app/window/test_questions.py",
    "keyboard_app/window/test_contrast.py",
    "federation/aggregation/test_secure_mean.py",
    "federation/aggregation/test_plain_mean.py",
    "federation/simulation/test_private_runs.py",
    "federation/simulation/test_search.py",
    "federation/simulation/test_split.py",
    "federation/demos/test_playground.py",
    "federation/coordinator/test_keyboards_join.py",
    "model/test_other_runtimes.py",
    "keyboard_app/learning/test_trust_on_device.py",
    "federation/coordinator/test_serve.py",
    "federation/test_local_round.py",
    "federation/coordinator/web/test_device_api.py",
    "keyboard_app/input/test_sessions.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the files that take longest to the beginning; all processes of pytest-xdist sort alike."""
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exempts the 750,000 objects of pytest, TFF and the test modules from garbage collection, also while they are made."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Ends the run at once with one line if the machine lacks something that the tests need."""
    if not hasattr(session.config, "workerinput"):  # only in the main process
        for complaint in machine.complaints():
            pytest.exit(complaint, returncode=1)


def pytest_report_header() -> list[str]:
    """Lists the tests that are skipped because the machine lacks another version of Python."""
    return [
        f"skipped: {tested}, because this machine has no Python {version}, which Debian does not package"
        for version, tested in machine.OTHER_PYTHONS.items()
        if python_of_this_machine(version) is None
    ]


@pytest.fixture(scope="session")
def program_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ModelConfig], bytes]:
    """Returns a function that returns the program of a configuration.

    It takes several seconds to build one, so that the processes of a run share them.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of the whole run

    def program(config: ModelConfig) -> bytes:
        name = hashlib.sha256(repr(config).encode()).hexdigest()[:16]
        path = folder / f"{name}.tflite"
        with filelock.FileLock(path.with_suffix(".lock")):
            if not path.exists():
                from model.program import build_program  # imports TensorFlow, which takes seconds

                path.write_bytes(build_program(config))
        return path.read_bytes()

    return program


def make_small_model(window: int, program_of: Callable[[ModelConfig], bytes]) -> Model:
    """Returns a small model with random weights over a few dozen words, which trains on rows of `window` words."""
    vocabulary = Vocabulary([*SPECIALS, *SMALL_VOCABULARY.split()])
    config = ModelConfig(vocabulary=len(vocabulary), embedding=16, units=32, window=window, batch=4)
    provenance = Provenance(config, vocabulary.sha256)
    return Model(initial_weights(config, seed=0), provenance, vocabulary, program_of(config))


@pytest.fixture(scope="session")
def small_model(program_of: Callable[[ModelConfig], bytes]) -> Model:
    """Returns a small model with random weights over a few dozen words."""
    return make_small_model(20, program_of)


@pytest.fixture(scope="session")
def two_vocabularies(program_of: Callable[[ModelConfig], bytes]) -> tuple[Model, Model]:
    """Returns two small models with random weights whose vocabularies differ; one program, with more rows than needed, runs both.

    The second is of round 7 and knows "zebra", "quokka" and an offensive word, but not "chalk" and "snacks".
    """
    words = SMALL_VOCABULARY.split()
    others = [word for word in reversed(words) if word not in ("chalk", "snacks")]
    config = ModelConfig(vocabulary=len(words) + 20, embedding=16, units=32, window=20, batch=4)
    program, models = program_of(config), []
    for seed, known in enumerate((words, [*others, "zebra", "quokka", "shit", "hello"])):
        vocabulary = Vocabulary([*SPECIALS, *known])
        sizes = replace(config, vocabulary=len(vocabulary))
        provenance = Provenance(sizes, vocabulary.sha256, 7 * seed)
        models.append(Model(initial_weights(sizes, seed), provenance, vocabulary, program))
    return models[0], models[1]


@pytest.fixture(scope="session")
def small_model_folder(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of the small model; tests must not change it."""
    folder = tmp_path_factory.mktemp("model") / "small"
    save_model(folder, small_model)
    return folder


def python_of_this_machine(version: str) -> str | None:
    """Returns a Python of this version from the machine's PATH or from pyenv, whose shims on the PATH may not work."""
    name, path = f"python{version}", machine.outer_path()
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(name, path=path)
    candidates = [*([Path(on_path)] if on_path else []), *sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"))]
    for candidate in candidates:
        command = [str(candidate), "-c", "import sys; print(sys.executable)"]
        settings = os.environ | {"PATH": path}
        done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    return None


@pytest.fixture(scope="session")
def run_python() -> Callable[..., str]:
    """Returns a function that runs a Python of another version, or with other packages, and returns its output.

    That Python imports the project from the repository, or from `sources`. The test is skipped if the machine lacks it.
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
