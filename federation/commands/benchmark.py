"""The options of `federate benchmark`, and what they come to."""

import argparse
from pathlib import Path
from typing import Any

from model.device.folder import PRETRAINED

PARTS = ("device", "keyboard", "simulation", "workers", "coordinator", "peers", "growth")  # in the order of the page


def add_benchmark_options(parser: argparse.ArgumentParser, count: Any) -> None:
    """Adds them; `count` parses a whole number above zero."""
    parser.add_argument("what", choices=(*PARTS, "all"), help="a part, or all")
    parser.add_argument("--presses", type=count, default=300, metavar="N", help="of keys, for keyboard")
    parser.add_argument("--repeats", type=count, default=5, metavar="N", help="measurements of each thing")
    parser.add_argument("--model", type=Path, default=PRETRAINED)
    parser.add_argument("--clients", type=count, default=20, metavar="N", help="in a round, for simulation and workers")
    parser.add_argument("--max-words", type=count, default=2000, metavar="N", help="of a client in a round, likewise")
    parser.add_argument("--corpus", default="chitchat", help="of the rounds: chitchat, or a JSON Lines file")
    parser.add_argument("--peer-rounds", type=count, default=8, metavar="N", help="of each system, for peers")
    parser.add_argument(
        "--peers", type=Path, metavar="DIR", help="where peers are installed (default: this user's cache)"
    )
    parser.add_argument("--install-peers", action="store_true", help="install those that are missing there, by pip")
    parser.add_argument(
        "--fleet", type=count, nargs="+", metavar="N", help="devices of the coordinator's rounds (default: 10 to 1000)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="a folder for the results")


def run_benchmark(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate benchmark`.

    Raises:
      DataError: something that is measured failed.
    """
    from federation.benchmarks.coordinator import FLEET
    from federation.benchmarks.suite import Options, run  # plots and all, which other commands need not load

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
    )
    return run(names, wanted, options.out)
