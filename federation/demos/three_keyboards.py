"""`federate demo`: three keyboards learn alone, then together, in a few minutes.

1. Three validation users of ChitChat each get a keyboard, a process with its own profile. It types the user's older messages,
   predicting each word before it sees it, and fine-tunes on them.
2. In a few federated rounds the three keyboards train the global weights on their words, TFF simulates training users as further
   clients, and TFF's aggregation turns all deltas into the next global model.
3. Each keyboard installs the newest global model and fine-tunes it on its owner's words again.

Each model is then measured on its user's newer messages, which no model has seen.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from data.corpus import ChitChat, Corpus, Part, users_in
from data.errors import DataError
from data.files import write_by_rename
from data.tokenizer import tokenize
from federation.aggregation.plain_mean import Aggregation, SimulatedClients
from federation.aggregation.server_settings import Server
from federation.demos.folder import replace_demo_folder
from federation.demos.pages import demo_report
from federation.engine.local import engine
from federation.evaluation.personalization import SimulatedKeyboard, measure_keyboards
from federation.keyboards import keyboard
from federation.local_round import call_keyboards, run_round
from federation.processes import start
from federation.reports.plots import plot_demo
from federation.reports.progress import progress_bar
from federation.simulation.clients import Clients, sample_cohort
from model.device.folder import Model, load_model, save_model
from model.device.learning.finetuning import ROUND_TRAINING
from model.device.weights import Provenance, Weights, load_weights

_USERS = 3
_TYPED_WORDS = 3_000  # words of each user to learn from
_NEXT_WORDS = 600  # words of each user after these, to measure on
_SIMULATED_CLIENTS = 7  # simulated clients in a round, in addition to the keyboards
_DEADLINE_SECONDS = 120.0

STAGES = ("as shipped", "after learning alone", "global model after federation", "after federation and learning")

_console = Console(stderr=True)


@dataclass(frozen=True)
class Owner:
    """A person of the demo and the profile folder of their keyboard."""

    user: str
    typed: list[str]  # messages that the keyboard types and learns from
    next: list[str]  # later messages to measure on
    profile: Path


def demo(shipped: Path, out: Path, rounds: int, seed: int) -> dict[str, Any]:
    """Runs the demo in the folder `out`, which it replaces.

    Returns the report's figures: recall at 1, recall at 3 and KSR for each person and stage, and each round's contributions.

    Raises:
      DataError: `out` holds something else, or a keyboard failed.
    """
    model, corpus = load_model(shipped), ChitChat()
    replace_demo_folder(out, "demo")
    owners = _owners(corpus, out)
    _console.print(
        f"Three keyboards type three people's messages, {sum(len(o.typed) for o in owners):,} in total, and learn from them."
    )
    scripts = _type(owners, shipped)
    stages = {STAGES[0]: [SimulatedKeyboard(model)] * _USERS, STAGES[1]: [_personal(o, model, shipped) for o in owners]}

    _console.print(f"{rounds} federated rounds with the keyboards and {_SIMULATED_CLIENTS} simulated clients.")
    training = Clients(Part(corpus, "train"), model.vocabulary, model.provenance.config.window)
    reports = _federate(owners, model, training, out / "model", rounds, seed, shipped)
    newest = load_model(out / "model")

    _console.print("The keyboards install the new global model and fine-tune it.")
    _install(owners, shipped)
    stages |= {
        STAGES[2]: [SimulatedKeyboard(newest)] * _USERS,
        STAGES[3]: [_personal(o, newest, shipped) for o in owners],
    }

    results = measure_keyboards(
        [(k, o.next) for keyboards in stages.values() for o, k in zip(owners, keyboards, strict=True)]
    )
    measured = {stage: results[i * _USERS : (i + 1) * _USERS] for i, stage in enumerate(stages)}
    result = {
        "users": [o.user for o in owners],
        "stages": {
            stage: [{"top1": s.top1, "top3": s.top3, "ksr": t.savings_rate} for s, t in results]
            for stage, results in measured.items()
        },
        "words_measured": [s.words for s, _ in measured[STAGES[0]]],
        "recall_at_3_while_typing": [script["recall_at_3"] for script in scripts],
        "rounds": reports,
        "report": str(out / "report.html"),
    }
    _print_table(result)
    plot_demo(result, out / "recall.png")
    write_by_rename(out / "report.html", demo_report(result).encode())
    _console.print(f"Report: {out / 'report.html'}", soft_wrap=True)
    return result


def _owners(corpus: Corpus, out: Path) -> list[Owner]:
    """Returns the first validation users who wrote enough, with their messages split into older and newer ones."""
    owners: list[Owner] = []
    for user in users_in(corpus, "validation"):
        typed: list[str] = []
        following: list[str] = []
        words = 0
        for text in corpus.messages(user):
            (typed if words < _TYPED_WORDS else following).append(" ".join(text.split()))
            words += len(tokenize(text))
            if words >= _TYPED_WORDS + _NEXT_WORDS:
                owners.append(Owner(user, typed, following, out / "profiles" / f"keyboard-{len(owners) + 1}"))
                break
        if len(owners) == _USERS:
            return owners
    raise DataError(f"the corpus has fewer than {_USERS} validation users with {_TYPED_WORDS + _NEXT_WORDS} words")


def _type(owners: Sequence[Owner], shipped: Path) -> list[dict[str, Any]]:
    """Types each owner's messages on their keyboard, in parallel processes; returns each keyboard's report."""
    processes = []
    for owner in owners:
        script = owner.profile.parent / f"{owner.profile.name}.txt"
        write_by_rename(script, "".join(line + "\n" for line in owner.typed).encode())
        command = keyboard("--script", script, "--profile", owner.profile, "--model", shipped, "--json")
        processes.append(start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    with progress_bar("typing", len(owners)) as bar:
        results = []
        for process in processes:
            results.append(json.loads(_finished(process).splitlines()[-1]))
            bar(len(results), "")
        return results


def _install(owners: Sequence[Owner], shipped: Path) -> None:
    """Runs each keyboard until it has installed the newest global model and learned."""
    commands = [keyboard("answer", "--profile", owner.profile, "--model", shipped) for owner in owners]
    for process in [start(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands]:
        _finished(process)


def _finished(process: subprocess.Popen) -> str:
    """Waits for a keyboard process and returns its output.

    Raises:
      DataError: the process failed.
    """
    output, errors = process.communicate()
    if process.returncode:
        raise DataError(errors.strip().splitlines()[-1] if errors.strip() else "a keyboard process failed")
    return output


def _personal(owner: Owner, global_model: Model, shipped: Path) -> SimulatedKeyboard:
    """Returns the owner's keyboard after learning; the gate may have kept the global network."""
    command = keyboard("status", "--profile", owner.profile, "--model", shipped, "--json")
    status = json.loads(_finished(start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)))
    model = global_model
    if status["personal_model"]:
        model = model.with_weights(*_personal_weights(owner, model, shipped))
    return SimulatedKeyboard(model, owner.typed, status["ngram_trust"])


