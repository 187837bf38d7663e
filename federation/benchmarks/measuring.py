"""Measurements: in turn, after a warm-up, several times, with a description of the machine."""

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data.errors import DataError, UserFacingError


class SkippedBenchmarkError(UserFacingError):
    """A part cannot be measured on this machine; the message says what is missing."""


@dataclass(frozen=True)
class Figure:
    """A measured quantity: one line of a benchmark's table."""

    name: str  # key in the JSON
    what: str  # description for people
    unit: str
    values: Sequence[float]  # one for each measurement
    target: str = ""  # in words, for example "at least 3"

    @property
    def median(self) -> float:
        """The median of the measurements."""
        return statistics.median(self.values)

    def as_json(self) -> dict[str, Any]:
        """Returns the figure for the command's JSON."""
        spread = {"lowest": min(self.values), "highest": max(self.values), "repeats": len(self.values)}
        aim = {"target": self.target} if self.target else {}
        return {"what": self.what, "unit": self.unit, "median": self.median} | spread | aim


@dataclass(frozen=True)
class Benchmark:
    """The result of one part of `federate benchmark`."""

    name: str
    title: str
    figures: Sequence[Figure]
    details: Mapping[str, Any] = field(default_factory=dict)  # sizes, settings, points of a plot; JSON values

    def figure(self, name: str) -> Figure:
        """Returns the figure of this name.

        Raises:
          KeyError: there is no such figure.
        """
        return {figure.name: figure for figure in self.figures}[name]


def in_turn(measures: Mapping[str, Callable[[], float]], repeats: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Calls each measure once a turn, so that background load affects all alike; returns each measure's values by turn.

    The first `warm_up` turns are not counted.
    """
    found: dict[str, list[float]] = {name: [] for name in measures}
    for turn in range(warm_up + repeats):
        for name, measure in measures.items():
            value = measure()
            if turn >= warm_up:
                found[name].append(value)
    return found


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Returns the ratios of measurements of the same turn."""
    return [a / b for a, b in zip(above, below, strict=True)]


def output(command: list[Any]) -> str:
    """Runs a command and returns its standard output.

    Raises:
      DataError: the command failed; the message is the last line of its standard error.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{command} failed")
    return done.stdout


def machine(*packages: str) -> dict[str, Any]:
    """Describes this machine and the installed versions of packages."""
    memory = next((line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "").split()
    processor = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "").partition(": ")[2]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "system": platform.system(),
        "processor": processor.strip(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": int(memory[1]) // 1024 if len(memory) > 1 else None,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []
