"""The benchmark's side of the pipe: a process that runs federated averaging in another framework, a round at a time."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import data
import federation
from data.errors import DataError
from federation.benchmarks.peers.training_data import load_weights
from federation.processes import start
from model.device.weights import Weights

_ROUND_SECONDS = 900.0  # for a round, including the start of the process before the first
_LAST_WORDS_SECONDS = 10.0  # for a process that fails to say why

# The packages that a peer needs of this project, which is not installed in the peers' environment.
_PACKAGES = tuple(Path(package.__path__[0]) for package in (data, federation))

_RUN = """
import sys
from importlib import import_module
packages, module, *arguments = sys.argv[1:]
sys.path.insert(0, packages)
import_module(module).main(*arguments)
"""

# Flower and Ray report their use to their makers unless they are told not to. Ray gives its workers a low priority, so that other
# work on the machine would slow down Flower more than the other systems.
_SETTINGS = {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


@dataclass(frozen=True)
class PeerFiles:
    """The files of a peer's process, and the folder that holds them."""

    folder: Path

    @property
    def packages(self) -> Path:
        """Has links to the packages of this project that the peer imports."""
        return self.folder / "packages"

    @property
    def result(self) -> Path:
        """Receives the last weights."""
        return self.folder / "result.npz"

    @property
    def errors(self) -> Path:
        """Receives standard error."""
        return self.folder / "errors.txt"


class PeerProcess:
    """A running peer."""

    def __init__(self, name: str, process: subprocess.Popen[str], files: PeerFiles) -> None:
        self._name, self._process, self._files = name, process, files

    def round(self) -> float:
        """Runs the next round and returns its seconds.

        Raises:
          DataError: the peer failed, or took too long.
        """
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None  # noqa: S101 (they are pipes)
        try:
            print("round", file=requests, flush=True)
            if not select.select([answers], [], [], _ROUND_SECONDS)[0]:
                raise DataError(f"a round in {self._name} took more than {_ROUND_SECONDS / 60:g} minutes")
            return float(json.loads(answers.readline())["seconds"])
        except (OSError, ValueError) as error:
            raise self._failure() from error

    def end(self) -> Weights:
        """Waits for the end of the process after its last round, and returns the weights.

        Raises:
          DataError: the peer failed, or took too long.
        """
        try:
            if self._process.wait(_ROUND_SECONDS):
                raise self._failure()
            return load_weights(self._files.result)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise self._failure() from error

    def _failure(self) -> DataError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_SECONDS)
        lines = [line for line in self._files.errors.read_text("utf-8", "replace").splitlines() if line.strip()]
        return DataError(f"{self._name} failed: {lines[-1].strip() if lines else 'it gave no reason'}")


@contextmanager
def peer_process(
    python: Path, module: str, name: str, training_data: Path, folder: Path, packages: Sequence[Path] = _PACKAGES
) -> Iterator[PeerProcess]:
    """Starts a peer, which ends with the block.

    Args:
      python: the interpreter of the peers' environment.
      module: its `main` takes the paths of the training data and of the result.
      name: of the peer in messages.
      training_data: a file of `TrainingData`.
      folder: of files that the process writes; it is created.
      packages: folders and files of which the module is one, or a part of one, and which it imports.
    """
    folder.mkdir()
    files = PeerFiles(folder)
    files.packages.mkdir()
    for package in packages:
        (files.packages / package.name).symlink_to(package)
    # Ray has its sockets in this folder. A socket's path has at most 107 bytes, and paths in `folder` may be longer.
    short = TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True)
    with files.errors.open("wb") as errors:
        process = start(
            [python, "-I", "-c", _RUN, files.packages, module, training_data, files.result],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # with a process group of its own
            env=os.environ | _SETTINGS | {"RAY_TMPDIR": short.name},
        )
    try:
        yield PeerProcess(name, process, files)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # Ray's services would outlive the peer
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        short.cleanup()
