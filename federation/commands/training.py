"""The commands around training: `federate pretrain`, `search`, `central` and `export`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from data.files import write_by_rename
from federation.commands.options import add_corpus_option, add_seed_option, positive_int, positive_number
from federation.large_imports import large_imports
from model.device.folder import PRETRAINED, WEIGHTS, load_model
from model.device.weights import digest

_PUBLIC_PASSES = 2  # over public text


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate search`."""
    parser.add_argument(
        "--trials", type=Path, help="a TOML file of runs (default: the search that chose the shipped settings)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the runs' folder; runs already begun there continue")


def run_search(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate search` and returns its result for JSON.

    Raises:
      DataError: the TOML file or the folder is invalid.
    """
    with large_imports():
        from federation.simulation.search import TRIALS, search

    rows = search(options.trials or TRIALS, options.out)
    for row in rows:
        line = f"{row['name']:32} recall at 1 {row['top1']:.1%}, perplexity {row['perplexity']:.1f}"
        print(line, file=sys.stderr)
    return {"runs": rows}


def add_pretrain_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate pretrain`."""
    add_corpus_option(parser, default=None)
    _add_central_training_options(parser, passes=_PUBLIC_PASSES)


def run_pretrain(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate pretrain` and returns its result for JSON.

    Raises:
      DataError: the corpus or the folder is invalid.
    """
    with large_imports():
        from federation.simulation.central import PUBLIC_START

    return _train_in_one_place(options, "random", PUBLIC_START)


def add_central_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate central`."""
    add_corpus_option(parser)
    parser.add_argument(
        "--init", default="random", help="start from a model folder or from random weights (default: random)"
    )
    _add_central_training_options(parser, passes=4)


def run_central(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate central` and returns its result for JSON.

    Raises:
      DataError: the corpus or the folder is invalid.
    """
    with large_imports():
        from federation.simulation.central import BASELINE

    return _train_in_one_place(options, options.init, BASELINE)


def _add_central_training_options(parser: argparse.ArgumentParser, passes: int) -> None:
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument(
        "--passes",
        type=positive_int,
        default=passes,
        help="passes over all training users' words (default: %(default)s)",
    )
    parser.add_argument(
        "--learning-rate", type=positive_number, default=0.006, help="learning rate of Adam (default: 0.006)"
    )
    add_seed_option(parser)
    parser.add_argument("--steps", type=positive_int, help="stop after this many steps (default: do all passes)")


def _train_in_one_place(options: argparse.Namespace, init: str, purpose: str) -> dict[str, Any]:
    from federation.simulation.central import Central, train_centrally

    how = Central(options.corpus, init, options.passes, options.learning_rate, seed=options.seed)
    scores = train_centrally(how, options.out, options.command_line, purpose, options.steps)
    model = options.out / "model"
    print(f"recall at 1 {scores.top1:.1%}, recall at 3 {scores.top3:.1%}: {model}", file=sys.stderr)
    return {"top1": scores.top1, "top3": scores.top3, "perplexity": scores.perplexity, "model": str(model)}


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate export`."""
    parser.add_argument("--model", type=Path, default=PRETRAINED, help="a model folder (default: the shipped model)")
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="the file or folder to write")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--without-weights", action="store_true", help="write only the program, like program.tflite in a model folder"
    )
    what.add_argument(
        "--folder",
        action="store_true",
        help="write a model folder to ship with the app: weights in 16 bits, and no program",
    )
    what.add_argument(
        "--programs", action="store_true", help="write the programs that the app comes with, one file for each size"
    )


def run_export(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate export` and returns its result for JSON.

    Raises:
      DataError: the model folder is invalid.
      OSError: the file cannot be written.
    """
    if options.programs:
        from federation.shipping import ship_programs

        paths = ship_programs(options.out)
        for path in paths:
            print(f"{path}: {path.stat().st_size:,} bytes", file=sys.stderr)
        return {"programs": [str(path) for path in paths]}
    model = load_model(options.model)
    if options.folder:
        from federation.shipping import ship

        shipped = ship(model, options.out, options.command_line)
        size = (options.out / WEIGHTS).stat().st_size
        print(f"{options.out}: weights of {size:,} bytes, SHA-256 {digest(shipped.weights)}", file=sys.stderr)
        return {"model": str(options.out), "bytes": size, "sha256": digest(shipped.weights)}
    options.out.parent.mkdir(parents=True, exist_ok=True)  # a bad path is refused before seconds of work
    with large_imports():
        from model.program import build_program

    content = build_program(model.provenance.config, None if options.without_weights else model.weights)
    write_by_rename(options.out, content)
    print(f"{options.out}: {len(content):,} bytes", file=sys.stderr)
    return {"program": str(options.out), "bytes": len(content)}
