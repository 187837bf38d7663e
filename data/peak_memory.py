"""The peak memory of a process. Processes measure themselves with it, so it imports next to nothing."""

import sys
from pathlib import Path


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
