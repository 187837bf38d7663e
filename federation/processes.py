"""Child processes that end with this one, however it ends."""

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
    """Asks the kernel to kill this process when its parent, of this process id, is gone; for the child to call."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:  # Linux has it
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # gone before the kernel was asked
            os._exit(1)


# Becomes the command once it has asked the kernel. Between fork and exec no Python may run: this process has threads (gRPC's,
# TensorFlow's), and what they held when it was forked crashes the child now and then. This has to start fast, and imports no more.
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
    """A command line that becomes `command`, in the same process, and does not outlive this one."""
    return [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), *command]


def start(command: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen:
    """Starts a process that does not outlive this one; `options` are those of `subprocess.Popen`."""
    return subprocess.Popen(bound(command), **options)


def free_port() -> int:
    """A port of this machine alone that nobody listens at now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def map_in_processes(function: Callable[[T], R], items: Sequence[T], done: Callable[[int, str], None]) -> list[R]:
    """Applies a function of a module to each item, on all processors, in processes of their own; results in order.

    `done` is told how many results are there. An exception in any ends all.
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
    # LiteRT greets whoever loads it, here in the middle of a progress bar. Errors come back as exceptions, not this way.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
