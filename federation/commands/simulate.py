"""`federate simulate`: trains the global model in simulated rounds."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.errors import DataError
from federation.aggregation.privacy import privacy_line
from federation.aggregation.server_settings import ALGORITHMS, SERVER_LEARNING_RATES, Server
from federation.commands.options import (
    add_corpus_option,
    add_seed_option,
    add_softmax_option,
    add_summation_options,
    add_trainable_option,
    positive_int,
    positive_number,
    privacy_of,
    summation_of,
)
from federation.large_imports import large_imports
from model.device.folder import PRETRAINED
from model.device.learning.finetuning import FineTuning


def add_simulate_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate simulate`."""
    parser.add_argument("--rounds", type=positive_int, required=True, help="the number of rounds")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument(
        "--init", default=str(PRETRAINED), help="a model folder, or random (default: the shipped model)"
    )
    add_seed_option(parser)
    _add_client_options(parser)
    _add_server_options(parser)
    parser.add_argument(
        "--workers",
        type=parse_addresses,
        default=[],
        metavar="HOST:PORT,…",
        help="run the clients on these workers (federate worker), over unencrypted connections (default: on this machine)",
    )
    parser.add_argument(
        "--checks", type=positive_int, default=20, help="number of recall measurements during the run (default: 20)"
    )
    add_summation_options(parser, floats=True)


def _add_client_options(parser: argparse.ArgumentParser) -> None:
    add_corpus_option(parser)
    parser.add_argument(
        "--clients-per-round", type=positive_int, default=20, help="number of clients in a round (default: 20)"
    )
    parser.add_argument(
        "--cohort",
        choices=("uniform", "words"),
        default="uniform",
        help="sample clients uniformly, or in proportion to their word count (default: uniform)",
    )
    parser.add_argument(
        "--client-learning-rate",
        type=positive_number,
        default=FineTuning.learning_rate,
        help="learning rate of the clients' SGD (default: %(default)g)",
    )
    parser.add_argument(
        "--passes", type=positive_int, default=1, help="passes over a client's words in a round (default: 1)"
    )
    add_trainable_option(parser)
    add_softmax_option(parser)
    parser.add_argument(
        "--max-words", type=positive_int, default=2000, help="maximum words of one client in a round (default: 2000)"
    )


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--algorithm", choices=ALGORITHMS, default="fedavg", help="the server optimizer (default: fedavg)"
    )
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in SERVER_LEARNING_RATES.items())
    parser.add_argument(
        "--server-learning-rate",
        type=positive_number,
        help=f"learning rate of the server optimizer (default: {rates})",
    )
    parser.add_argument(
        "--server-momentum",
        type=positive_number,
        default=0.0,
        help="share of the previous step that the server repeats, below 1, for fedavg and fedprox (default: 0)",
    )
    parser.add_argument(
        "--decay-rounds",
        type=positive_int,
        default=0,
        help="let the server's learning rate fall to zero over this many rounds (default: keep it constant)",
    )
    parser.add_argument(
        "--average-from",
        type=positive_int,
        default=0,
        help="average the models from this round on (default: keep the last model)",
    )
    parser.add_argument(
        "--proximal-strength",
        type=positive_number,
        default=0.01,
        help="strength of the proximal term, for fedprox only (default: 0.01)",
    )


def run_simulate(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate simulate` and returns its result for JSON.

    Raises:
      DataError: the options contradict each other, or an input is invalid.
      UserFacingError: the rounds failed, for example because no worker answers.
    """
    if options.resume and not (options.out / "settings.json").exists():
        raise DataError(
            f"{options.out} holds no run to continue: check --out, or leave out --resume to begin a run there"
        )
    with large_imports():
        from federation.evaluation.change import change_lines
        from federation.simulation.run import simulate
        from federation.simulation.settings import SimulationSettings

    server_rate = options.server_learning_rate or SERVER_LEARNING_RATES[options.algorithm]
    settings = SimulationSettings(
        corpus=options.corpus,
        init=options.init,
        clients_per_round=options.clients_per_round,
        cohort=options.cohort,
        seed=options.seed,
        average_from=options.average_from,
        server=Server(
            *(options.algorithm, server_rate, options.decay_rounds, options.proximal_strength, options.server_momentum)
        ),
        client=FineTuning(
            learning_rate=options.client_learning_rate,
            passes=options.passes,
            max_words=options.max_words,
            trainable=options.trainable,
            softmax=options.softmax,
        ),
        summation=summation_of(options, options.clients_per_round, options.max_words),
        privacy=privacy_of(options),
    )
    outcome = simulate(
        settings, options.rounds, options.out, options.resume, options.command_line, options.checks, options.workers
    )
    before, after = ({"top1": s.top1, "top3": s.top3} for s in (outcome.before, outcome.after))
    for line in change_lines(outcome.people_before, outcome.people_after):
        print(line, file=sys.stderr)
    print(f"The new model: {outcome.model}\nA picture of its progress: {outcome.picture}", file=sys.stderr)
    result = {"rounds": outcome.rounds, "before": before, "after": after, "model": str(outcome.model)}
    if not settings.privacy.private:
        return result
    print(privacy_line(settings.privacy, outcome.spent), file=sys.stderr)
    return result | {"privacy": asdict(outcome.spent)}


def parse_addresses(text: str) -> list[str]:
    """Splits `HOST:PORT,HOST:PORT` into a list of addresses.

    Raises:
      ArgumentTypeError: an address is malformed or named twice.
    """
    addresses = [address.strip() for address in text.split(",")]
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise argparse.ArgumentTypeError(f"{address!r} is not an address of the form HOST:PORT")
        if addresses.count(address) > 1:
            raise argparse.ArgumentTypeError(f"{address} is named twice")
    return addresses
