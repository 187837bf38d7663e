"""The queue of a round's parts: threads take parts and put back results, which are handed out in the order of the parts."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from data.errors import DataError

AHEAD = 64  # results that may wait behind a slow part; each is as large as the model

Result = Any  # of a part: a client's partial sums, as the worker's executor returns them (@SERVER)


@dataclass
class WorkQueue:
    """The parts of a round, numbered from 0, and their results; shared by threads.

    The largest parts are computed first (Graham 1969, "Bounds on multiprocessing timing anomalies"): a large one that began last
    would leave the other workers idle. Of parts of the same size, the first comes first.
    """

    parts: int  # number of parts
    workers: int  # number of workers that take parts
    patience: float  # seconds without any worker after which the round fails
    sizes: Sequence[int] = ()  # relative time that each part takes; empty: all take the same
    waiting: list[int] = field(init=False)  # parts to compute, the next one first
    results: dict[int, Result] = field(default_factory=dict)  # by part, until they are handed out
    computed: int = 0  # parts with a result
    merged: int = 0  # parts whose result was handed out
    lost: set[str] = field(default_factory=set)  # addresses of lost workers
    last_lost: float = 0.0  # time on the monotonic clock at which a worker was last lost
    error: Exception | None = None  # reason why the round failed
    closed: bool = False  # whether all parts are computed, or no longer needed
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.waiting = sorted(range(self.parts), key=lambda number: -self.sizes[number] if self.sizes else 0)

    def take(self) -> int | None:
        """Waits for a part to compute; returns its number, or None when there is nothing more to compute."""
        with self.changed:
            while not self.closed:
                # A result that would wait for more than AHEAD others is not computed yet, however large its part is.
                for place, number in enumerate(self.waiting):
                    if number < self.merged + AHEAD:
                        return self.waiting.pop(place)
                self.changed.wait()
            return None

    def put(self, number: int, result: Result) -> None:
        """Stores the result of a part."""
        with self.changed:
            self.results[number] = result
            self.computed += 1
            self.closed = self.closed or self.computed == self.parts
            self.changed.notify_all()

    def give_back(self, number: int) -> None:
        """Returns a part that was not computed. It is the next to be taken, as later results wait for it."""
        with self.changed:
            self.waiting.insert(0, number)
            self.changed.notify_all()

    def lose(self, address: str) -> None:
        """Records that a worker is lost."""
        with self.changed:
            if address not in self.lost:
                self.lost.add(address)
                self.last_lost = time.monotonic()

    def found(self, address: str) -> None:
        """Records that a worker is connected again."""
        with self.changed:
            self.lost.discard(address)

    def fail(self, error: Exception) -> None:
        """Ends the round with an error, which `result` raises."""
        with self.changed:
            self.error = self.error or error
            self.closed = True
            self.changed.notify_all()

    def close(self) -> None:
        """Ends the round: threads that wait for a part get None."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def result(self, number: int) -> Result:
        """Waits for the result of a part, and hands it out once.

        Raises:
          DataError: all workers have been lost for longer than the patience.
          Exception: the error that `fail` was called with.
        """
        with self.changed:
            while number not in self.results:
                if self.error:
                    raise self.error
                if len(self.lost) == self.workers and time.monotonic() > self.last_lost + self.patience:
                    raise DataError(
                        f"no TFF worker is left ({', '.join(sorted(self.lost))}): start them again, and continue with --resume"
                    )
                self.changed.wait(1.0)
            self.merged = number + 1
            self.changed.notify_all()
            return self.results.pop(number)