def _personal_weights(owner: Owner, model: Model, shipped: Path) -> tuple[Weights, Provenance]:
    """Loads the keyboard's personal weights, which are encrypted: the keyboard itself has to export them."""
    with tempfile.TemporaryDirectory() as folder:
        opened = Path(folder) / "personal.safetensors"
        _finished(
            start(
                keyboard("data", "model", opened, "--profile", owner.profile, "--model", shipped),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return load_weights(opened, model.vocabulary.sha256)


def _federate(
    owners: Sequence[Owner], model: Model, training: Clients, out: Path, rounds: int, seed: int, shipped: Path
) -> list[list[dict[str, object]]]:
    """Runs the rounds, leaves the last global model in `out`, and returns each keyboard's contribution to each round."""
    config, how, reports = model.provenance.config, ROUND_TRAINING, []
    save_model(out, model)
    with engine(), progress_bar("rounds", rounds) as bar:
        aggregation = Aggregation(config, Server())
        simulated = SimulatedClients(config, model.weights, how)
        for number in range(1, rounds + 1):
            devices = call_keyboards([o.profile for o in owners], model, how, seed + number, _DEADLINE_SECONDS, shipped)
            cohort = sample_cohort(training.users, _SIMULATED_CLIENTS, seed, number)
            datasets = [training.dataset(u, how.max_words, how.passes, config.batch, seed, number) for u in cohort]
            model = run_round(devices, model, aggregation, out, simulated(model.weights, datasets))
            reports.append([device.summary for device in devices])
            bar(number, "")
    return reports


def _print_table(result: dict[str, Any]) -> None:
    table = Table(title="On each person's newer messages, which no model has seen")
    table.add_column("")
    table.add_column("model", no_wrap=True)
    for figure in ("recall at 1", "recall at 3", "KSR"):
        table.add_column(figure, justify="right")
    people = [f"keyboard {n}, {words} words" for n, words in enumerate(result["words_measured"], 1)]
    for column, person in enumerate([*people, "mean of the three"]):
        for stage, users in result["stages"].items():
            mean = {figure: sum(u[figure] for u in users) / len(users) for figure in users[0]}
            figures = [*users, mean][column]
            table.add_row(person, stage, *(f"{figures[f]:.1%}" for f in ("top1", "top3", "ksr")))
            person = ""
        table.add_section()
    _console.print(table)
