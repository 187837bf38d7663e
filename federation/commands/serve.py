"""`federate serve`: coordinates secure rounds with keyboards on other machines."""

import argparse
from pathlib import Path
from typing import Any

from federation.aggregation.server_settings import DEVICE_ALGORITHMS, SERVER_LEARNING_RATES
from federation.aggregation.sum_settings import SumSettings
from federation.commands.options import add_summation_options, positive_int, positive_number, privacy_of, summation_of
from federation.coordinator.federation_settings import FederationSettings
from federation.coordinator.round_machine import Rules
from federation.protocol.api_messages import Plan
from model.device.folder import PRETRAINED
from model.device.learning.finetuning import ROUND_TRAINING, FineTuning

_STAGES = ("selection", "keys", "shares", "reporting", "consistency", "unmasking")


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate serve`. A federation's first start fixes those of training, summing and privacy."""
    rules = Rules()
    parser.add_argument("--folder", type=Path, required=True, help="the folder of the coordinator's data")
    parser.add_argument(
        "--model", type=Path, default=PRETRAINED, help="the global model to start from (default: the shipped model)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8470, help="the port for devices (default: %(default)s)")
    parser.add_argument("--address", help="the address at which devices reach the coordinator (default: --host)")
    parser.add_argument(
        "--control-port",
        type=int,
        default=8471,
        help="the dashboard's port, on this machine only (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=0, help="rounds to schedule at startup")
    parser.add_argument("--invite", type=int, default=1, metavar="N", help="join links to print at startup")
    parser.add_argument(
        "--minimum", type=positive_int, default=rules.minimum, help="minimum number of devices in a sum"
    )
    parser.add_argument("--target", type=positive_int, default=rules.target, help="maximum number of devices in a sum")
    parser.add_argument(
        "--over-selection",
        type=positive_number,
        default=rules.over_selection,
        help="devices to select per device of the target, since some drop out (above 100 devices at most 1.11)",
    )
    for stage in _STAGES:
        default = getattr(rules, f"{stage}_seconds")
        parser.add_argument(
            f"--{stage}-seconds",
            type=positive_number,
            default=default,
            help=f"maximum seconds of the {stage} stage (default: {default:g})",
        )
    parser.add_argument(
        "--learning-rate",
        type=positive_number,
        default=ROUND_TRAINING.learning_rate,
        help="learning rate of the devices",
    )
    parser.add_argument(
        "--passes", type=positive_int, default=ROUND_TRAINING.passes, help="passes over a device's words in a round"
    )
    parser.add_argument(
        "--max-words",
        type=positive_int,
        default=ROUND_TRAINING.max_words,
        help="maximum words of one device in a round",
    )
    parser.add_argument("--algorithm", choices=DEVICE_ALGORITHMS, default="fedavg", help="the server optimizer")
    parser.add_argument(
        "--server-learning-rate", type=positive_number, help="default: 1 for fedavg, 0.01 for the others"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the rotations of model deltas")
    add_summation_options(parser)


def run_serve(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate serve` until it is stopped; returns the folder and the result of `serve.run`.

    Raises:
      DataError: the options contradict each other, or `serve.run` raises it.
      OSError: a port is taken.
    """
    address = options.address or options.host
    seconds = [getattr(options, f"{stage}_seconds") for stage in _STAGES]
    rules = Rules(options.minimum, options.target, options.over_selection, *seconds)
    privacy = privacy_of(options)
    training = FineTuning(learning_rate=options.learning_rate, passes=options.passes, max_words=options.max_words)
    Plan.check_fields(**vars(training))  # raises here, not when a round opens
    summation = summation_of(options, options.target, options.max_words, options.minimum) or SumSettings(
        cohort=options.target, minimum=options.minimum, max_weight=options.max_words
    )
    summation.encoding(1, privacy)  # raises here, not in the learner, if the settings contradict each other
    rate = options.server_learning_rate or SERVER_LEARNING_RATES[options.algorithm]
    federation = FederationSettings(training, summation, privacy, options.algorithm, rate, options.seed)
    from federation.coordinator.serve import (  # the web servers take a second that other commands need not spend
        Places,
        run,
    )

    places = Places(options.folder, options.model, options.host, options.port, address, options.control_port)
    return {"folder": str(options.folder)} | run(places, rules, federation, options.rounds, options.invite)
