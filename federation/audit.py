"""Audits that could fail: what a model gives away of the people it was trained on, with and without differential privacy.

1. half of the training users, drawn at random, are members; the others are left out of all rounds;
2. canaries are planted among the members' messages, and as many controls are drawn that nobody has;
3. a few federated rounds from the same weights: without privacy, and with tree aggregation at each noise multiplier;
4. each model, the one they start from included, is measured: the exposure of canaries (`federation.canaries`), attacks on
   membership of people and of messages (`federation.membership_attack`), and recall on validation users.

Nobody's words but training users' are learned from; test users' are not read at all. The promise is to one person: a secret that
many hold is no one person's, and noise that hides any one of them need not hide it.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from data.corpus import Part, open_corpus
from data.errors import DataError
from data.files import write_by_rename, write_csv
from federation.accounting import spent
from federation.canaries import Canary, Planted, choices, draw_canaries, exposure, holders_of
from federation.learning import Server
from federation.membership_attack import Losses, attack, losses, message_scores, user_scores
from federation.privacy import Privacy
from federation.simulation import Settings, checked_messages, initial_model, simulate
from federation.summation import Summation
from federation.tables import Rows, markdown, print_tables
from model.device.finetuning import FineTuning
from model.device.folder import Model, load_model, save_model
from model.device.metrics import NotFinite, evaluate
from model.device.runtime import Program

PLANTING = ((1, 1), (1, 40), (4, 40), (16, 40))  # holders and copies of canaries, of each so many:
_OF_EACH = 2
_LEAST_WORDS = 5  # of a message that is attacked: shorter ones are everybody's

_console = Console(stderr=True)


@dataclass(frozen=True)
class Audit:
    """What is run."""

    init: str  # a model folder, or random
    corpus: str = "chitchat"
    rounds: int = 30
    clients_per_round: int = 20
    people: int = 200  # members, and as many others
    max_words: int = 400  # of one client in a round
    words_attacked: int = 400  # of each person, at most
    clip: float = 0.5
    noise_multipliers: tuple[float, ...] = (0.01, 0.1, 1.0)
    client_learning_rate: float = FineTuning.learning_rate
    seed: int = 0

    @property
    def period(self) -> int:
        """Rounds of a tree: as many as the members last."""
        return self.people // self.clients_per_round

    def settings(self, corpus: Path, init: Path, noise_multiplier: float | None) -> Settings:
        """Those of a run; without a noise multiplier it is not private."""
        client = FineTuning(self.client_learning_rate, passes=1, max_words=self.max_words)
        plain = Settings(str(corpus), str(init), self.clients_per_round, seed=self.seed, server=Server(), client=client)
        if noise_multiplier is None:
            return plain
        delta = 1 / (10 * self.people)
        privacy = Privacy("tree", noise_multiplier, self.period, delta)
        summation = Summation(16, self.clients_per_round, clipping_norm=self.clip, max_weight=1)
        return replace(plain, summation=summation, privacy=privacy)


def audit(what: Audit, out: Path) -> dict[str, Any]:
    """Runs or resumes an audit in the folder `out`; returns a row for each model, and what it was measured on.

    Raises:
      DataError: there are too few people, or `out` holds something else.
    """
    corpus = open_corpus(what.corpus)
    training = Part(corpus, "train")
    if len(training.users()) < 2 * what.people or not what.period:
        raise DataError(
            f"{len(training.users())} training users are too few for {what.people} members, {what.people} others "
            f"and rounds of {what.clients_per_round}: choose fewer people, or fewer clients"
        )
    if what.people < (holders := _OF_EACH * sum(holders for holders, _ in PLANTING)):
        raise DataError(f"the audit's canaries have {holders} holders: choose as many people at least")
    _claim(out, what)
    start = out / "start"
    if not start.exists():
        save_model(start, initial_model(what.init, what.seed, training))
    model = load_model(start)
    order = np.random.default_rng([what.seed, 0]).permutation(training.users())
    members, others = (sorted(map(str, half)) for half in (order[: what.people], order[what.people : 2 * what.people]))
    canaries = draw_canaries(model.vocabulary, PLANTING * _OF_EACH + ((0, 0),) * len(PLANTING) * _OF_EACH, what.seed)
    held = holders_of(canaries, members, what.seed)
    _write_corpus(out / "corpus.jsonl", Planted(training, held, model.vocabulary), members, Part(corpus, "validation"))

    runs: list[tuple[str, float | None]] = [("without privacy", None)]
    runs += [(f"noise multiplier {z:g}", z) for z in what.noise_multipliers]
    trained: list[tuple[str, Model | None, dict[str, Any]]] = [("the start", model, {})]
    for name, multiplier in runs:
        _console.print(f"{what.rounds} rounds, {name}")
        settings = what.settings(out / "corpus.jsonl", start, multiplier)
        promise = spent(settings.privacy, what.rounds)
        promised = {"epsilon": _finite(promise.epsilon), "rho": _finite(promise.rho)}
        trained.append((name, _train(settings, what.rounds, out / name.replace(" ", "-"), name), promised))

    held_out = checked_messages(Part(corpus, "validation"), model.vocabulary)
    attacked = [[_attacked(training, user, model, what) for user in side] for side in (members, others)]
    before: list[list[Losses]] | None = None
    rows: list[dict[str, Any]] = []
    for name, found, promised in trained:
        if found is None:
            rows.append({"model": f"{name} (diverged)"} | promised)
            continue
        _console.print(f"attacking: {name}")
        program = found.start(threads=2)
        row, seen = _measure(program, canaries, attacked, before, choices(model.vocabulary))
        before = before or seen
        scores = evaluate(program, held_out)
        rows.append({"model": name} | promised | row | {"top1": scores.top1, "top3": scores.top3})
    result = {
        "rows": rows,
        "members": len(members),
        "others": len(others),
        "messages": [sum(map(len, side)) for side in attacked],
        "bits": float(2 * np.log2(len(choices(model.vocabulary)))),
        "delta": 1 / (10 * what.people),
    } | asdict(what)
    tables = [(_title(result), _table(rows))]
    print_tables(tables)
    write_by_rename(out / "audit.md", markdown(tables).encode())
    columns = dict.fromkeys(name for row in rows for name in row)
    write_csv(out / "audit.csv", [columns | _flat(row) for row in rows])
    return result


def _train(settings: Settings, rounds: int, folder: Path, name: str) -> Model | None:
    """The model of a run; None where noise drove it beyond all numbers."""
    try:
        return load_model(simulate(settings, rounds, folder, True, f"uv run federate audit: {name}", checks=2).model)
    except NotFinite as diverged:
        _console.print(f"{name}: {diverged}")
        return None


def _claim(out: Path, what: Audit) -> None:
    path, wanted = out / "audit.json", json.dumps(asdict(what), indent=2)
    if not path.exists():
        write_by_rename(path, wanted.encode())
    elif path.read_text("utf-8") != wanted:
        raise DataError(
            f"{out} holds an audit of other settings ({path}): repeat them to go on, or choose another --out"
        )


def _write_corpus(path: Path, members: Planted, users: Sequence[str], validation: Part) -> None:
    """What the runs train on and are watched by: the members' messages, planted, and validation users'."""
    lines = []
    for corpus, people in ((members, users), (validation, validation.users())):
        for user in people:
            for number, text in enumerate(corpus.messages(user)):
                lines.append(json.dumps({"user": user, "time": f"{number:08}", "text": text}))
    write_by_rename(path, ("\n".join(lines) + "\n").encode())


def _attacked(training: Part, user: str, model: Model, what: Audit) -> list[list[int]]:
    """The messages of a person that attacks are tried on: the oldest that are long enough."""
    messages: list[list[int]] = []
    words = 0
    for text in training.messages(user):
        encoded = model.vocabulary.encode(text)
        if len(encoded) >= _LEAST_WORDS:
            if words + len(encoded) > what.words_attacked and messages:
                break
            messages.append(encoded)
            words += len(encoded)
    return messages


def _measure(
    program: Program,
    canaries: Sequence[Canary],
    attacked: Sequence[Sequence[list[list[int]]]],
    before: list[list[Losses]] | None,
    words: np.ndarray,
) -> tuple[dict[str, Any], list[list[Losses]]]:
    """Exposures and attacks on one model, and its losses on everybody's messages."""
    bits = [exposure(program, canary, words) for canary in canaries]
    row: dict[str, Any] = {}
    for holders, copies in ((0, 0), *PLANTING):
        own = [b for b, c in zip(bits, canaries, strict=True) if (c.holders, c.copies) == (holders, copies)]
        row[f"exposure_{holders}x{copies}"] = float(np.mean(own))
    seen = [[losses(program, messages) for messages in side if messages] for side in attacked]
    members, others = seen
    for name, scores in (("people", user_scores), ("messages", message_scores)):
        attacks = {"": attack(scores(members), scores(others))}
        if before is not None:
            attacks["_calibrated"] = attack(scores(members, before[0]), scores(others, before[1]))
        for kind, found in attacks.items():
            row[f"auc_{name}{kind}"] = found.auc
            row[f"auc_{name}{kind}_ci"] = [found.interval.low, found.interval.high]
    return row, seen


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value[0]:.4f} to {value[1]:.4f}" if isinstance(value, list) else value for name, value in row.items()
    }


