"""Child processes that end with this one, even if it is killed."""

import ctypes
import inspect
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def die_with(parent: int) -> None:
    """Asks the kernel to kill this process when its parent, the process with the id `parent`, ends. The child calls it."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:  # only Linux has it
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # the parent ended before the kernel was asked
            os._exit(1)


# This program asks the kernel and then becomes the command. It exists because no Python may run between fork and exec: this
# process has threads (of gRPC and TensorFlow), and the locks they hold at a fork sometimes crash the child. It imports little, to
# start fast.
_BECOME = f"""
import ctypes, os, signal, sys
{inspect.getsource(die_with)}
die_with(int(sys.argv[1]))
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{{sys.argv[2]}}: {{error.strerror}}")
"""


def bound(command: Sequence[str | os.PathLike[str]]) -> Sequence[str | os.PathLike[str]]:
    """Returns the command line of a process that becomes `command` and does not outlive this process."""
    return [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), *command]


def start(command: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen[Any]:
    """Starts a process that does not outlive this one; `options` are those of `subprocess.Popen`."""
    return subprocess.Popen(bound(command), **options)


def free_port() -> int:
    """Returns a free port of the loopback interface."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def map_in_processes(function: Callable[[T], R], items: Sequence[T], done: Callable[[int, str], None]) -> list[R]:
    """Applies a function to each item, in one process for each processor; returns the results in order.

    The function must be a module's own, so that the processes can import it. `done` receives the number of results so far, and an
    empty string. The first exception ends all processes.
    """
    pool = ProcessPoolExecutor(
        os.cpu_count(), mp_context=get_context("spawn"), initializer=_prepare, initargs=(os.getpid(),)
    )
    results = []
    try:
        for result in pool.map(function, items):
            results.append(result)
            done(len(results), "")
        return results
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(parent: int) -> None:
    die_with(parent)
    # LiteRT prints a greeting when it is loaded, which would break a progress bar. Errors arrive as exceptions anyway.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
