"""The options of `federate serve`, and what they come to."""

import argparse
from pathlib import Path
from typing import Any

from federation.aggregation.server_settings import DEVICE_ALGORITHMS, SERVER_LEARNING_RATES
from federation.aggregation.sum_settings import SumSettings
from federation.commands.options import add_summation_options, privacy_of, summation_of
from federation.coordinator.federation_settings import FederationSettings
from federation.coordinator.round_machine import Rules
from model.device.folder import PRETRAINED
from model.device.learning.finetuning import ROUND_TRAINING, FineTuning


def add_serve_options(parser: argparse.ArgumentParser, count: Any, number: Any) -> None:
    """Adds them; `count` and `number` parse a whole number above zero, and any.

    Those of training, summing and privacy hold from a federation's first start to its end.
    """
    rules = Rules()
    parser.add_argument("--folder", type=Path, required=True, help="all that the coordinator keeps")
    parser.add_argument(
        "--model", type=Path, default=PRETRAINED, help="the global model to begin with (default: the shipped one)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8470)
    parser.add_argument("--address", help="how devices reach it (default: --host)")
    parser.add_argument("--control-port", type=int, default=8471, help="of the dashboard, on this machine alone")
    parser.add_argument("--rounds", type=int, default=0, help="so many rounds are wanted from the start")
    parser.add_argument("--invite", type=int, default=1, metavar="N", help="show so many join links at the start")
    parser.add_argument("--minimum", type=count, default=rules.minimum, help="devices without which there is no sum")
    parser.add_argument("--target", type=count, default=rules.target, help="devices that a round sums over at most")
    parser.add_argument(
        "--over-selection", type=number, default=rules.over_selection, help="devices called for each of these"
    )
    for stage in ("selection", "keys", "shares", "reporting", "unmasking"):
        default = getattr(rules, f"{stage}_seconds")
        parser.add_argument(f"--{stage}-seconds", type=number, default=default, help=f"default: {default:g}")
    parser.add_argument("--learning-rate", type=number, default=ROUND_TRAINING.learning_rate, help="of the devices")
    parser.add_argument("--passes", type=count, default=ROUND_TRAINING.passes, help="over a device's words in a round")
    parser.add_argument("--max-words", type=count, default=ROUND_TRAINING.max_words, help="of one device in a round")
    parser.add_argument("--algorithm", choices=DEVICE_ALGORITHMS, default="fedavg")
    parser.add_argument("--server-learning-rate", type=number, help="default: 1 for fedavg, 0.01 for the others")
    parser.add_argument("--seed", type=int, default=0)
    add_summation_options(parser)


def run_serve(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate serve` until it is stopped; returns what it came to.

    Raises:
      DataError: options contradict each other, or the folder is another's.
      OSError: a port is taken.
    """
    address = options.address or options.host
    seconds = [getattr(options, f"{s}_seconds") for s in ("selection", "keys", "shares", "reporting", "unmasking")]
    rules = Rules(options.minimum, options.target, options.over_selection, *seconds)
    privacy = privacy_of(options)
    training = FineTuning(learning_rate=options.learning_rate, passes=options.passes, max_words=options.max_words)
    summation = summation_of(options, options.target, options.max_words, options.minimum) or SumSettings(
        cohort=options.target, minimum=options.minimum, max_weight=options.max_words
    )
    summation.encoding(1, privacy)  # what does not fit together is said now and not by the worker
    rate = options.server_learning_rate or SERVER_LEARNING_RATES[options.algorithm]
    federation = FederationSettings(training, summation, privacy, options.algorithm, rate, options.seed)
    from federation.coordinator.serve import (  # the web servers take a second that other commands need not spend
        Places,
        run,
    )

    places = Places(options.folder, options.model, options.host, options.port, address, options.control_port)
    return {"folder": str(options.folder)} | run(places, rules, federation, options.rounds, options.invite)
