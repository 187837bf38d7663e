"""Work done step by step: generators that yield between steps, for who runs them to wait or stop there, and return a result."""

from collections.abc import Generator
from typing import TypeVar

_Result = TypeVar("_Result")
_Shown = TypeVar("_Shown")


def result_of(work: Generator[object, None, _Result]) -> _Result:
    """What it returns, when it is run to its end here and now."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def shown_as(shown: _Shown, work: Generator[object, None, _Result]) -> Generator[_Shown, None, _Result]:
    """The same work, which yields this in the place of what it does not say of itself."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value
        yield shown
