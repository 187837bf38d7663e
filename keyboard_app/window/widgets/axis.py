"""Where the numbers of a plot's axis stand."""

import math


def ticks(end: float, count: int) -> list[float]:
    """Round numbers from 0 to the first that is not below `end`, about `count` of them; 1, 2 and 5 times powers of ten apart."""
    rough = end / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    return [round(i * step, 10) for i in range(math.ceil(round(end / step, 6)) + 1)]
