"""Work between two frames."""

import pytest

from keyboard_app.window.spare_time import SpareTime, Work


def work(done: list[str], name: str, steps: int) -> Work:
    for step in range(steps):
        done.append(f"{name}{step}")
        yield


def test_work_is_done_in_its_order_and_makes_way_after_each_step() -> None:
    spare, done = SpareTime(), list[str]()
    spare.begin(work(done, "a", 2))
    spare.begin(work(done, "b", 1))
    spare.begin(work(done, "c", 1), first=True)
    left = iter([False, False, True])
    spare.proceed(until=lambda: next(left))
    assert (done, spare.wanted) == (["c0"], True)
    spare.proceed(until=lambda: False)
    assert (done, spare.wanted) == (["c0", "a0", "a1", "b0"], False)


def test_dropped_work_goes_on_where_it_stopped() -> None:
    spare, done = SpareTime(), list[str]()
    first, second = work(done, "a", 2), work(done, "b", 1)
    spare.begin(first)
    left = iter([False, True])
    spare.proceed(until=lambda: next(left))
    spare.drop(first)
    spare.drop(None)
    spare.begin(second)
    spare.proceed(until=lambda: False)
    spare.begin(first)
    spare.begin(first)
    spare.proceed(until=lambda: False)
    assert done == ["a0", "b0", "a1"]
    spare.begin(work(done, "c", 1))
    spare.clear()
    assert not spare.wanted


def test_work_that_fails_is_not_tried_again() -> None:
    def failing() -> Work:
        yield
        raise ValueError("no")

    spare, done = SpareTime(), list[str]()
    spare.begin(failing())
    spare.begin(work(done, "a", 1))
    with pytest.raises(ValueError, match="no"):
        spare.proceed(until=lambda: False)
    spare.proceed(until=lambda: False)
    assert done == ["a0"]
