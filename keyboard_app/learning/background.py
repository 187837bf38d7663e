"""Work beside typing: one task at a time in a thread, to be watched, cancelled and finished by whoever types."""

import os
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from data.errors import DataError
from model.device.learning.finetuning import Progress

_LONGEST_KEY = 0.5  # seconds that a finger on a key has the task wait: one that is held goes on with it
_NICE = 5  # how far a task stands back behind typing; the threads that LiteRT starts within it inherit that
STOPPED = "stopped: nothing was changed by it"


@dataclass(frozen=True)
class Step:
    """How far a task is that trains nothing."""

    batch: int  # done, of so many
    batches: int


class Task(Protocol):
    """Something that takes seconds. What it needs of the keyboard it reads when it is made, on the typing thread."""

    title: str  # what to tell the person while it goes on; empty for what they need not be told

    def work(self) -> Generator[Progress | Step]:
        """Does it, in another thread, step by step; must leave nothing half done if it goes no further."""

    def finish(self) -> str:
        """Puts the result to use, on the typing thread; returns a line for the person."""


def run(task: Task) -> str:
    """Does a whole task here and now.

    Raises:
      DataError: it failed.
    """
    for _ in task.work():
        pass
    return task.finish()


def reason(error: Exception) -> str:
    """What went wrong, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


class BackgroundTasks:
    """Runs tasks in the background; all methods are for the typing thread."""

    def __init__(self) -> None:
        self.progress: Progress | Step | None = None
        self._task: Task | None = None
        self._thread: threading.Thread | None = None
        self._cancelled = threading.Event()
        self._going = threading.Event()  # cleared while it is paused
        self._going.set()
        self._alone = threading.Event()  # cleared while a key is being answered
        self._alone.set()
        self._stopped = False  # before it was done
        self._error: BaseException | None = None

    @property
    def task(self) -> Task | None:
        """The task begun and not finished yet."""
        return self._task

    def start(self, task: Task) -> None:
        """Begins a task.

        Raises:
          DataError: another one is going on.
        """
        if self._task is not None:
            raise DataError(f"still {self._task.title or 'busy'}: wait until that is done")
        self._task, self._error, self._stopped, self.progress = task, None, False, None
        self._cancelled.clear()
        self._going.set()
        self._thread = threading.Thread(target=self._work, args=(task,), name=task.title, daemon=True)
        self._thread.start()

    def _work(self, task: Task) -> None:
        if sys.platform in ("linux", "android"):  # elsewhere it would be the whole program that gives way
            os.nice(_NICE)
        try:
            for progress in task.work():
                self.progress = progress
                if not self._alone.wait(_LONGEST_KEY):
                    self._alone.set()
                self._going.wait()
                if self._cancelled.is_set():
                    self._stopped = True
                    return
        except BaseException as error:  # the typing thread raises it again
            self._error = error

    def make_way(self) -> None:
        """Has the task wait after its present step, for a moment: a finger is on a key, whose answer is to come at once."""
        self._alone.clear()

    def go_on(self) -> None:
        """The key is answered."""
        self._alone.set()

    @property
    def works(self) -> bool:
        """Whether the task goes on in its thread, rather than waiting to be finished."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def paused(self) -> bool:
        """Whether the task waits to be resumed."""
        return self._task is not None and not self._going.is_set()

    def pause(self) -> None:
        """Has the task wait after its present step until `resume`."""
        if self._task is not None:
            self._going.clear()

    def resume(self) -> None:
        """Has a paused task go on."""
        self._going.set()

    def poll(self) -> str | None:
        """Finishes the task if its work is done, and returns its line, which may be empty; None as long as it is not.

        Raises:
          DataError: the task failed.
        """
        return None if self.works else self.wait()

    def wait(self) -> str | None:
        """Waits for the work, paused or not, finishes the task and returns its line; None where there is none.

        Raises:
          DataError: the task failed.
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
        """Asks the task to end before its next step; `poll` says when it has, and what it would have changed stays as it was."""
        self._cancelled.set()
        self._going.set()
        self._alone.set()

    def cancel(self, patience: float | None = None) -> None:
        """Stops the task and waits for that, at most `patience` seconds: one that waits for a network may take longer."""
        self.stop()
        if self._thread is not None:
            self._thread.join(patience)
        self._task = self._thread = None
