"""Options that several commands share, and the parsers of their numbers."""

import argparse
import math
from typing import Any

from data.errors import UserFacingError
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import SumSettings
from model.device.sampling import FULL, SOFTMAXES
from model.device.trainable import TRAINABLE

_DEFAULT_CLIP = 1.0


class BadCallError(UserFacingError):
    """Options that contradict each other."""


def positive_int(text: str) -> int:
    """Parses a whole number of at least 1.

    Raises:
      ArgumentTypeError: the text is something else.
    """
    if (value := _whole_number(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def non_negative_int(text: str) -> int:
    """Parses a whole number of at least 0.

    Raises:
      ArgumentTypeError: the text is something else.
    """
    if (value := _whole_number(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def positive_number(text: str) -> float:
    """Parses a finite number above 0.

    Raises:
      ArgumentTypeError: the text is something else.
    """
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid number: {text!r}") from None
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid whole number: {text!r}") from None


def port_number(text: str) -> int:
    """Parses the number of a port, 1 to 65535.

    Raises:
      ArgumentTypeError: the text is something else.
    """
    if not 1 <= (value := _whole_number(text)) < 2**16:
        raise argparse.ArgumentTypeError(f"{text} is not a port, which is a number from 1 to 65535")
    return value


CORPORA = "chitchat, self-dialogues:DIR (a clone of the Self-dialogue Corpus), or a JSON Lines file"


class JoinCorpora(argparse.Action):
    """Collects the corpora of `--corpus A B` or `--corpus A --corpus B` in one name, as `data.corpus.open_corpus` takes it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, flag: str | None = None
    ) -> None:
        """Adds the names of one use of the option."""
        given = getattr(namespace, self.dest) if self.dest in getattr(namespace, "corpora_given", ()) else None
        setattr(namespace, self.dest, ",".join([*([given] if given else []), *values]))
        namespace.corpora_given = {*getattr(namespace, "corpora_given", ()), self.dest}


def add_corpus_option(
    parser: argparse.ArgumentParser, default: str | None = "chitchat", flag: str = "--corpus", use: str = ""
) -> None:
    """Adds `--corpus`, or another flag that names corpora; without a default it is required.

    `use` says what the corpora are for, after their names.
    """
    end = f"default: {default}" if default else "required"
    parser.add_argument(
        flag,
        nargs="+",
        action=JoinCorpora,
        default=default,
        required=not default,
        metavar="NAME",
        help=f"{CORPORA}{f', {use}' if use else ''}; several are used as one ({end})",
    )


def add_seed_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--seed`."""
    parser.add_argument("--seed", type=non_negative_int, default=0, help="seed of everything random (default: 0)")


def add_users_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--users`, which chooses a part of the corpus's users."""
    parser.add_argument(
        "--users",
        choices=("train", "validation", "test", "all"),
        default="test",
        help="the part of the corpus's users to measure (default: test)",
    )


def add_trainable_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--trainable`."""
    parser.add_argument(
        "--trainable",
        choices=TRAINABLE,
        default="all",
        help="the weights that are trained and sent: the output bias, the head (output bias, gate bias and projection), or all "
        "(default: all)",
    )


def add_softmax_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--softmax`."""
    parser.add_argument(
        "--softmax",
        choices=SOFTMAXES,
        default=FULL,
        help="the words over which clients compute the softmax: all of them, or some hundred sampled candidates of each batch, "
        "which is two to three times as fast and costs a little recall (default: full)",
    )


def add_summation_options(parser: argparse.ArgumentParser, floats: bool = False) -> None:
    """Adds the options for clipping and summing deltas, and for differential privacy.

    With `floats`, sums may also be of floats, and are so without any of these options.
    """
    more = f", or as floats for 32 (default: {SumSettings.bits} with any other option of sums)"
    parser.add_argument(
        "--bits",
        type=positive_int,
        help="sum deltas as integers of this many bits, 2 to 16"
        + (more if floats else f" (default: {SumSettings.bits})"),
    )
    parser.add_argument(
        "--clip", type=positive_number, help=f"the L2 norm that deltas are clipped to (default: {_DEFAULT_CLIP:g})"
    )
    parser.add_argument(
        "--clip-quantile",
        type=positive_number,
        help="let the clipping norm follow this quantile of the deltas' norms (default: keep it constant)",
    )
    parser.add_argument("--zeroing", action="store_true", help="replace outlying deltas by zeros")
    parser.add_argument(
        "--dp",
        choices=("tree", "distributed"),
        help="user-level differential privacy with this kind of noise (default: none)",
    )
    parser.add_argument(
        "--noise-multiplier",
        type=positive_number,
        help="the noise's standard deviation in clipping norms (required with --dp; default: no noise)",
    )
    parser.add_argument(
        "--period",
        type=positive_int,
        help="number of rounds in which a person takes part at most once (required with --dp; default: no limit)",
    )
    parser.add_argument(
        "--delta",
        type=positive_number,
        default=Privacy.delta,
        help=f"the delta at which epsilon is reported (default: {Privacy.delta:g})",
    )
    parser.add_argument(
        "--max-epsilon",
        type=positive_number,
        default=math.inf,
        help="stop before epsilon exceeds this (default: no limit)",
    )
    parser.add_argument(
        "--max-rho",
        type=positive_number,
        default=math.inf,
        help="stop before rho of zero-concentrated differential privacy exceeds this (default: no limit)",
    )


def privacy_of(options: argparse.Namespace) -> Privacy:
    """Returns the privacy settings of the options.

    Raises:
      DataError: the options contradict each other.
    """
    return Privacy(
        options.dp or "none",
        options.noise_multiplier or 0.0,
        options.period or 0,
        options.delta,
        options.max_epsilon,
        options.max_rho,
    )


def summation_of(options: argparse.Namespace, cohort: int, max_words: int) -> SumSettings | None:
    """Returns the settings of clipping and summing deltas, or None if the options request only a plain mean.

    Raises:
      DataError: the options contradict each other.
    """
    if not (options.bits or options.clip or options.clip_quantile or options.zeroing or options.dp):
        return None
    return SumSettings(
        options.bits or SumSettings.bits,
        cohort,
        SumSettings.minimum,
        options.clip or _DEFAULT_CLIP,
        options.clip_quantile or 0.0,
        options.zeroing,
        1 if options.dp else max_words,
    )
