"""Processes that end with the one that started them, even if it is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from federation.processes import start

STARTS_ONE = """
import sys, time
from federation.processes import start
print(start(["sleep", "600"]).pid, flush=True)
time.sleep(600)
"""


def runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="only the Linux kernel ends processes with their parent")
def test_a_killed_process_ends_the_processes_that_it_started() -> None:
    parent = subprocess.Popen([sys.executable, "-c", STARTS_ONE], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    until = time.monotonic() + 30
    while b"sleep" not in Path(f"/proc/{child}/cmdline").read_bytes() and time.monotonic() < until:
        time.sleep(0.01)  # until it has become the command
    assert runs(child)
    parent.kill()
    parent.wait()
    while runs(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not runs(child)
    parent.stdout.close()


def test_the_command_runs_in_the_process_started_and_sets_its_status() -> None:
    process = start([sys.executable, "-c", "import os, sys; print(os.getpid()); sys.exit(3)"], stdout=subprocess.PIPE)
    out, _ = process.communicate()
    assert (int(out), process.returncode) == (process.pid, 3)


def test_a_command_that_does_not_exist_is_reported() -> None:
    process = start(["/nowhere/to/be/found"], stderr=subprocess.PIPE)
    _, errors = process.communicate()
    assert (process.returncode, errors.decode().strip()) == (1, "/nowhere/to/be/found: No such file or directory")
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
