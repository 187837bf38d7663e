"""The options of commands that sum deltas: how few bits, how they are bounded, and what is promised to people."""

import argparse
import math
from typing import Any

from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import SumSettings

_DEFAULT_CLIP = 1.0


def add_summation_options(parser: argparse.ArgumentParser, count: Any, number: Any) -> None:
    """Adds them; `count` and `number` parse a whole number above zero, and any."""
    parser.add_argument("--bits", type=count, help="sum deltas as integers of so many bits, 2 to 16 (32: as floats)")
    parser.add_argument(
        "--clip", type=number, help=f"the L2 norm that deltas are clipped to (default: {_DEFAULT_CLIP:g})"
    )
    parser.add_argument(
        "--clip-quantile", type=number, help="let the clipping norm follow this quantile of the deltas' norms"
    )
    parser.add_argument("--zeroing", action="store_true", help="count deltas that are far out as zeros")
    parser.add_argument("--dp", choices=("tree", "distributed"), help="differential privacy for people, by this noise")
    parser.add_argument("--noise-multiplier", type=number, help="of the noise, in clipping norms (needed with --dp)")
    parser.add_argument(
        "--period", type=count, help="rounds in which a person takes part at most once (needed with --dp)"
    )
    parser.add_argument("--delta", type=number, default=Privacy.delta, help="of the epsilon that is shown")
    parser.add_argument("--max-epsilon", type=number, default=math.inf, help="rounds stop before they spend more")
    parser.add_argument("--max-rho", type=number, default=math.inf, help="likewise, of zero-concentrated privacy")


def privacy_of(options: argparse.Namespace) -> Privacy:
    """The promise that options ask for.

    Raises:
      DataError: it is none.
    """
    return Privacy(
        options.dp or "none",
        options.noise_multiplier or 0.0,
        options.period or 0,
        options.delta,
        options.max_epsilon,
        options.max_rho,
    )


def summation_of(options: argparse.Namespace, cohort: int, max_words: int, minimum: int = 0) -> SumSettings | None:
    """How deltas are bounded and summed; None where no option asks for anything but their mean.

    Raises:
      DataError: the options contradict each other.
    """
    if not (options.bits or options.clip or options.clip_quantile or options.zeroing or options.dp):
        return None
    return SumSettings(
        options.bits or SumSettings.bits,
        cohort,
        minimum,
        options.clip or _DEFAULT_CLIP,
        options.clip_quantile or 0.0,
        options.zeroing,
        1 if options.dp else max_words,
    )
