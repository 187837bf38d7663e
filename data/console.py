"""The edge of a command-line program: its standard streams, Ctrl-C, and errors as one line on standard error."""

import _thread
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from data.errors import UserFacingError

_REPEAT_SECONDS = 0.01  # until a Ctrl-C that was ignored is repeated


def run_program(name: str, work: Callable[[], int]) -> int:
    """Runs a whole program as `run_command` does, and returns its exit status. Call this once in a process, and then exit.

    Standard streams may be closed, use any encoding, and lose their readers.
    """
    _open_missing_streams()
    sys.unraisablehook = _repeat_ctrl_c
    if sys.stdout is not None:
        with suppress(AttributeError):
            sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may use Latin-1
    try:
        return run_command(name, work)
    finally:
        with suppress(ValueError):  # only the main thread may do this
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would interrupt the end with a traceback
        for stream in (sys.stdout, sys.stderr):
            if not _flushed(stream):
                _discard(stream)


def _repeat_ctrl_c(
    unraisable: "sys.UnraisableHookArgs",
    at_the_end: Callable[[], bool] = sys.is_finalizing,  # bound here: at the end a module has no names any more
    report: Callable[["sys.UnraisableHookArgs"], object] = sys.__unraisablehook__,
) -> None:
    """Repeats a Ctrl-C that arrived where Python ignores exceptions; reports other ignored exceptions as usual.

    Such places are callbacks of the garbage collection, finalizers, and callbacks from C: JAX, which TFF imports, has one that
    runs at every collection. At the interpreter's end nothing is reported: finalizers of libraries fail there, such as TFF's,
    because the modules that they use are gone.
    """
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # From a thread, and not now: the exception would be raised in this function and ignored again. Starting an object of
        # `threading` takes a lock, which the interrupted code may hold.
        _thread.start_new_thread(_interrupt_soon, ())
    elif not at_the_end():
        report(unraisable)


def _interrupt_soon() -> None:
    time.sleep(_REPEAT_SECONDS)
    _thread.interrupt_main()


def run_command(name: str, work: Callable[[], int]) -> int:
    """Does the work of a command and returns its exit status, that of the work unless the work failed.

    Prints one line about an error that a person can do something about, or Ctrl-C, and returns 1. Returns 1 without a line if
    the reader of standard output or standard error has gone, as `head` does.
    """
    try:
        status = work()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        line = "stopped"
    except BrokenPipeError as error:
        if _reader_gone(sys.stdout) or _reader_gone(sys.stderr):
            return 1
        line = _in_words(error)
    except OSError as error:
        line = _in_words(error)
    except MemoryError:
        line = "this machine has too little free memory: end other programs, or choose less work"
    except (UserFacingError, RuntimeError) as error:  # LiteRT and TensorFlow raise RuntimeError when a program fails
        line = " ".join(str(error).split()) or type(error).__name__
    with suppress(OSError):
        print(f"{name}: {line}", file=sys.stderr)
    return 1


def _in_words(error: OSError) -> str:
    if error.strerror is None:
        return " ".join(str(error).split()) or type(error).__name__
    place = error.filename if error.filename2 is None else f"{error.filename} and {error.filename2}"
    reason = error.strerror[:1].lower() + error.strerror[1:]
    return f"{place}: {reason}" if place is not None else reason


def _open_missing_streams() -> None:
    """Connects closed standard streams to the null device: otherwise files of this program and its children get their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it stays open until the process ends
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def _reader_gone(stream: IO[str]) -> bool:
    """Returns whether a stream is a pipe that nobody reads any more."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(events & select.POLLERR for _, events in poll.poll(0))
    except (OSError, ValueError):  # not a file of the system, or closed
        return False


def _flushed(stream: IO[str]) -> bool:
    try:
        stream.flush()
    except (OSError, ValueError):
        return False
    return True


def _discard(stream: IO[str]) -> None:
    """Lets the rest of a stream's output go nowhere, so that the interpreter does not complain about it at its end."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
