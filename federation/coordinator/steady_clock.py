"""The coordinator's time, which nobody can set forward or back: it decides when the stages of a round end."""

import time


class SteadyClock:
    """Seconds since 1970 by the system's clock when this object was made, and from then on by one that cannot be set.

    Stages have deadlines of seconds: with the system's clock, setting it back by a day would keep a stage open for a day, and
    setting it forward would end it. No stage lasts beyond the end of the process, so that nothing has to be kept for a restart.
    """

    def __init__(self) -> None:
        self._offset = time.time() - _seconds()

    def __call__(self) -> float:
        """Returns the time now."""
        return self._offset + _seconds()


def _seconds() -> float:
    """Returns seconds of a clock that cannot be set; on Linux they go on while the machine is suspended, as devices' time does."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


steady_time = SteadyClock()
