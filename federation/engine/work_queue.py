"""A round's work, shared by threads: parts that are taken, brought back, given back, and handed on in their order."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from data.errors import DataError

AHEAD = 64  # parts that may wait behind a slow one: each is as large as the model


@dataclass
class WorkQueue:
    """What is to be done in a round, who takes it, and what came of it; shared by threads."""

    parts: int
    workers: int
    patience: float  # seconds without any worker
    waiting: deque[int] = field(init=False)
    results: dict[int, Any] = field(default_factory=dict)
    brought: int = 0
    merged: int = 0  # parts that were handed out again
    lost: set[str] = field(default_factory=set)
    alone_since: float = 0.0
    error: Exception | None = None
    closed: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.waiting = deque(range(self.parts))

    def take(self) -> int | None:
        """A part to do, once there is one; none when all is done."""
        with self.changed:
            while not self.closed and not (self.waiting and self.waiting[0] < self.merged + AHEAD):
                self.changed.wait()
            return None if self.closed else self.waiting.popleft()

    def put(self, number: int, result: Any) -> None:
        """What a part came to."""
        with self.changed:
            self.results[number] = result
            self.brought += 1
            self.closed = self.closed or self.brought == self.parts
            self.changed.notify_all()

    def give_back(self, number: int) -> None:
        """A part that was not done; whoever is free does it next, for others wait to be merged behind it."""
        with self.changed:
            self.waiting.appendleft(number)
            self.changed.notify_all()

    def lose(self, address: str) -> None:
        """A worker is gone."""
        with self.changed:
            if address not in self.lost:
                self.lost.add(address)
                self.alone_since = time.monotonic()

    def found(self, address: str) -> None:
        """A worker is there again."""
        with self.changed:
            self.lost.discard(address)

    def fail(self, error: Exception) -> None:
        """The round can't be done."""
        with self.changed:
            self.error = self.error or error
            self.closed = True
            self.changed.notify_all()

    def close(self) -> None:
        """Nobody waits any more."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def result(self, number: int) -> Any:
        """What a part came to, once it is there; it is handed out once.

        Raises:
          DataError: no worker was left for longer than the patience lasts.
        """
        with self.changed:
            while number not in self.results:
                if self.error:
                    raise self.error
                if len(self.lost) == self.workers and time.monotonic() > self.alone_since + self.patience:
                    raise DataError(
                        f"no TFF worker is left ({', '.join(sorted(self.lost))}): start them again, and go on with --resume"
                    )
                self.changed.wait(1.0)
            self.merged = number + 1
            self.changed.notify_all()
            return self.results.pop(number)
