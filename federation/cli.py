"""The desktop's commands: `federate …`."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from data.corpus import Corpus, open_corpus, users_in
from data.errors import UserFacingError
from data.files import write_by_rename
from federation.commands.benchmark import add_benchmark_options, run_benchmark
from federation.commands.serve import add_serve_options, run_serve
from federation.commands.simulate import add_simulate_options, run_simulate
from federation.commands.words import add_words_options, run_words
from model.device.folder import PRETRAINED, check_free_for_model, load_model
from model.device.learning.finetuning import ROUND_TRAINING, FineTuning
from model.device.metrics import Scores, Typing

Result = dict[str, Any]


class BadCallError(ValueError):
    """Options that do not go together."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0 on success, 1 when the work failed, 2 for a bad call."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own notices are not for whoever types commands
    os.environ.setdefault(
        "GRPC_ENABLE_FORK_SUPPORT", "0"
    )  # nor are gRPC's; what is forked here becomes another program
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(arguments)
    repeated = [a for a in arguments if a not in ("--json", "--resume")]  # neither changes what comes out
    options.command_line = shlex.join(["uv", "run", "federate", *repeated])
    try:
        result = options.run(options)
    except BadCallError as error:
        print(f"federate: {error} (see federate --help)", file=sys.stderr)
        return 2
    except (
        UserFacingError,
        OSError,
        RuntimeError,
    ) as error:  # a disk or a process that fails is not a bug to trace either
        print(f"federate: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("federate: stopped", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(result))
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"federate: {message} (see federate --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("federate", description="Federated learning of a keyboard's next-word model.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], Result], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        added.set_defaults(run=run)
        return added

    simulate = command("simulate", run_simulate, "Train the global model in simulated rounds over a corpus's users.")
    add_simulate_options(simulate, _positive, _whole, _rate)

    worker = command(
        "worker", _worker, "Work for the simulated rounds of another machine, on a network that you trust."
    )
    worker.add_argument("--port", type=_whole, required=True, help="the port to listen on; 0 takes a free one")
    worker.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: this machine alone)")

    search = command("search", _search, "Compare settings of simulated rounds on validation users.")
    search.add_argument("--trials", type=Path, help="a TOML file of runs (default: federation/simulation/search.toml)")
    search.add_argument("--out", type=Path, required=True, help="the folder of the runs; one begun there goes on")

    central = command(
        "central", _central, "Train the same network in one place, to measure federated training against."
    )
    central.add_argument("--out", type=Path, required=True, help="the run's folder")
    central.add_argument("--corpus", default="chitchat", help="chitchat, or a JSON Lines file")
    central.add_argument("--passes", type=_positive, default=4, help="over all training users' words")
    central.add_argument("--learning-rate", type=_rate, default=0.006)
    central.add_argument("--seed", type=_whole, default=0)
    central.add_argument("--steps", type=_positive, help="stop there, in the middle (default: go all the way)")

    audit = command(
        "audit", _audit, "Measure what a model gives away of those it learned from, with and without privacy."
    )
    audit.add_argument("--out", type=Path, required=True, help="the audit's folder; one begun there goes on")
    audit.add_argument(
        "--model",
        default=str(PRETRAINED),
        help="attacked as it is; the others have its vocabulary (default: the shipped model)",
    )
    audit.add_argument("--corpus", default="chitchat", help="chitchat, or a JSON Lines file")
    audit.add_argument("--people", type=_positive, default=100, help="members, and as many others")
    audit.add_argument("--words", type=_positive, default=200, help="of each of them")
    audit.add_argument("--start-rounds", type=_positive, default=200, help="over outsiders, before all others")
    audit.add_argument("--rounds", type=_positive, default=15, help="over members")
    audit.add_argument("--clients-per-round", type=_positive, default=100)
    audit.add_argument("--client-learning-rate", type=_rate, default=1.0)
    audit.add_argument("--server-learning-rate", type=_rate, default=1.0)
    audit.add_argument("--clip", type=_rate, default=1.0, help="the L2 norm that private runs clip deltas to")
    audit.add_argument("--noise-multipliers", type=_rate, nargs="+", default=[1.0, 3.0], metavar="Z")
    audit.add_argument("--seed", type=_whole, default=0)

    liars = command("liars", _liars, "Measure what one device that lies inside its mask can do to the model.")
    liars.add_argument("--out", type=Path, required=True, help="a folder for the tables")
    liars.add_argument("--model", default=str(PRETRAINED), help="the rounds' first model (default: the shipped model)")
    liars.add_argument("--corpus", default="chitchat", help="chitchat, or a JSON Lines file")
    liars.add_argument("--devices", type=_positive, default=20, help="in a round, one of which lies")
    liars.add_argument("--rounds", type=_positive, default=5)
    liars.add_argument("--max-words", type=_positive, default=1000, help="of one device in a round")
    liars.add_argument("--clip", type=_rate, default=1.0, help="the L2 norm that deltas are clipped to")
    liars.add_argument("--phrase", default="my favorite food is", help="behind which the liar wants a word suggested")
    liars.add_argument("--word", default="phone", help="that word")
    liars.add_argument("--seed", type=_whole, default=0)

    round_ = command("round", _round, "Call keyboards on this machine to a round and aggregate what they learned.")
    round_.add_argument("--profiles", type=Path, nargs="+", required=True, metavar="DIR")
    round_.add_argument("--model", type=Path, default=PRETRAINED, help="the global model the round starts from")
    round_.add_argument("--out", type=Path, required=True, help="the model folder for the next global model")
    round_.add_argument(
        "--algorithm", choices=("fedavg", "fedadam"), default="fedavg", help="fedavg takes the plain mean"
    )
    round_.add_argument("--server-learning-rate", type=_rate, help="default: 1 for fedavg, 0.01 for fedadam")
    round_.add_argument("--state", type=Path, metavar="DIR", help="keeps fedadam's moments from round to round")
    round_.add_argument("--seed", type=_whole, default=0)
    round_.add_argument("--deadline", type=_rate, default=300.0, help="seconds to wait for the keyboards")

    evaluate = command("evaluate", _evaluate, "Measure a model on the messages of held-out users.")
    evaluate.add_argument("--model", type=Path, default=PRETRAINED)
    _add_corpus(evaluate)
    evaluate.add_argument(
        "--max-words", type=_positive, help="in all, in equal shares of the users (default: everything)"
    )
    evaluate.add_argument(
        "--personal", action="store_true", help="and with each user's keyboard learning from what was typed so far"
    )
    evaluate.add_argument(
        "--slips", action="store_true", help="and how many slips of the finger are mended, how many good words spoilt"
    )
    evaluate.add_argument(
        "--baselines", action="store_true", help="compare it with n-grams, central training, 8 bits, …"
    )
    evaluate.add_argument(
        "--trained-on",
        default="chitchat",
        help="the corpus whose training users the n-grams learn from (default: chitchat)",
    )
    evaluate.add_argument("--out", type=Path, metavar="DIR", help="with --baselines: a folder for tables and pictures")

    personalize = command("personalize", _personalize, "Measure what learning on the device brings each user.")
    personalize.add_argument("--model", type=Path, default=PRETRAINED)
    _add_corpus(personalize)
    personalize.add_argument("--max-users", type=_positive)
    personalize.add_argument("--min-words", type=_positive, default=300, help="that a user must have written")
    personalize.add_argument("--ablation", action="store_true", help="measure what each part of it brings")
    personalize.add_argument("--curve", action="store_true", help="measure the gain against words typed instead")
    personalize.add_argument(
        "--out", type=Path, metavar="DIR", help="a folder for tables of users, and the curve's plot"
    )

    export = command("export", _export, "Write the program of a model as one LiteRT file, with its weights in it.")
    export.add_argument("--model", type=Path, default=PRETRAINED)
    export.add_argument("--out", type=Path, required=True, metavar="FILE.tflite")
    export.add_argument(
        "--without-weights", action="store_true", help="the program alone, as the program.tflite of a model folder is"
    )

    words = command("words", run_words, "Write into a model folder what of its vocabulary is a word, and its case.")
    add_words_options(words)

    demo = command("demo", _demo, "Three keyboards type, learn, and federate for a few rounds.")
    demo.add_argument("--model", type=Path, default=PRETRAINED)
    demo.add_argument("--out", type=Path, default=Path("demo"), help="the folder of the report (default: demo)")
    demo.add_argument("--rounds", type=_positive, default=3)
    demo.add_argument("--seed", type=_whole, default=0)

    serve = command(
        "serve", run_serve, "Coordinate secure rounds with keyboards on other machines, which join by a link."
    )
    add_serve_options(serve, _positive, _rate)

    devices = command(
        "demo-devices", _demo_devices, "A coordinator and eight keyboards as processes: five secure rounds."
    )
    devices.add_argument("--out", type=Path, default=Path("demo-devices"), help="its folder (default: demo-devices)")

    benchmark = command("benchmark", run_benchmark, "Measure what things cost, side by side.")
    add_benchmark_options(benchmark, _positive)
    return parser


