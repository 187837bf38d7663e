"""The options of `federate simulate`, and what they come to."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from federation.aggregation.privacy import privacy_line
from federation.aggregation.server_settings import ALGORITHMS, SERVER_LEARNING_RATES, Server
from federation.commands.options import add_summation_options, privacy_of, summation_of
from model.device.folder import PRETRAINED
from model.device.learning.finetuning import FineTuning


def add_simulate_options(parser: argparse.ArgumentParser, count: Any, whole: Any, number: Any) -> None:
    """Adds them; `count`, `whole` and `number` parse a whole number above zero, one that may be zero, and any above zero."""
    parser.add_argument("--rounds", type=count, required=True)
    parser.add_argument("--clients-per-round", type=count, default=20)
    parser.add_argument(
        "--cohort",
        choices=("uniform", "words"),
        default="uniform",
        help="draw clients alike, or so that everybody's words come at one pace",
    )
    parser.add_argument("--seed", type=whole, default=0)
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="fedavg")
    parser.add_argument(
        "--init", default=str(PRETRAINED), help="a model folder, or random (default: the shipped model)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--corpus", default="chitchat", help="chitchat, or a JSON Lines file")
    parser.add_argument(
        "--workers",
        type=parse_addresses,
        default=[],
        metavar="HOST:PORT,…",
        help="let these workers (federate worker) do the clients' part; what they are sent is not encrypted",
    )
    parser.add_argument("--server-learning-rate", type=number)
    parser.add_argument(
        "--decay-rounds",
        type=count,
        default=0,
        help="the server's rate falls to zero over so many (default: it stays)",
    )
    parser.add_argument(
        "--average-from",
        type=count,
        default=0,
        help="average the models from this round on (default: take the last)",
    )
    parser.add_argument("--proximal-strength", type=number, default=0.01, help="of fedprox (default: 0.01)")
    parser.add_argument("--client-learning-rate", type=number, default=FineTuning.learning_rate)
    parser.add_argument("--passes", type=count, default=1, help="over a client's words in a round")
    parser.add_argument("--max-words", type=count, default=2000, help="of one client in a round")
    parser.add_argument(
        "--checks", type=count, default=20, help="how often recall is measured on the way (default: 20 times)"
    )
    add_summation_options(parser, count, number)


def run_simulate(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate simulate`.

    Raises:
      DataError: options contradict each other, an input is not right, or no worker answers.
    """
    from federation.simulation.run import simulate  # TFF, seconds
    from federation.simulation.settings import SimulationSettings

    server_rate = options.server_learning_rate or SERVER_LEARNING_RATES[options.algorithm]
    settings = SimulationSettings(
        corpus=options.corpus,
        init=options.init,
        clients_per_round=options.clients_per_round,
        cohort=options.cohort,
        seed=options.seed,
        average_from=options.average_from,
        server=Server(options.algorithm, server_rate, options.decay_rounds, options.proximal_strength),
        client=FineTuning(
            learning_rate=options.client_learning_rate, passes=options.passes, max_words=options.max_words
        ),
        summation=summation_of(options, options.clients_per_round, options.max_words),
        privacy=privacy_of(options),
    )
    outcome = simulate(
        settings, options.rounds, options.out, options.resume, options.command_line, options.checks, options.workers
    )
    before, after = ({"top1": s.top1, "top3": s.top3} for s in (outcome.before, outcome.after))
    print(
        f"top-1 {before['top1']:.1%} → {after['top1']:.1%}, top-3 {before['top3']:.1%} → {after['top3']:.1%}: {outcome.model}",
        file=sys.stderr,
    )
    result = {"rounds": outcome.rounds, "before": before, "after": after, "model": str(outcome.model)}
    if not settings.privacy.private:
        return result
    print(privacy_line(settings.privacy, outcome.spent), file=sys.stderr)
    return result | {"privacy": asdict(outcome.spent)}


def parse_addresses(text: str) -> list[str]:
    """HOST:PORT,HOST:PORT as a list.

    Raises:
      ArgumentTypeError: one of them is no such address, or is there twice.
    """
    addresses = [address.strip() for address in text.split(",")]
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise argparse.ArgumentTypeError(f"{address!r} is no HOST:PORT")
        if addresses.count(address) > 1:
            raise argparse.ArgumentTypeError(f"{address} is named twice")
    return addresses
