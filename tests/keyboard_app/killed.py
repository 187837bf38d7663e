"""Kills a child process at each statement that it sends to SQLite, one after the other."""

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
_MOST = 1000  # statements of one run


class Kill(NamedTuple):
    """A copy of the database after its process was killed, or reached its end."""

    folder: Path
    told: bool  # whether the process had told the world of its work before it ended
    killed: bool


def killed_at_each_statement(
    database: Path, begin: Callable[[Path], T], act: Callable[[T, Callable[[], object]], Any]
) -> Iterator[Kill]:
    """Copies a database and acts on it in a child process that is killed at its n-th statement, for n = 0, 1, 2, …

    Call it in a process without threads, as it forks. The last child reaches the end of its work and is yielded too.

    Args:
      database: the file, which does not change; each copy keeps its name, in a folder of its own beside it.
      begin: opens the copy in this folder; its statements are not counted.
      act: does the work with what `begin` returned; it may call its second argument to tell the world.

    Raises:
      AssertionError: a child ended by itself with an error, or never reached the end.
    """
    for number in range(_MOST):
        folder = database.parent / f"killed-{number}"
        folder.mkdir()
        shutil.copy(database, folder)
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            _run(folder, begin, act, number, writer)
        os.close(writer)
        status = os.waitpid(child, 0)[1]
        told = bool(os.read(reader, 1))
        os.close(reader)
        assert status in (0, signal.SIGKILL), status
        yield Kill(folder, told, status != 0)
        if status == 0:
            return
    raise AssertionError(f"the work has more than {_MOST} statements")


def _run(
    folder: Path, begin: Callable[[Path], T], act: Callable[[T, Callable[[], object]], Any], number: int, writer: int
) -> None:
    """Does the work in the child process, which never returns from here."""
    left: int | None = None  # statements before the kill; None: not counted yet

    class Connection(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            nonlocal left
            if left is not None:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return super().execute(*arguments)

    connect = sqlite3.connect
    try:
        sqlite3.connect = lambda *a, **k: connect(*a, factory=Connection, **k)  # type: ignore[assignment]
        begun = begin(folder)
        left = number
        act(begun, lambda: os.write(writer, b"x"))
    except BaseException:
        os._exit(1)
    os._exit(0)