def _add_corpus(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", default="chitchat", help="chitchat, or a JSON Lines file")
    parser.add_argument("--users", choices=("train", "validation", "test", "all"), default="test")


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def _whole(text: str) -> int:
    if (value := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def _rate(text: str) -> float:
    if not 0 < (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _worker(options: argparse.Namespace) -> Result:
    from federation.commands.worker import run_worker

    return run_worker(options.host, options.port)


def _search(options: argparse.Namespace) -> Result:
    from federation.simulation.search import TRIALS, search

    rows = search(options.trials or TRIALS, options.out)
    for row in rows:
        print(f"{row['name']:32} top-1 {row['top1']:.1%}, perplexity {row['perplexity']:.1f}", file=sys.stderr)
    return {"runs": rows}


def _central(options: argparse.Namespace) -> Result:
    from federation.simulation.central import Central, train_centrally

    how = Central(options.corpus, options.passes, options.learning_rate, seed=options.seed)
    scores = train_centrally(how, options.out, options.command_line, options.steps)
    print(f"top-1 {scores.top1:.1%}, top-3 {scores.top3:.1%}: {options.out / 'model'}", file=sys.stderr)
    result = {"top1": scores.top1, "top3": scores.top3, "perplexity": scores.perplexity}
    return result | {"model": str(options.out / "model")}


def _audit(options: argparse.Namespace) -> Result:
    from federation.attacks.privacy_audit import Audit, audit

    values = {f.name: getattr(options, f.name) for f in fields(Audit)}
    return audit(Audit(**values | {"noise_multipliers": tuple(options.noise_multipliers)}), options.out)


def _liars(options: argparse.Namespace) -> Result:
    from federation.attacks.malicious_device import Liars, measure_liars

    return measure_liars(Liars(**{f.name: getattr(options, f.name) for f in fields(Liars)}), options.out)


def _round(options: argparse.Namespace) -> Result:
    from federation.local_round import call_keyboards, run_round

    if options.algorithm == "fedadam" and options.state is None:
        raise BadCallError("--algorithm fedadam needs --state DIR, where its moments stay from round to round")
    model = load_model(options.model)
    check_free_for_model(options.out)
    devices = call_keyboards(options.profiles, model, ROUND_TRAINING, options.seed, options.deadline, options.model)
    from federation.aggregation.algorithms import SERVER_LEARNING_RATES, Server
    from federation.aggregation.plain_mean import (
        Aggregation,  # TFF, seconds: what is wrong with the call was said by now
    )
    from federation.engine.local import engine
    from federation.engine.state_store import StateStore

    rate = options.server_learning_rate or SERVER_LEARNING_RATES[options.algorithm]
    with engine():
        aggregation = Aggregation(model.provenance.config, Server(options.algorithm, rate))
        store = StateStore(options.state) if options.state else None
        if store:
            aggregation.restore(store)
        updated = run_round(devices, model, aggregation, options.out)
        if store:
            aggregation.save(store, updated.provenance.round)
    for device in devices:
        c = device.contribution
        brought = c.error or f"{c.words:,} words, loss {c.loss_before:.3f} → {c.loss_after:.3f}"
        print(f"{device.profile}: {brought}", file=sys.stderr)
    print(f"the next global model: {options.out}", file=sys.stderr)
    return {"devices": [device.summary for device in devices], "model": str(options.out)}


def _evaluate(options: argparse.Namespace) -> Result:
    from federation.evaluation.held_out_users import equal_shares, evaluate_users

    if options.out and not options.baselines:
        raise BadCallError("--out writes the comparison with --baselines, which is not asked for")
    model, corpus = load_model(options.model), open_corpus(options.corpus)
    trained_on = _trained_on(options) if options.baselines else None
    messages = equal_shares(corpus, users_in(corpus, options.users), options.max_words)
    results = evaluate_users([(model, texts) for texts in messages])
    scores, typing = sum((s for s, _ in results), Scores()), sum((t for _, t in results), Typing())
    result = {
        "words": scores.words,
        "out_of_vocabulary": scores.out_of_vocabulary,
        "top1": scores.top1,
        "top3": scores.top3,
        "top1_all_words": scores.top1_all_words,
        "top3_all_words": scores.top3_all_words,
        "perplexity": scores.perplexity,
        "ksr": typing.savings_rate,
    }
    if options.personal:
        from federation.evaluation.personalization import live_users
        from federation.evaluation.personalization_report import live_result

        result |= live_result(live_users(messages, model, FineTuning()))
    if options.slips:
        from federation.evaluation.autocorrection import measure_slips

        result |= {f"slips_{name}": n for name, n in measure_slips([(model, t) for t in messages]).summary.items()}
    _show(result)
    if trained_on is None:
        return result
    from federation.evaluation.baseline_comparison import compare_with_baselines, write_comparison
    from federation.reports.tables import comparison_tables, print_tables

    result |= compare_with_baselines(model, messages, trained_on)
    print_tables(comparison_tables(result))
    if options.out:
        write_comparison(result, options.out)
    return result


def _trained_on(options: argparse.Namespace) -> Corpus:
    """What the baselines learn from; whatever would stop them after minutes of work is found out here."""
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    if options.corpus == options.trained_on and options.users in ("train", "all"):
        line = "training users are among these: n-grams know their messages by heart, so this is no fair comparison"
        print(line, file=sys.stderr)
    trained_on = open_corpus(options.trained_on)
    users_in(trained_on, "train")
    return trained_on


def _personalize(options: argparse.Namespace) -> Result:
    from federation.evaluation.held_out_users import long_enough
    from federation.evaluation.personalization import gain_curve, personalize_users
    from federation.evaluation.personalization_report import (
        curve_result,
        personalization_result,
        write_curve,
        write_users,
    )

    if options.out and options.out.exists() and not options.out.is_dir():
        raise BadCallError(f"--out {options.out} is no folder")
    model, corpus, how = load_model(options.model), open_corpus(options.corpus), FineTuning()
    users = long_enough(corpus, users_in(corpus, options.users), options.min_words, options.max_users)
    if options.curve:
        points, rows = gain_curve(model, corpus, users, how)
        result = curve_result(points)
        if options.out:
            write_curve(points, rows, options.out)
    else:
        results = personalize_users(model, corpus, users, how, ablation=options.ablation)
        result = personalization_result(results)
        if options.out:
            write_users(results, options.out)
    _show(result)
    return result


def _export(options: argparse.Namespace) -> Result:
    from model.program import build_program

    model = load_model(options.model)
    content = build_program(model.provenance.config, None if options.without_weights else model.weights)
    write_by_rename(options.out, content)
    print(f"{options.out}: {len(content):,} bytes", file=sys.stderr)
    return {"program": str(options.out), "bytes": len(content)}


def _demo(options: argparse.Namespace) -> Result:
    from federation.demos.three_keyboards import demo

    return demo(options.model, options.out, options.rounds, options.seed)


def _demo_devices(options: argparse.Namespace) -> Result:
    from federation.demos.eight_devices import demo_devices

    return demo_devices(options.out)


def _show(result: Result) -> None:
    """Results for people, on standard error like all that is not the JSON."""
    for name, value in result.items():
        print(f"{name:28} {value:,.4f}" if isinstance(value, float) else f"{name:28} {value}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
