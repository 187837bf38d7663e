"""The command line of `federate`."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from data.console import run_command
from federation.commands import (
    benchmark,
    discover,
    grow,
    lexicon,
    measuring,
    phrases,
    rounds,
    serve,
    simulate,
    starts,
    training,
    words,
    worker,
)
from federation.commands.options import BadCallError
from federation.temporary_files import removed_at_the_end


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0 on success, 1 if the work failed, 2 for invalid options."""
    # TensorFlow's and gRPC's notices mean nothing to people who type commands.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # safe: every forked process starts another program
    arguments = list(sys.argv[1:] if argv is None else argv)
    return run_command("federate", lambda: _run(arguments))


def _run(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    repeated = [a for a in arguments if a not in ("--json", "--resume")]  # neither changes the result
    options.command_line = shlex.join(["uv", "run", "federate", *repeated])
    try:
        with removed_at_the_end():
            result = options.run(options)
    except BadCallError as error:
        print(f"federate: {error} (see federate --help)", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(result))
    return 0


class _Command(NamedTuple):
    name: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], dict[str, Any]]
    help: str


_COMMANDS = (
    _Command("demo", rounds.add_demo_options, rounds.run_demo,
             "Run three keyboards that type, learn, and federate with simulated people."),
    _Command("demo-devices", rounds.add_demo_devices_options, rounds.run_demo_devices,
             "Run a coordinator and eight keyboards as processes, for five secure rounds."),
    _Command("demo-words", rounds.add_demo_words_options, rounds.run_demo_words,
             "Run eight keyboards that find new words together, and a ninth that learns them."),
    _Command("playground", rounds.add_playground_options, rounds.run_playground,
             "Open the keyboard's window among seven neighbours, joined to a coordinator on this machine."),
    _Command("simulate", simulate.add_simulate_options, simulate.run_simulate,
             "Train the global model in simulated rounds with a corpus's users as clients."),
    _Command("worker", worker.add_worker_options, worker.run_worker,
             "Run clients for another machine's simulated rounds, on a network that you trust."),
    _Command("search", training.add_search_options, training.run_search,
             "Compare settings of simulated rounds by recall on validation users."),
    _Command("pretrain", training.add_pretrain_options, training.run_pretrain,
             "Train the public start of federated learning: a model and its vocabulary from public text alone."),
    _Command("central", training.add_central_options, training.run_central,
             "Train the same network centrally, as a reference for federated training."),
    _Command("export", training.add_export_options, training.run_export,
             "Write a model as one LiteRT file that includes its weights, or as a folder to ship with the app."),
    _Command("words", words.add_words_options, words.run_words,
             "Find words that many people use and the vocabulary lacks, by simulated secure sums over a corpus's users."),
    _Command("lexicon", lexicon.add_lexicon_options, lexicon.run_lexicon,
             "Write into a model folder which of its vocabulary's entries are words, and their usual case."),
    _Command("phrases", phrases.add_phrases_options, phrases.run_phrases,
             "Count n-grams of public text, which a model mixes into its network's probabilities."),
    _Command("grow", grow.add_grow_options, grow.run_grow,
             "Make the next model: with words that many people use, and with their phrases."),
    _Command("starts", starts.add_starts_options, starts.run_starts,
             "Compare first weights of new words on validation users."),
    _Command("round", rounds.add_round_options, rounds.run_one_round,
             "Run one round with keyboards on this machine and write the next global model."),
    _Command("serve", serve.add_serve_options, serve.run_serve,
             "Coordinate secure rounds with keyboards on other machines, which join by a link."),
    _Command("start", serve.add_start_options, serve.run_start,
             "Begin a round of a running coordinator now, with the devices that are present."),
    _Command("devices", serve.add_devices_options, serve.run_devices,
             "List the devices and join links of a running coordinator, and name, remove or let back devices."),
    _Command("discover", discover.add_discover_options, discover.run_discover,
             "Find new words over the devices of a running coordinator, without learning who has them."),
    _Command("evaluate", measuring.add_evaluate_options, measuring.run_evaluate,
             "Measure a model on the messages of held-out users."),
    _Command("personalize", measuring.add_personalize_options, measuring.run_personalize,
             "Measure each user's gain from learning on the device."),
    _Command("audit", measuring.add_audit_options, measuring.run_audit,
             "Attack models trained with and without differential privacy, and measure what they reveal about people."),
    _Command("liars", measuring.add_liars_options, measuring.run_liars,
             "Measure the harm that one malicious device can do to the model under secure aggregation."),
    _Command("benchmark", benchmark.add_benchmark_options, benchmark.run_benchmark,
             "Measure speed, memory and traffic, and compare them with reference implementations."),
)  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("federate", description="Federated learning of a keyboard's next-word model.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        added = commands.add_parser(command.name, help=command.help, description=command.help)
        added.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        added.set_defaults(run=command.run)
        command.add_options(added)
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"federate: {message} (see federate --help)\n")


if __name__ == "__main__":
    sys.exit(main())
