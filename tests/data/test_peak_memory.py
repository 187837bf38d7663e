import subprocess
import sys
from pathlib import Path

import pytest

from data.peak_memory import peak_memory_mib


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not report other processes")
def test_a_process_that_has_ended_has_no_peak() -> None:
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert ended.stdout is not None
    ended.stdout.read()  # until it has ended; nobody has asked for its exit status yet
    with pytest.raises(OSError, match="reports no memory"):
        while True:
            peak_memory_mib(ended.pid)
    ended.wait()


def test_this_process_has_a_peak() -> None:
    assert 1 < peak_memory_mib() < 100_000
