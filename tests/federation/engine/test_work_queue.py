"""The queue of a round's parts, with threads as workers."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.engine.work_queue import AHEAD, WorkQueue


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=2 * AHEAD),
    st.lists(st.sets(st.integers(0, 39)), min_size=1, max_size=4),
)
def test_every_part_is_computed_once_and_handed_out_in_order_even_if_workers_drop_it(
    sizes: list[int], dropped: list[set[int]]
) -> None:
    parts = len(sizes)
    queue, computed = WorkQueue(parts, len(dropped), 30, sizes), []

    def work(drops: set[int]) -> None:
        while (number := queue.take()) is not None:
            if number in drops:  # each worker drops each of these once
                drops.discard(number)
                queue.give_back(number)
            else:
                computed.append(number)
                queue.put(number, number * number)

    threads = [threading.Thread(target=work, args=(set(drops),)) for drops in dropped]
    for thread in threads:
        thread.start()
    assert [queue.result(number) for number in range(parts)] == [number * number for number in range(parts)]
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert sorted(computed) == list(range(parts))


def test_workers_do_not_run_far_ahead_of_a_slow_part() -> None:
    queue, taken = WorkQueue(2 * AHEAD, 2, patience=30), []
    assert queue.take() == 0

    def compute_the_rest() -> None:
        while (number := queue.take()) is not None:
            taken.append(number)
            queue.put(number, None)

    thread = threading.Thread(target=compute_the_rest, daemon=True)
    thread.start()
    until = threading.Event()
    while len(taken) < AHEAD - 1:
        until.wait(0.001)
    until.wait(0.05)
    assert taken == list(range(1, AHEAD))
    queue.put(0, None)
    for number in range(2 * AHEAD):
        queue.result(number)
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("end", [lambda queue: queue.fail(ValueError("broken")), lambda queue: queue.lose("a:1")])
def test_waiting_for_a_result_raises_the_reason_why_there_is_none(end: Callable[[WorkQueue], None]) -> None:
    queue = WorkQueue(3, 1, patience=0.0)
    end(queue)
    with pytest.raises((ValueError, DataError), match=r"broken|no TFF worker is left .a:1."):
        queue.result(0)


def test_the_queue_waits_for_a_worker_that_is_connected_again() -> None:
    queue = WorkQueue(1, 1, patience=0.0)
    queue.lose("a:1")
    queue.found("a:1")
    threading.Timer(0.05, lambda: queue.put(0, "computed")).start()
    assert queue.result(0) == "computed"


@given(st.lists(st.integers(0, 9), min_size=1, max_size=AHEAD))
def test_the_largest_part_is_taken_first_and_of_equal_ones_the_first(sizes: list[int]) -> None:
    queue = WorkQueue(len(sizes), 1, 30, sizes)
    taken = [queue.take() for _ in sizes]
    assert taken == sorted(range(len(sizes)), key=lambda number: (-sizes[number], number))


def test_a_large_part_far_ahead_waits_for_the_parts_before_it() -> None:
    queue = WorkQueue(AHEAD + 2, 1, 30, [1] * (AHEAD + 1) + [9])
    assert queue.take() == 0
    queue.put(0, None)
    queue.result(0)
    assert queue.take() == 1
    queue.put(1, None)
    queue.result(1)
    assert queue.take() == AHEAD + 1
