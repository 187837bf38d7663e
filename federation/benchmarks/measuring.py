"""Measurements: in turn, after a warm-up, several times, with a description of the machine."""

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scipy import stats

from data.errors import DataError, UserFacingError


class SkippedBenchmarkError(UserFacingError):
    """A part cannot be measured on this machine; the message says what is missing."""


# A figure without a target and without a comparison says nothing if its interval is wider than this share of its median.
_WIDEST = 0.5
_CONFIDENCE = 0.95
_TARGET = re.compile(r"(at least|at most|under) ([\d.]+)")


class Conclusion(StrEnum):
    """What a figure's measurements say."""

    MET = "met"
    MISSED = "missed"
    NOISY = "too noisy to tell"
    UNKNOWN = ""  # a single measurement, or no target


@dataclass(frozen=True)
class Figure:
    """A measured quantity: one line of a benchmark's table.

    `target` is empty or `at least`, `at most` or `under` and a number. With `ratio`, the values are ratios of paired measurements
    (`ratios`), of which 1 means no difference. With `count`, they are numbers of different things, such as the devices of each
    round, and their spread is no noise.
    """

    name: str  # key in the JSON
    what: str  # description for people
    unit: str
    values: Sequence[float]  # one for each measurement
    target: str = ""
    ratio: bool = False
    count: bool = False

    @property
    def median(self) -> float:
        """The median of the measurements."""
        return statistics.median(self.values)

    @property
    def interval(self) -> tuple[float, float]:
        """A confidence interval of the median: of order statistics, by the sign test (Conover 1999, Section 3.2).

        It has a confidence of 95% from six measurements on. With fewer it is the whole range; its confidence is then 94% for
        five measurements, 75% for three, and 0 for one.
        """
        ordered, n = sorted(self.values), len(self.values)
        outside = max(0, int(stats.binom.ppf((1 - _CONFIDENCE) / 2, n, 0.5)) - 1)  # measurements on either side
        return ordered[outside], ordered[n - 1 - outside]

    @property
    def verdict(self) -> Conclusion:
        """Whether the target is met over the whole interval, or missed over it; ratios without a target are compared to 1."""
        low, high = self.interval
        wide = len(self.values) > 1 and not self.count and high - low > _WIDEST * abs(self.median)
        target = _TARGET.fullmatch(self.target)
        if target is None:
            if self.ratio:
                return (
                    Conclusion.NOISY if len(self.values) > 1 and low <= 1 <= high and low < high else Conclusion.UNKNOWN
                )
            return Conclusion.NOISY if wide else Conclusion.UNKNOWN
        bound = float(target[2])
        found = {_meets(target[1], value, bound) for value in (low, high)}
        if len(found) > 1:
            return Conclusion.NOISY
        return Conclusion.MET if found == {True} else Conclusion.MISSED

    def as_json(self) -> dict[str, Any]:
        """Returns the figure for the command's JSON."""
        spread = {"lowest": min(self.values), "highest": max(self.values), "repeats": len(self.values)}
        aim = {"target": self.target} if self.target else {}
        said = {"interval": list(self.interval), "verdict": str(self.verdict)}
        return {"what": self.what, "unit": self.unit, "median": self.median} | spread | aim | said


def _meets(kind: str, value: float, bound: float) -> bool:
    if kind == "at least":
        return value >= bound
    return value <= bound if kind == "at most" else value < bound


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

    Every other turn has the reverse order, so that none gains from a machine that becomes faster or slower meanwhile. The first
    `warm_up` turns are not counted.
    """
    found: dict[str, list[float]] = {name: [] for name in measures}
    for turn in range(warm_up + repeats):
        for name in list(measures)[:: -1 if turn % 2 else 1]:
            value = measures[name]()
            if turn >= warm_up:
                found[name].append(value)
    return found


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Returns the ratios of measurements of the same turn."""
    return [a / b for a, b in zip(above, below, strict=True)]


def ratio_figure(name: str, what: str, above: Sequence[float], below: Sequence[float], target: str = "") -> Figure:
    """Returns the line of the ratios of two quantities that were measured in the same turns."""
    return Figure(name, what, "", ratios(above, below), target, ratio=True)


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


def load() -> float | None:
    """Returns the number of processes that wanted a core in the last minute, on average; None if the system does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []
