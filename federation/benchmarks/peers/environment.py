"""The Python environment of the peers, apart from this project's, since they need other versions of the same libraries."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_cache_path

from data.errors import DataError
from federation.benchmarks.measuring import SkippedBenchmarkError

REQUIREMENTS = ("pfl==0.6.0", "flwr[simulation]==1.42.0", "torch==2.13.0")  # flwr's extra brings its version of Ray

# Prints a line for each requirement with the installed version, or an empty line.
_VERSIONS = """
import sys
from importlib.metadata import PackageNotFoundError, version
for name in sys.argv[1:]:
    try:
        print(version(name))
    except PackageNotFoundError:
        print()
"""


def environment(folder: Path | None, install: bool, requirements: Sequence[str] = REQUIREMENTS) -> Path:
    """Returns the Python interpreter of an environment with the peers, in `folder` or in this user's cache.

    Args:
      folder: of the environment.
      install: whether to make the environment and install what is missing, with pip as this machine has it set up.
      requirements: packages with their exact versions.

    Raises:
      SkippedBenchmarkError: a peer is missing, and `install` is false.
      DataError: the installation failed.
    """
    place = folder or user_cache_path("federated-keyboard") / "peers"
    python = place / "bin" / "python"
    missing = _missing(python, requirements)
    if not missing:
        return python
    if not install:
        raise SkippedBenchmarkError(
            f"{', '.join(missing)} not installed in {place}: add --install-peers, or --peers DIR with their environment"
        )
    print(f"installing {', '.join(missing)} in {place}, which can take minutes", file=sys.stderr)
    commands: list[list[str | Path]] = [[python, "-m", "pip", "install", "--quiet", *requirements]]
    if not (place / "bin" / "pip").exists():  # the last file that `venv` writes
        commands.insert(0, [sys.executable, "-m", "venv", place])
    for command in commands:
        done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            reason = done.stderr.strip().splitlines() or ["pip gave no reason"]
            raise DataError(f"the peers cannot be installed in {place}: {reason[-1]}")
    return python


def _missing(python: Path, requirements: Sequence[str]) -> list[str]:
    """Returns the requirements that are not installed in their exact version, apart from a local label such as `+cpu`."""
    if not python.exists():
        return list(requirements)
    names = [requirement.partition("==")[0].partition("[")[0] for requirement in requirements]
    done = subprocess.run([python, "-I", "-c", _VERSIONS, *names], capture_output=True, text=True, check=False)
    found = [line.partition("+")[0] for line in done.stdout.split("\n")]
    if done.returncode:
        return list(requirements)
    return [r for r, version in zip(requirements, found, strict=False) if r.partition("==")[2] != version]
