"""The commands that run rounds with keyboards on this machine: `federate round`, `playground` and the demos."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from federation.commands.options import (
    BadCallError,
    add_seed_option,
    add_softmax_option,
    add_trainable_option,
    positive_int,
    positive_number,
)
from federation.large_imports import large_imports
from model.device.folder import PRETRAINED, PUBLIC, check_free_for_model, load_model
from model.device.learning.finetuning import ROUND_TRAINING


def add_round_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate round`."""
    parser.add_argument(
        "--profiles", type=Path, nargs="+", required=True, metavar="DIR", help="the keyboards' profile folders"
    )
    parser.add_argument(
        "--model", type=Path, default=PRETRAINED, help="the global model to start from (default: the shipped model)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the model folder for the next global model")
    parser.add_argument(
        "--algorithm",
        choices=("fedavg", "fedadam"),
        default="fedavg",
        help="fedavg adds the mean of the deltas, fedadam takes an Adam step along it (default: fedavg)",
    )
    parser.add_argument(
        "--server-learning-rate",
        type=positive_number,
        help="learning rate of the server optimizer (default: 1 for fedavg, 0.01 for fedadam)",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="the folder in which fedadam keeps its moments between rounds; fedavg has none (default: none)",
    )
    add_trainable_option(parser)
    add_softmax_option(parser)
    add_seed_option(parser)
    parser.add_argument(
        "--deadline", type=positive_number, default=300.0, help="seconds to wait for the keyboards (default: 300)"
    )


def run_one_round(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate round` and returns its result for JSON.

    Raises:
      BadCallError: the options contradict each other.
      DataError: a profile or folder is invalid, or no keyboard contributed.
    """
    from federation.local_round import call_keyboards, run_round

    if options.algorithm == "fedadam" and options.state is None:
        raise BadCallError("--algorithm fedadam needs --state DIR to keep its moments between rounds")
    model = load_model(options.model)
    check_free_for_model(options.out)
    how = replace(ROUND_TRAINING, trainable=options.trainable, softmax=options.softmax)
    devices = call_keyboards(options.profiles, model, how, options.seed, options.deadline, options.model)
    # Importing TFF takes seconds, so errors in the options are reported before it.
    with large_imports():
        from federation.aggregation.plain_mean import Aggregation
        from federation.aggregation.server_settings import SERVER_LEARNING_RATES, Server
        from federation.engine.local import engine
        from federation.engine.state_store import StateStore

    rate = options.server_learning_rate or SERVER_LEARNING_RATES[options.algorithm]
    with engine():
        aggregation = Aggregation(model.provenance.config, Server(options.algorithm, rate), options.trainable)
        store = StateStore(options.state) if options.state else None
        if store:
            aggregation.restore(store)
        updated = run_round(devices, model, aggregation, options.out)
        if store:
            aggregation.save(store, updated.provenance.round)
    for device in devices:
        c = device.contribution
        outcome = c.error or f"{c.words:,} words, loss {c.loss_before:.3f} → {c.loss_after:.3f}"
        print(f"{device.profile}: {outcome}", file=sys.stderr)
    print(f"the next global model: {options.out}", file=sys.stderr)
    return {"devices": [device.summary for device in devices], "model": str(options.out)}


def add_start_model_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option for the model that a demo starts from: the public one, to which rounds bring the most."""
    parser.add_argument(
        "--model", type=Path, default=PUBLIC, help="the model folder to start from (default: the shipped public model)"
    )


def add_demo_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate demo`."""
    add_start_model_option(parser)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="the report's folder (default: demo)")
    parser.add_argument("--rounds", type=positive_int, default=50, help="the number of rounds (default: 50)")
    parser.add_argument(
        "--words",
        type=positive_int,
        default=2_000,
        help="words of each of the three people to measure on; with fewer than the default, one person's gain may be chance "
        "(default: %(default)s)",
    )
    add_seed_option(parser)


def run_demo(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate demo` and returns its result for JSON.

    Raises:
      DataError: the folder holds something else, or a keyboard failed.
    """
    with large_imports():
        from federation.demos.three_keyboards import demo

    return demo(options.model, options.out, options.rounds, options.words, options.seed)


def add_demo_devices_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate demo-devices`."""
    add_start_model_option(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("demo-devices"), help="the report's folder (default: demo-devices)"
    )


def run_demo_devices(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate demo-devices` and returns its result for JSON.

    Raises:
      DataError: the folder holds something else, or the coordinator or its rounds failed.
    """
    from federation.demos.eight_devices import demo_devices

    return demo_devices(options.model, options.out)


def add_demo_words_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate demo-words`."""
    add_start_model_option(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("demo-words"), help="the report's folder (default: demo-words)"
    )
    parser.add_argument(
        "--rounds", type=positive_int, default=6, help="the number of rounds with the new words (default: %(default)s)"
    )


def run_demo_words(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate demo-words` and returns its result for JSON.

    Raises:
      DataError: the folder holds something else, or the coordinator, its rounds or a keyboard failed.
    """
    from federation.demos.new_words import demo_words

    return demo_words(options.model, options.out, options.rounds)


def add_playground_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate playground`."""
    add_start_model_option(parser)
    parser.add_argument(
        "--neighbours",
        type=int,
        choices=range(3, 9),
        default=7,
        help="number of keyboards beside the window (default: %(default)s)",
    )
    parser.add_argument(
        "--no-browser",
        dest="browser",
        action="store_false",
        help="do not open the coordinator's page in the browser (default: open it)",
    )


def run_playground(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate playground` until its window is closed; returns its result for JSON.

    Raises:
      DataError: there is no display, or a process of the playground failed.
    """
    from federation.demos.playground import playground

    return playground(options.model, options.neighbours, options.browser)
