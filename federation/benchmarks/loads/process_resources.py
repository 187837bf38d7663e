"""Memory, file handles and processor time of processes, read from Linux's `/proc`."""

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Resources:
    """Resident memory in MiB, and the number of open file handles."""

    memory: float = 0.0
    handles: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(self.memory + other.memory, self.handles + other.handles)


def measurable() -> bool:
    """Returns whether this system has what the functions of this module read."""
    return (_PROC / "self" / "fd").is_dir() and (_PROC / "self" / "status").exists()


def resources(process: int) -> Resources:
    """Returns the resources of a process; none if it has ended."""
    try:
        status = (_PROC / str(process) / "status").read_text("utf-8").splitlines()
        memory = next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")), 0.0)
        return Resources(memory, sum(1 for _ in (_PROC / str(process) / "fd").iterdir()))
    except OSError:
        return Resources()


def processor_seconds(process: int) -> float:
    """Returns the processor time that a process has used so far.

    Raises:
      OSError: it has ended.
    """
    # The name, in parentheses, may contain anything.
    fields = (_PROC / str(process) / "stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descendants(process: int) -> set[int]:
    """Returns the processes that a process has started, and those that these have started."""
    parents: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                # The name, in parentheses, may contain anything.
                parents[int(entry.name)] = int((entry / "stat").read_text("utf-8").rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def resources_below(process: int) -> Resources:
    """Returns the resources of all descendants of a process."""
    return sum((resources(child) for child in descendants(process)), Resources())
