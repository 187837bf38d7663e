"""Work in short steps between two frames: it begins as soon as a frame is painted, and makes way for input after each step."""

from collections import deque
from collections.abc import Callable, Generator

__all__ = ("SpareTime", "Work", "spare_time")

Work = Generator[None, None, None]  # yields after each step, of about a millisecond


class SpareTime:
    """The work that is to be done, one piece after the other. The event loop lets it proceed."""

    def __init__(self) -> None:
        self._works: deque[Work] = deque()

    @property
    def wanted(self) -> bool:
        """Whether there is work."""
        return bool(self._works)

    def begin(self, work: Work, first: bool = False) -> None:
        """Has work done after all other work, or before it; work that was dropped goes on where it stopped."""
        self.drop(work)
        if first:
            self._works.appendleft(work)
        else:
            self._works.append(work)

    def drop(self, work: Work | None) -> None:
        """Stops a piece of work until it is begun again."""
        if work is not None and work in self._works:
            self._works.remove(work)

    def clear(self) -> None:
        """Drops all work: the window is closed."""
        self._works.clear()

    def proceed(self, until: Callable[[], bool]) -> None:
        """Takes steps until there is no work left or `until` returns True."""
        while self._works and not until():
            work = self._works[0]
            try:
                next(work)
            except BaseException as end:
                self.drop(work)
                if not isinstance(end, StopIteration):
                    raise


spare_time = SpareTime()
