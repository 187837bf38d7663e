"""How things are measured: in turn, after warming up, several times over, with the machine beside the figures."""

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
    """A part can't be measured on this machine, and says what it lacks."""


@dataclass(frozen=True)
class Figure:
    """One line of a benchmark's table: the median of several measurements, and the lowest and the highest of them."""

    name: str  # for programs
    what: str  # for people
    unit: str
    values: Sequence[float]
    target: str = ""  # as people read it: "at least 3"

    @property
    def median(self) -> float:
        """The middle measurement."""
        return statistics.median(self.values)

    def as_json(self) -> dict[str, Any]:
        """All that is known of it."""
        spread = {"lowest": min(self.values), "highest": max(self.values), "repeats": len(self.values)}
        aim = {"target": self.target} if self.target else {}
        return {"what": self.what, "unit": self.unit, "median": self.median} | spread | aim


@dataclass(frozen=True)
class Benchmark:
    """What one part of `federate benchmark` found."""

    name: str
    title: str
    figures: Sequence[Figure]
    details: Mapping[str, Any] = field(default_factory=dict)  # sizes, settings, points of a plot: what JSON can hold

    def figure(self, name: str) -> Figure:
        """The line of this name.

        Raises:
          KeyError: there is none.
        """
        return {figure.name: figure for figure in self.figures}[name]


def in_turn(measures: Mapping[str, Callable[[], float]], repeats: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Calls each measure once a turn, so that a change of the machine's mood meets all alike; returns what they gave, by turn.

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
    """The ratios of measurements of the same turn."""
    return [a / b for a, b in zip(above, below, strict=True)]


def output(command: list[Any]) -> str:
    """What a process prints.

    Raises:
      DataError: it failed, with the last line it complained in.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{command} failed")
    return done.stdout


def machine(*packages: str) -> dict[str, Any]:
    """The machine and the versions that a result goes with."""
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
