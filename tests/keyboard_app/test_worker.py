"""Work beside typing stands back behind it."""

import os
import sys
from collections.abc import Generator

import pytest

from keyboard_app.learning.worker import Step, Worker


class _Asking:
    """Finds out how nice the thread is that it runs in."""

    title = "asking"
    niceness = -100

    def work(self) -> Generator[Step]:
        yield Step(1, 1)
        self.niceness = os.getpriority(os.PRIO_PROCESS, 0)

    def finish(self) -> str:
        return "asked"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_a_task_is_nicer_than_the_typing_thread_which_stays_as_it_was() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    worker, task = Worker(), _Asking()
    worker.start(task)
    assert worker.wait() == "asked"
    assert task.niceness == min(before + 5, 19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
