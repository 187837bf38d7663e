"""The options of `federate serve`, and what they come to."""

import argparse
from pathlib import Path
from typing import Any

from federation.coordinator.federation_settings import FederationSettings
from federation.coordinator.round_machine import Rules
from federation.privacy import MECHANISMS, Privacy
from federation.summation import Summation
from model.device.finetuning import ROUND_TRAINING, FineTuning
from model.device.folder import PRETRAINED


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    """The options of `federate serve`. Those of training, summing and privacy hold from a federation's first start to its end."""
    rules, summation, privacy = Rules(), Summation(), Privacy()
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
    parser.add_argument("--minimum", type=int, default=rules.minimum, help="devices without which there is no sum")
    parser.add_argument("--target", type=int, default=rules.target, help="devices that a round sums over at most")
    parser.add_argument(
        "--over-selection", type=float, default=rules.over_selection, help="devices called for each of these"
    )
    for stage in ("selection", "keys", "shares", "reporting", "unmasking"):
        default = getattr(rules, f"{stage}_seconds")
        parser.add_argument(f"--{stage}-seconds", type=float, default=default, help=f"default: {default:g}")
    parser.add_argument("--learning-rate", type=float, default=ROUND_TRAINING.learning_rate, help="of the devices")
    parser.add_argument("--passes", type=int, default=ROUND_TRAINING.passes, help="over a device's words in a round")
    parser.add_argument("--max-words", type=int, default=ROUND_TRAINING.max_words, help="of one device in a round")
    parser.add_argument("--bits", type=int, default=summation.bits, help="of an entry as sent")
    parser.add_argument("--clipping-norm", type=float, default=summation.clipping_norm, help="of a device's update")
    parser.add_argument(
        "--clipping-quantile", type=float, default=0.0, help="of the updates' norms that clipping follows; 0: none"
    )
    parser.add_argument("--algorithm", choices=("fedavg", "fedadam", "fedyogi"), default="fedavg")
    parser.add_argument("--server-learning-rate", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--privacy", choices=MECHANISMS, default=privacy.mechanism, help="differential privacy (default: none)"
    )
    parser.add_argument("--noise-multiplier", type=float, default=1.0)
    parser.add_argument("--period", type=int, default=20, help="rounds in which a device takes part at most once")
    parser.add_argument("--delta", type=float, default=privacy.delta)
    parser.add_argument(
        "--max-epsilon", type=float, default=privacy.max_epsilon, help="rounds stop before they would spend more"
    )


def run_serve(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate serve`.

    Raises:
      DataError: options contradict each other, or the folder is another's.
      OSError: a port is taken.
    """
    address = options.address or options.host
    seconds = [getattr(options, f"{s}_seconds") for s in ("selection", "keys", "shares", "reporting", "unmasking")]
    rules = Rules(options.minimum, options.target, options.over_selection, *seconds)
    private = options.privacy != "none"
    privacy = (
        Privacy(options.privacy, options.noise_multiplier, options.period, options.delta, options.max_epsilon)
        if private
        else Privacy()
    )
    training = FineTuning(learning_rate=options.learning_rate, passes=options.passes, max_words=options.max_words)
    summation = Summation(
        bits=options.bits,
        cohort=options.target,
        minimum=options.minimum,
        clipping_norm=options.clipping_norm,
        clipping_quantile=options.clipping_quantile,
        max_weight=1 if private else options.max_words,
    )
    federation = FederationSettings(
        training, summation, privacy, options.algorithm, options.server_learning_rate, options.seed
    )
    from federation.coordinator.serve import (  # the web servers take a second that other commands need not spend
        Places,
        run,
    )

    places = Places(options.folder, options.model, options.host, options.port, address, options.control_port)
    run(places, rules, federation, options.rounds, options.invite)
    return {"folder": str(options.folder)}
