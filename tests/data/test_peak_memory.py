import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from data.peak_memory import peak_memory_mib, resident_memory


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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell the parts")
def test_new_objects_are_private_memory_and_a_mapped_file_is_shared(tmp_path: Path) -> None:
    size = 64 << 20
    before = resident_memory()
    held = bytearray(b"\1") * size
    with_objects = resident_memory()
    (tmp_path / "file").write_bytes(held)
    with (tmp_path / "file").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[::4096] == held[::4096]
        with_file = resident_memory()
    assert before
    assert with_objects
    assert with_file
    assert with_objects.private - before.private > 60
    assert with_objects.shared - before.shared < 4
    assert with_file.shared - with_objects.shared > 60
