import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.engine.work_queue import AHEAD, WorkQueue


@settings(deadline=None)
@given(st.integers(1, 40), st.lists(st.sets(st.integers(0, 39)), min_size=1, max_size=4))
def test_every_part_is_brought_once_and_in_order_whoever_drops_it(parts: int, dropped: list[set[int]]) -> None:
    board, brought = WorkQueue(parts, len(dropped), patience=30), []

    def work(drops: set[int]) -> None:
        while (number := board.take()) is not None:
            if number in drops:  # each worker drops each of these once
                drops.discard(number)
                board.give_back(number)
            else:
                brought.append(number)
                board.put(number, number * number)

    threads = [threading.Thread(target=work, args=(set(drops),)) for drops in dropped]
    for thread in threads:
        thread.start()
    assert [board.result(number) for number in range(parts)] == [number * number for number in range(parts)]
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert sorted(brought) == list(range(parts))


def test_nobody_runs_far_ahead_of_a_slow_part() -> None:
    board, taken = WorkQueue(2 * AHEAD, 2, patience=30), []
    assert board.take() == 0

    def hurry() -> None:
        while (number := board.take()) is not None:
            taken.append(number)
            board.put(number, None)

    thread = threading.Thread(target=hurry, daemon=True)
    thread.start()
    until = threading.Event()
    while len(taken) < AHEAD - 1:
        until.wait(0.001)
    until.wait(0.05)
    assert taken == list(range(1, AHEAD))
    board.put(0, None)
    for number in range(2 * AHEAD):
        board.result(number)
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("end", [lambda board: board.fail(ValueError("broken")), lambda board: board.lose("a:1")])
def test_who_waits_for_a_result_hears_why_there_is_none(end: Callable[[WorkQueue], None]) -> None:
    board = WorkQueue(3, 1, patience=0.0)
    end(board)
    with pytest.raises((ValueError, DataError), match=r"broken|no TFF worker is left .a:1."):
        board.result(0)


def test_a_worker_that_is_found_again_is_waited_for() -> None:
    board = WorkQueue(1, 1, patience=0.0)
    board.lose("a:1")
    board.found("a:1")
    threading.Timer(0.05, lambda: board.put(0, "brought")).start()
    assert board.result(0) == "brought"
