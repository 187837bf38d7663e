"""The memory of a process. Processes measure themselves with it, so it imports next to nothing."""

import sys
from pathlib import Path
from typing import NamedTuple


class ResidentMemory(NamedTuple):
    """A process's resident memory in MiB, in two parts.

    Shared pages are those of programs and libraries as they are in their files, and memory shared with the display server. Other
    processes may use the same ones, and the system may drop those of files and read them again.
    """

    private: float
    shared: float


def resident_memory() -> ResidentMemory | None:
    """Returns the resident memory of this process now; None if the system does not tell its parts."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    fields = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
    if "RssAnon" not in fields:  # Linux before 4.5
        return None
    anonymous, files, shared = (int(fields[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile", "RssShmem"))
    return ResidentMemory(anonymous, files + shared)


def peak_memory_mib(process: int | str = "self") -> float:
    """Returns the peak resident set size of a process so far, in MiB; by default of this process.

    Raises:
      OSError: the system does not report the memory of another process.
    """
    status = Path(f"/proc/{process}/status")
    if process != "self" or status.exists():
        # The peak of this program alone: getrusage includes the program that it replaced by exec.
        for line in status.read_text("utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        raise OSError(f"the system reports no memory of process {process}: it has ended")
    import resource  # not on every platform

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
