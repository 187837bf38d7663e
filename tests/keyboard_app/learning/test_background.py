"""Background tasks give way to typing."""

import os
import sys
import time
from collections.abc import Generator
from types import SimpleNamespace

import pytest

from keyboard_app.learning.background import BackgroundTasks, Step


class _Asking:
    """A task that reads the niceness of its thread."""

    title = "asking"
    niceness = -100

    def work(self) -> Generator[Step]:
        yield Step(1, 1)
        self.niceness = os.getpriority(os.PRIO_PROCESS, 0)

    def finish(self) -> str:
        return "asked"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_a_task_raises_the_niceness_of_its_own_thread_only() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    background, task = BackgroundTasks(), _Asking()
    background.start(task)
    assert background.wait() == "asked"
    assert task.niceness == min(before + 5, 19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


class _Counting:
    """A task that takes steps until `ended` is set."""

    title = "counting"

    def __init__(self) -> None:
        self.steps, self.ended = 0, False

    def work(self) -> Generator[Step]:
        while not self.ended:
            self.steps += 1
            yield Step(self.steps, self.steps)

    def finish(self) -> str:
        return "counted"


def steps_again(task: _Counting) -> bool:
    """Waits for another step; returns whether there was one."""
    before, end = task.steps, time.monotonic() + 30
    while task.steps == before and time.monotonic() < end:
        time.sleep(0.001)
    return task.steps > before


def test_a_task_makes_way_for_a_key_after_its_current_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyboard_app.learning.background._LONGEST_KEY", 60.0)
    background, task = BackgroundTasks(), _Counting()
    background.start(task)
    assert steps_again(task)
    background.make_way()
    before = task.steps
    time.sleep(0.1)
    assert task.steps <= before + 1
    assert background.works
    background.go_on()
    assert steps_again(task)
    task.ended = True
    assert background.wait() == "counted"
    assert not background.works


def test_a_key_that_is_held_does_not_stop_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyboard_app.learning.background._LONGEST_KEY", 0.01)
    background, task = BackgroundTasks(), _Counting()
    background.start(task)
    background.make_way()
    assert steps_again(task)
    assert steps_again(task)
    background.cancel()


def test_a_finger_that_goes_on_moving_goes_on_stopping_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long glide lasts longer than a pressed key."""
    now = [0.0]
    monkeypatch.setattr("keyboard_app.learning.background.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("keyboard_app.learning.background._LONGEST_KEY", 0.001)
    background, task = BackgroundTasks(), _Counting()
    background.start(task)
    for moves in range(3):
        now[0] = 0.001 * moves
        background.make_way()
        before = task.steps
        time.sleep(0.05)  # fifty times as long, but not by the clock
        assert task.steps <= before + 1
    now[0] += 0.002
    assert steps_again(task)
    background.cancel()


def test_a_task_that_makes_way_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping takes no time: closing the window while a key is pressed does not wait."""
    monkeypatch.setattr("keyboard_app.learning.background._LONGEST_KEY", 60.0)
    background, task = BackgroundTasks(), _Counting()
    background.start(task)
    background.make_way()
    began = time.monotonic()
    background.cancel()
    assert time.monotonic() - began < 30
    assert background.task is None


class _Slow(_Counting):
    """A task with long steps."""

    def work(self) -> Generator[Step]:
        for progress in super().work():
            time.sleep(0.02)
            yield progress


def test_a_long_step_begins_right_after_a_key_and_no_other_until_the_next_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyboard_app.learning.background._LONG", 0.001)
    monkeypatch.setattr("keyboard_app.learning.background._CALM", 60.0)
    background, task = BackgroundTasks(), _Slow()
    background.start(task)
    assert steps_again(task)
    for _ in range(3):
        background.make_way()
        time.sleep(0.1)  # the step that was going on ends
        before = task.steps
        background.go_on()
        assert steps_again(task)
        time.sleep(0.2)  # ten times as long as a step
        assert task.steps <= before + 2
    began = time.monotonic()
    background.cancel()
    assert time.monotonic() - began < 30
    assert background.task is None


@pytest.mark.parametrize(
    ("long", "calm", "kind"),
    [
        pytest.param(0.001, 0.05, _Slow, id="long steps follow each other without a key"),
        pytest.param(60.0, 60.0, _Counting, id="short steps go on between two keys"),
    ],
)
def test_steps_go_on(monkeypatch: pytest.MonkeyPatch, long: float, calm: float, kind: type[_Counting]) -> None:
    monkeypatch.setattr("keyboard_app.learning.background._LONG", long)
    monkeypatch.setattr("keyboard_app.learning.background._CALM", calm)
    background, task = BackgroundTasks(), kind()
    background.start(task)
    background.make_way()
    background.go_on()
    assert all(steps_again(task) for _ in range(3))
    background.cancel()
