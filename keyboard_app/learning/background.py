"""Background tasks: one at a time in a thread, which the typing thread can watch, pause, cancel and finish."""

import errno
import os
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from data.errors import DataError
from model.device.learning.finetuning import Progress

_LONGEST_KEY = 0.5  # the longest time, in seconds, that a task pauses for a finger that does not move
# A step that takes longer than `_LONG` seconds is begun as soon as a key is answered, or when no key has been pressed for `_CALM`
# seconds: in between it would still run when the next key has to be answered.
_LONG, _CALM = 0.02, 0.2
_NICE = 5  # niceness of a task's thread, which the threads that LiteRT starts in it inherit
STOPPED = "stopped: nothing was changed"


@dataclass(frozen=True)
class Step:
    """The progress of a task that does not train."""

    batch: int  # steps done, out of `batches`
    batches: int


class Task(Protocol):
    """A task that takes seconds. It reads what it needs from the keyboard when it is created, on the typing thread."""

    title: str  # shown to the person while the task runs; empty if the person need not know about it

    def work(self) -> Generator[Progress | Step]:
        """Does the work step by step, in another thread; must leave nothing half done if it is stopped after any step."""

    def finish(self) -> str:
        """Applies the result, on the typing thread; returns a line for the person."""


def run(task: Task) -> str:
    """Runs a whole task in this thread and returns its line.

    Raises:
      Exception: the error of the task's work, such as a DataError or an OSError.
    """
    for _ in task.work():
        pass
    return task.finish()


def reason(error: Exception) -> str:
    """Returns the error's message in one line; for an error of the operating system its text, without its number."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: free some space and try again"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split()) or type(error).__name__


class BackgroundTasks:
    """Runs tasks in the background; all methods are for the typing thread."""

    def __init__(self) -> None:
        self.progress: Progress | Step | None = None
        self._task: Task | None = None
        self._thread: threading.Thread | None = None
        self._cancelled = threading.Event()
        self._going = threading.Event()  # cleared while the task is paused
        self._going.set()
        self._alone = threading.Event()  # cleared while a key is being answered
        self._alone.set()
        self._touched = threading.Event()  # set by the next key while a task waits to begin a long step
        self._asked = -_CALM  # when `make_way` was called last, on the monotonic clock
        self._stopped = False  # whether the task ended before its work was done
        self._error: BaseException | None = None

    @property
    def task(self) -> Task | None:
        """The task that was started and is not finished yet."""
        return self._task

    def start(self, task: Task) -> None:
        """Starts a task.

        Raises:
          DataError: another task is running.
        """
        if self._task is not None:
            raise DataError(
                f"{self._task.title or 'a request to the federation'} is still running: wait until it is done"
            )
        self._task, self._error, self._stopped, self.progress = task, None, False, None
        self._cancelled.clear()
        self._going.set()
        self._thread = threading.Thread(target=self._work, args=(task,), name=task.title, daemon=True)
        self._thread.start()

    def _work(self, task: Task) -> None:
        if sys.platform in ("linux", "android"):  # elsewhere this would slow down the whole program
            os.nice(_NICE)
        began = time.monotonic()
        try:
            for progress in task.work():
                self.progress = progress
                self._let_pass(time.monotonic() - began)
                self._going.wait()
                began = time.monotonic()
                if self._cancelled.is_set():
                    self._stopped = True
                    return
        except BaseException as error:  # raised again in the typing thread
            self._error = error

    def _let_pass(self, took: float) -> None:
        """Waits while a key is answered; `took` is the duration of the last step, and probably of the next one."""
        self._touched.clear()
        calm = self._asked + _CALM - time.monotonic()
        if took > _LONG and calm > 0 and self._alone.is_set() and not self._cancelled.is_set():
            self._touched.wait(calm)
        while not self._alone.is_set() and (rest := self._asked + _LONGEST_KEY - time.monotonic()) > 0:
            self._alone.wait(rest)

    def make_way(self) -> None:
        """Pauses the task after its current step for a moment: a finger is on a key, or moves, and must be answered at once."""
        self._asked = time.monotonic()
        self._alone.clear()
        self._touched.set()

    def go_on(self) -> None:
        """Continues the task after `make_way`: the key is answered."""
        self._alone.set()

    @property
    def works(self) -> bool:
        """Whether the task's work is still running in its thread."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def paused(self) -> bool:
        """Whether the task is paused."""
        return self._task is not None and not self._going.is_set()

    def pause(self) -> None:
        """Pauses the task after its current step until `resume`."""
        if self._task is not None:
            self._going.clear()

    def resume(self) -> None:
        """Continues a paused task."""
        self._going.set()

    def poll(self) -> str | None:
        """Finishes the task if its work is done and returns its line, which may be empty; returns None while it runs.

        Raises:
          Exception: the error of the task's work, such as a DataError or an OSError.
        """
        return None if self.works else self.wait()

    def wait(self) -> str | None:
        """Resumes the work if it is paused, waits for it, finishes the task and returns its line; returns None without a task.

        Raises:
          Exception: the error of the task's work, such as a DataError or an OSError.
        """
        if self._thread is None or self._task is None:
            return None
        self._going.set()
        self._thread.join()
        task, self._task, self._thread = self._task, None, None
        if self._error is not None:
            raise self._error
        if self._stopped:
            return STOPPED if task.title else ""
        return task.finish()

    def stop(self) -> None:
        """Asks the task to stop before its next step, without changing anything; `poll` returns None until it has stopped."""
        self._cancelled.set()
        self._going.set()
        self._alone.set()
        self._touched.set()

    def cancel(self, patience: float | None = None) -> None:
        """Stops the task and waits at most `patience` seconds for it to end: a task that waits for a network may take longer."""
        self.stop()
        if self._thread is not None:
            self._thread.join(patience)
        self._task = self._thread = None
