"""The desktop's commands: `federate …`."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from data.errors import DataError
from model.device.finetuning import FineTuning
from model.device.folder import PRETRAINED

Result = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0 on success, 1 when the work failed, 2 for a bad call."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own notices are not for whoever types commands
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(arguments)
    options.command_line = shlex.join(["uv", "run", "federate", *arguments])
    try:
        result = options.run(options)
    except DataError as error:
        print(f"federate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("federate: stopped", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("federate", description="Federated learning of a keyboard's next-word model.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], Result], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        added.set_defaults(run=run)
        return added

    simulate = command("simulate", _simulate, "Train the global model in simulated rounds over a corpus's users.")
    simulate.add_argument("--rounds", type=_positive, required=True)
    simulate.add_argument("--clients-per-round", type=_positive, default=20)
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--out", type=Path, required=True, help="the run's folder")
    simulate.add_argument("--algorithm", choices=("fedavg", "fedadam"), default="fedavg")
    simulate.add_argument("--init", default=str(PRETRAINED), help="a model folder, or random (default: the shipped model)")
    simulate.add_argument("--resume", action="store_true", help="go on with the run in --out")
    simulate.add_argument("--corpus", default="chitchat", help="chitchat, or a JSON Lines file")
    simulate.add_argument("--server-learning-rate", type=_rate)
    simulate.add_argument("--client-learning-rate", type=_rate, default=FineTuning.learning_rate)
    simulate.add_argument("--passes", type=_positive, default=1, help="over a client's words in a round")
    simulate.add_argument("--max-words", type=_positive, default=2000, help="of one client in a round")
    return parser


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def _rate(text: str) -> float:
    if not 0 < (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _simulate(options: argparse.Namespace) -> Result:
    from federation.learning import SERVER_LEARNING_RATES, Server
    from federation.simulation import Settings, simulate

    server_rate = options.server_learning_rate or SERVER_LEARNING_RATES[options.algorithm]
    settings = Settings(
        corpus=options.corpus,
        init=options.init,
        clients_per_round=options.clients_per_round,
        seed=options.seed,
        server=Server(options.algorithm, server_rate),
        client=FineTuning(
            learning_rate=options.client_learning_rate, passes=options.passes, max_words=options.max_words
        ),
    )
    outcome = simulate(settings, options.rounds, options.out, options.resume, options.command_line)
    before, after = ({"top1": s.top1, "top3": s.top3} for s in (outcome.before, outcome.after))
    print(
        f"top-1 {before['top1']:.1%} → {after['top1']:.1%}, top-3 {before['top3']:.1%} → {after['top3']:.1%}: {outcome.model}",
        file=sys.stderr,
    )
    return {"rounds": outcome.rounds, "before": before, "after": after, "model": str(outcome.model)}
