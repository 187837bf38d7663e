"""Work for the next key, done between two keys: a few steps of a network in each frame."""

from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from kivy.clock import Clock

__all__ = ("BetweenKeys",)

_STEPS_A_FRAME = 2  # they take about a millisecond

_Result = TypeVar("_Result")


class BetweenKeys(Generic[_Result]):
    """Runs one piece of work, a generator that yields after each step, and shows its result. A new key replaces the work."""

    def __init__(self, show: Callable[[_Result], object]) -> None:
        self._show = show
        self._work: Generator[None, None, _Result] | None = None
        self._next = Clock.create_trigger(self._proceed)

    def begin(self, work: Generator[None, None, _Result]) -> None:
        """Starts the work in the next frame."""
        self._work = work
        self._next()

    def stop(self) -> None:
        """Drops unfinished work."""
        self._work = None
        self._next.cancel()

    def _proceed(self, _elapsed: float) -> None:
        work = self._work
        if work is None:
            return
        try:
            for _ in range(_STEPS_A_FRAME):
                next(work)
        except StopIteration as end:
            self._work = None
            self._show(end.value)
            return
        self._next()