def _title(result: dict[str, Any]) -> str:
    attacked, others = result["messages"]
    return (
        f"After {result['rounds']} rounds of {result['clients_per_round']} of {result['members']} people of {result['corpus']}; "
        f"epsilon at delta {result['delta']:g}; canaries of {result['bits']:.0f} bits, controls expected at 1.44; attacks on "
        f"{attacked:,} messages of these members and {others:,} of {result['others']} others, AUC with 95% intervals"
    )


def _table(rows: Sequence[dict[str, Any]]) -> Rows:
    head = ["", "epsilon", "rho", "exposure of controls"]
    head += [f"held by {holders}, {copies} {'copy' if copies == 1 else 'copies'}" for holders, copies in PLANTING]
    head += ["AUC people", "calibrated", "AUC messages", "calibrated", "recall at 1", "recall at 3"]
    table = [head]
    for row in rows:
        cells = [row["model"], *(_number(row[name]) if name in row else "" for name in ("epsilon", "rho"))]
        if "top1" not in row:
            table.append(cells + [""] * (len(head) - len(cells)))
            continue
        cells += [f"{row[f'exposure_{holders}x{copies}']:.1f}" for holders, copies in ((0, 0), *PLANTING)]
        for name in ("people", "people_calibrated", "messages", "messages_calibrated"):
            interval = row.get(f"auc_{name}_ci")
            cells.append(f"{row[f'auc_{name}']:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")
        table.append([*cells, f"{row['top1']:.1%}", f"{row['top3']:.1%}"])
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "no bound"
    return f"{value:.3g}" if value < 1e3 else f"{value:,.0f}"
