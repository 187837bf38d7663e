"""`federate demo`: three keyboards learn alone, then together with simulated people, in a few minutes.

1. Three validation users of ChitChat each get a keyboard, a process with its own profile. It starts with the public model, which
   knows no word of ChitChat, types the user's older messages, predicting each word before it sees it, and fine-tunes on them.
2. In federated rounds TFF simulates training users as clients. In every fifth round and in the last one the three keyboards train
   the global weights on their words too. TFF's aggregation turns all deltas into the next global model.
3. After each of these rounds the global model is measured on the messages of strangers: validation users who take no part.
4. Each keyboard installs the newest global model and fine-tunes it on its owner's words again.

Each keyboard is then measured, in each stage, on its owner's newer messages, which no model has seen; and each shows what it
suggests after the same starts of sentences.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from data.corpus import ChitChat, Part
from data.files import write_by_rename
from federation.aggregation.plain_mean import Aggregation, SimulatedClients
from federation.aggregation.server_settings import Server
from federation.demos.folder import replace_demo_folder
from federation.demos.owners import (
    OWNERS,
    Owner,
    choose_owners,
    install,
    personal_keyboard,
    suggestions,
    type_messages,
)
from federation.demos.pages import demo_report
from federation.demos.stages import Strangers, measure_stages
from federation.engine.local import engine
from federation.evaluation.personalization import SimulatedKeyboard
from federation.local_round import LocalKeyboard, call_keyboards, run_round
from federation.reports.plots import plot_demo
from federation.reports.progress import progress_bar
from federation.simulation.clients import Clients, sample_cohort, turns_by_words
from model.device.folder import Model, load_model, save_model
from model.device.learning.finetuning import ROUND_TRAINING

# Chosen on validation users. Clients are sampled in proportion to their words.
_SIMULATED_CLIENTS = 5  # in each round
_SERVER = Server("fedadam", 0.003)
_EVERY = 5  # the keyboards take part in every fifth round, as a keyboard among many is not in every round
_DEADLINE_SECONDS = 120.0

STAGES = ("at the start", "after learning alone", "global model after the rounds", "after the rounds and learning")
STARTS = ("how is your", "how was your", "what are you", "are you a", "thank you for", "hope you")

_console = Console(stderr=True)


def demo(shipped: Path, out: Path, rounds: int, words: int, seed: int) -> dict[str, Any]:
    """Runs the demo in the folder `out`, which it replaces.

    Args:
      shipped: the model folder to start from.
      out: the demo's folder.
      rounds: the number of rounds.
      words: words of each of the three people to measure on.
      seed: seed of the cohorts and of the order of training.

    Returns:
      The figures of `federation.demos.stages`, the suggestions after each start of a sentence, and each round's contributions.

    Raises:
      DataError: `out` holds something else, or a keyboard failed.
    """
    began = time.monotonic()
    model, corpus = load_model(shipped), ChitChat()
    replace_demo_folder(out, "demo")
    owners = choose_owners(corpus, out, words)
    _say(
        f"Three keyboards type three people's messages, {sum(len(o.typed) for o in owners):,} in total, and learn from them."
    )
    scripts = type_messages(owners, shipped)
    alone = [personal_keyboard(owner, model, shipped) for owner in owners]

    _say(
        f"{rounds} federated rounds with {_SIMULATED_CLIENTS} simulated people in each, and the keyboards in every {_EVERY}th."
    )
    strangers = Strangers(corpus, owners, model)
    training = Clients(Part(corpus, "train"), model.vocabulary, model.provenance.config.window)
    reports = _federate(owners, model, training, strangers, out / "model", rounds, seed, shipped)
    newest = load_model(out / "model")

    _say("The keyboards install the new global model and fine-tune it.")
    install(owners, shipped)
    together = [personal_keyboard(owner, newest, shipped) for owner in owners]
    plain = [[SimulatedKeyboard(m)] * OWNERS for m in (model, newest)]
    stages = dict(zip(STAGES, (plain[0], alone, plain[1], together), strict=True))

    result = {"users": [o.user for o in owners]} | measure_stages(owners, stages)
    result |= {
        "strangers": strangers.figures(),
        "suggestions": _suggestions(owners, shipped, out / "model"),
        "recall_at_3_while_typing": [script["recall_at_3"] for script in scripts],
        "rounds": reports,
        "seconds": round(time.monotonic() - began, 1),
        "report": str(out / "report.html"),
    }
    _print_tables(result)
    plot_demo(result, out / "recall.png")
    write_by_rename(out / "report.html", demo_report(result).encode())
    _say(f"Report: {out / 'report.html'}")
    return result


def _federate(
    owners: Sequence[Owner],
    model: Model,
    training: Clients,
    strangers: Strangers,
    out: Path,
    rounds: int,
    seed: int,
    shipped: Path,
) -> list[dict[str, Any]]:
    """Runs the rounds, leaves the last global model in `out`, and returns the contributions to each round."""
    config, how, reports = model.provenance.config, ROUND_TRAINING, []
    save_model(out, model)
    turns = turns_by_words(training.words(), how.max_words)
    with engine(), progress_bar("rounds", rounds) as bar:
        aggregation = Aggregation(config, _SERVER)
        simulated = SimulatedClients(config, model.weights, how)
        recall = strangers.measure(0, model.weights)
        for number in range(1, rounds + 1):
            with_keyboards = number % _EVERY == 0 or number == rounds
            devices: list[LocalKeyboard] = []
            if with_keyboards:
                profiles = [owner.profile for owner in owners]
                devices = call_keyboards(profiles, model, how, seed + number, _DEADLINE_SECONDS, shipped)
            cohort = sample_cohort(training.users, _SIMULATED_CLIENTS, seed, number, turns)
            datasets = [training.dataset(u, how, config, seed, number) for u in cohort]
            model = run_round(devices, model, aggregation, out, simulated(model.weights, datasets))
            if with_keyboards:
                recall = strangers.measure(number, model.weights)
            reports.append({"simulated": len(cohort), "keyboards": [device.summary for device in devices]})
            bar(number, recall)
    return reports


def _suggestions(owners: Sequence[Owner], before: Path, after: Path) -> list[dict[str, Any]]:
    """Returns for each start of a sentence the suggestions of the first and the last global model, and of each keyboard."""
    shown = [suggestions(STARTS, before), suggestions(STARTS, after)]
    shown += [suggestions(STARTS, before, owner.profile) for owner in owners]
    return [
        {"start": text, "before": columns[0], "after": columns[1], "keyboards": list(columns[2:])}
        for text, *columns in zip(STARTS, *shown, strict=True)
    ]


def _print_tables(result: dict[str, Any]) -> None:
    table = Table(title="On each person's newer messages, which no model has seen (95% intervals over messages)")
    table.add_column("stage", no_wrap=True)
    for figure in ("recall at 1", "recall at 3", "KSR"):
        table.add_column(figure, justify="right", no_wrap=True)
    people = [f"keyboard {n}, {words:,} words" for n, words in enumerate(result["words_measured"], 1)]
    for number, person in enumerate(people):
        table.add_row(person)
        for stage, users in result["stages"].items():
            row = users[number]
            interval = (
                "" if row["interval"] is None else " [{:.1f}, {:.1f}]".format(*(100 * v for v in row["interval"]))
            )
            figures = f"{row['top1']:.1%}{interval}", f"{row['top3']:.1%}", f"{row['ksr']:.1%}"
            table.add_row(f"  {stage}", *figures)
        table.add_section()
    _console.print(table)
    words = Table(title="What the keyboards suggest")
    for name in ("start of a sentence", "at the start", "after the rounds", "keyboard 1, after learning too"):
        words.add_column(name)
    for row in result["suggestions"]:
        words.add_row(f"{row['start']} …", *(", ".join(s) for s in (row["before"], row["after"], row["keyboards"][0])))
    _console.print(words)
    strangers = result["strangers"]
    _say(f"The three people, from the start to the end: {result['change']['all']['line']}.")
    _say(
        f"{strangers['people']} strangers, who took no part ({strangers['words']:,} words): {strangers['change']['line']}."
    )


def _say(line: str) -> None:
    _console.print(line, soft_wrap=True, highlight=False, markup=False)
