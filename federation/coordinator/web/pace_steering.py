"""Pace steering: a coordinator of many devices tells each of them when to ask again.

The method is that of Bonawitz et al. 2019 (arXiv 1902.01046, Section 2.3). Devices of a small federation ask at their own pace,
every ten seconds or every minute, and wait for the answer. From some thousands on, their check-ins alone would fill the process.
They are then told to come back later, each after a random time, so that about the same number of check-ins arrives in every
second, however many devices there are.
"""

from collections.abc import Callable
from random import random

from federation.protocol.api_messages import LONGEST_PAUSE

CHECK_INS_A_SECOND = 200  # on average; a process answers several times as many
_OWN_PACE = 10.0  # seconds between two check-ins of `keyboard device`
_COUNT_SECONDS = 10.0  # between two counts of the devices


class PaceSteering:
    """Says after how many seconds a device without a task should ask again."""

    def __init__(self, count: Callable[[], int], draw: Callable[[], float] = random) -> None:
        """Steers the devices of a federation.

        Args:
          count: returns the number of devices.
          draw: returns a random number from 0 to 1, for the spread.
        """
        self._count, self._draw = count, draw
        self._counted = (float("-inf"), 0)  # when the devices were counted, and their number

    def pause(self, now: float) -> float:
        """Returns the seconds of a pause; 0 if the device may keep its own pace.

        Pauses are spread evenly from half of their mean to one and a half times it.
        """
        if not 0 <= now - self._counted[0] < _COUNT_SECONDS:
            self._counted = now, self._count()
        mean = self._counted[1] / CHECK_INS_A_SECOND
        return 0.0 if mean <= _OWN_PACE else min(mean * (0.5 + self._draw()), LONGEST_PAUSE)
