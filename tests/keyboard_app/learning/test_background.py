"""Work beside typing stands back behind it."""

import os
import sys
import time
from collections.abc import Generator

import pytest

from keyboard_app.learning.background import BackgroundTasks, Step


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
    background, task = BackgroundTasks(), _Asking()
    background.start(task)
    assert background.wait() == "asked"
    assert task.niceness == min(before + 5, 19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


class _Counting:
    """Goes on step by step until it is told to end."""

    title = "counting"

    def __init__(self) -> None:
        self.steps, self.ended = 0, False

    def work(self) -> Generator[Step]:
        while not self.ended:
            self.steps += 1
            yield Step(self.steps, self.steps)

    def finish(self) -> str:
        return "counted"


def goes_on(task: _Counting) -> bool:
    """Whether it makes another step before long."""
    before, end = task.steps, time.monotonic() + 30
    while task.steps == before and time.monotonic() < end:
        time.sleep(0.001)
    return task.steps > before


def test_a_task_makes_way_for_a_key_after_its_present_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyboard_app.learning.background._LONGEST_KEY", 60.0)
    background, task = BackgroundTasks(), _Counting()
    background.start(task)
    assert goes_on(task)
    background.make_way()
    before = task.steps
    time.sleep(0.1)
    assert task.steps <= before + 1
    assert background.works
    background.go_on()
    assert goes_on(task)
    task.ended = True
    assert background.wait() == "counted"
    assert not background.works


def test_a_finger_that_stays_on_a_key_does_not_stop_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyboard_app.learning.background._LONGEST_KEY", 0.01)
    background, task = BackgroundTasks(), _Counting()
    background.start(task)
    background.make_way()
    assert goes_on(task)
    assert goes_on(task)
    background.cancel()


def test_a_task_that_makes_way_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: closing the window while a finger is down waits for nothing."""
    monkeypatch.setattr("keyboard_app.learning.background._LONGEST_KEY", 60.0)
    background, task = BackgroundTasks(), _Counting()
    background.start(task)
    background.make_way()
    began = time.monotonic()
    background.cancel()
    assert time.monotonic() - began < 30
    assert background.task is None
