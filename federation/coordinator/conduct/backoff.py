"""The wait after failed rounds: it doubles with each failure in a row, up to a limit, and ends with the first success."""

import math
from dataclasses import dataclass

_LONGEST_SECONDS = 900.0


@dataclass
class Backoff:
    """The failures in a row. `now` is in seconds of one clock, which should be monotonic."""

    first_seconds: float  # of the wait after the first failure
    failures: int = 0
    until: float = -math.inf  # time at which the next round may begin
    reason: str = ""  # why there is a wait; empty without one

    def fail(self, reason: str, now: float) -> float:
        """Notes a failure; returns the seconds of the wait."""
        seconds: float = min(self.first_seconds * 2.0 ** min(self.failures, 32), _LONGEST_SECONDS)
        self.failures, self.until, self.reason = self.failures + 1, now + seconds, reason
        return seconds

    def reset(self) -> None:
        """Ends the wait: a round succeeded, or the owner wants one now."""
        self.failures, self.until, self.reason = 0, -math.inf, ""

    def left(self, now: float) -> float:
        """Returns the seconds until the next round may begin."""
        return max(self.until - now, 0.0)

    def line(self, now: float) -> str:
        """Returns when the next round begins and why not now, for people; empty without a wait."""
        return (
            f"the next round begins in {math.ceil(self.left(now))} s, because {self.reason}" if self.left(now) else ""
        )
