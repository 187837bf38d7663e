"""`federate benchmark`: measures speed, memory and traffic."""

import argparse
from pathlib import Path
from typing import Any

from federation.commands.options import add_corpus_option, positive_int, positive_number
from model.device.folder import PRETRAINED

PARTS = ("device", "keyboard", "simulation", "workers", "coordinator", "peers", "growth")  # in the report's order
SOAK = "soak"  # takes an hour, so that `all` leaves it out


def add_benchmark_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate benchmark`."""

    def count(flag: str, default: int, text: str) -> None:
        parser.add_argument(flag, type=positive_int, default=default, metavar="N", help=f"{text} (default: {default})")

    parser.add_argument("what", choices=(*PARTS, SOAK, "all"), help="the part to measure, or all but soak")
    parser.add_argument("--model", type=Path, default=PRETRAINED, help="a model folder (default: the shipped model)")
    count("--repeats", 5, "measurements of each quantity")
    count("--typed-words", 2_000, "device: words that a keyboard types and learns from")
    count("--learned-words", 20_000, "device: maximum words to learn from, next to TensorFlow")
    count("--presses", 300, "keyboard: key presses")
    count("--clients", 20, "simulation, workers, peers: clients in a round")
    count("--max-words", 2000, "simulation, workers, peers, growth: maximum words of one client in a round")
    add_corpus_option(parser)
    count("--peer-rounds", 8, "peers: rounds of each system")
    parser.add_argument(
        "--peers",
        type=Path,
        metavar="DIR",
        help="peers: the folder of their installations (default: this user's cache)",
    )
    parser.add_argument("--install-peers", action="store_true", help="peers: install missing peers with pip")
    parser.add_argument(
        "--fleet",
        type=positive_int,
        nargs="+",
        metavar="N",
        help="coordinator: numbers of devices in a round (default: 10 to 1000)",
    )
    parser.add_argument(
        "--minutes",
        type=positive_number,
        default=60.0,
        metavar="N",
        help="soak: minutes of rounds while devices come and go (default: 60)",
    )
    parser.add_argument(
        "--enrolled",
        type=positive_int,
        nargs="+",
        metavar="N",
        help="coordinator: numbers of devices that ask every ten minutes (default: 10000 100000)",
    )
    count("--seconds", 3, "coordinator: seconds of each load of check-ins")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a folder for the results (default: write no files)")


def run_benchmark(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate benchmark` and returns its result for JSON.

    Raises:
      UserFacingError: a measurement failed.
    """
    from federation.benchmarks.coordinator import FLEET
    from federation.benchmarks.coordinator_load import ENROLLED
    from federation.benchmarks.suite import Options, run  # loads matplotlib, which other commands do not need

    names = PARTS if options.what == "all" else (options.what,)
    wanted = Options(
        options.model,
        options.presses,
        options.repeats,
        options.corpus,
        options.clients,
        options.max_words,
        options.peer_rounds,
        options.peers,
        options.install_peers,
        sorted(set(options.fleet or FLEET)),
        sorted(set(options.enrolled or ENROLLED)),
        options.seconds,
        options.minutes,
        options.typed_words,
        options.learned_words,
    )
    return run(names, wanted, options.out)
