"""Long work as generators: they yield between steps, so that the caller can pause or stop, and return a result."""

from collections.abc import Generator
from typing import TypeVar

_Result = TypeVar("_Result")
_Yielded = TypeVar("_Yielded")


def result_of(work: Generator[object, None, _Result]) -> _Result:
    """Runs a generator to its end and returns its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: _Result = end.value
            return result


def yielding(value: _Yielded, work: Generator[object, None, _Result]) -> Generator[_Yielded, None, _Result]:
    """Runs the same work but yields `value` after each of its steps; returns its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: _Result = end.value
            return result
        yield value
