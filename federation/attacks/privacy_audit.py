"""Audits that could fail: what a model gives away of the people it was trained on, with and without differential privacy.

1. members and others are drawn among the training users; the rest are outsiders (`federation.attacks.audit_people`);
2. outsiders alone train the model that all audited rounds start from, from random weights on: it has seen neither side;
3. canaries are planted among the members' messages, and as many controls are drawn that nobody has;
4. the same federated rounds over the members: without privacy, and with tree aggregation at each noise multiplier;
5. each model, the start included, is measured: the exposure of canaries (`federation.attacks.canaries`), attacks on membership of people
   and of messages, members against others (`federation.attacks.membership_inference`), and recall on validation users;
6. the attacks are tried on the model as it is shipped, too. It has learned from members and others alike, so there both are
   members, and strangers, who are validation users, are not.

Attacks that are calibrated have the start for a reference. Test users' words are not read at all. The promise is to one person: a
secret that many hold is no one person's, and noise that hides any one of them need not hide it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from data.corpus import Part, open_corpus
from data.errors import DataError
from federation.aggregation.accounting import spent
from federation.aggregation.algorithms import Server
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import SumSettings
from federation.attacks.audit_people import AssignedMessages, People, draw_people, write_corpus
from federation.attacks.audit_report import write_report
from federation.attacks.canaries import Canary, Planted, chance, choices, draw_canaries, exposure, holders_of
from federation.attacks.membership_inference import Losses, attack, losses, message_scores, user_scores
from federation.simulation.run import simulate
from federation.simulation.settings import SimulationSettings
from federation.simulation.start import checked_messages, claim_folder
from model.device.folder import PRETRAINED, Model, load_model, save_model
from model.device.learning.finetuning import FineTuning
from model.device.metrics import NotFiniteError, evaluate
from model.device.weights import Provenance, initial_weights

PLANTING = ((1, 1), (1, 40), (4, 40))  # holders of a canary, and copies that each of them has
_OF_EACH = 4  # canaries
_CONTROLS = 16

_console = Console(stderr=True)


@dataclass(frozen=True)
class Audit:
    """What is run; the settings of the audited rounds are the same with and without privacy."""

    model: str = str(PRETRAINED)  # the shipped one: attacked as it is, and its vocabulary is that of all others
    corpus: str = "chitchat"
    people: int = 100  # members, and as many others
    words: int = 200  # of each of them
    start_rounds: int = 200  # over outsiders: FedAdam, five clients of at most 1,000 words each
    rounds: int = 15  # over members
    clients_per_round: int = 100
    client_learning_rate: float = 1.0
    server_learning_rate: float = 1.0  # FedAvg's
    clip: float = 1.0  # L2 norm that deltas are clipped to in private runs
    noise_multipliers: tuple[float, ...] = (1.0, 3.0)
    seed: int = 0

    @property
    def period(self) -> int:
        """Rounds of a tree: as many as the members last."""
        return self.people // self.clients_per_round

    @property
    def delta(self) -> float:
        """Of the epsilon that is shown."""
        return 1 / (10 * self.people)

    def start(self, corpus: Path, init: Path) -> SimulationSettings:
        """Those of the run over outsiders."""
        server, client = Server("fedadam", 0.01, self.start_rounds), FineTuning(1.0, passes=1, max_words=1000)
        return SimulationSettings(str(corpus), str(init), 5, "words", self.seed, server=server, client=client)

    def settings(self, corpus: Path, init: Path, noise_multiplier: float | None) -> SimulationSettings:
        """Those of a run over members; without a noise multiplier it is not private."""
        client = FineTuning(self.client_learning_rate, passes=1, max_words=4 * self.words)
        server = Server(learning_rate=self.server_learning_rate)
        plain = SimulationSettings(
            str(corpus), str(init), self.clients_per_round, seed=self.seed, server=server, client=client
        )
        if noise_multiplier is None:
            return plain
        privacy = Privacy("tree", noise_multiplier, self.period, self.delta)
        summation = SumSettings(16, self.clients_per_round, clipping_norm=self.clip, max_weight=1)
        return replace(plain, summation=summation, privacy=privacy)


def audit(what: Audit, out: Path) -> dict[str, Any]:
    """Runs or resumes an audit in the folder `out`; returns a row for each model, and what it was measured on.

    Writes `audit.md` and `audit.csv` too.

    Raises:
      DataError: there are too few people, or `out` holds something else.
    """
    corpus = open_corpus(what.corpus)
    training, validation = Part(corpus, "train"), Part(corpus, "validation")
    if not what.period:
        raise DataError(
            f"{what.people} people are too few for rounds of {what.clients_per_round}: lower --clients-per-round"
        )
    people = draw_people(training, validation, what.people, what.words, what.seed)
    shipped = load_model(Path(what.model))
    kinds = PLANTING * _OF_EACH + ((0, 0),) * _CONTROLS
    canaries = draw_canaries(shipped.vocabulary, kinds, what.seed)
    held = holders_of(canaries, people.members.users(), what.seed)
    claim_folder(out / "audit.json", asdict(what), "an audit", resume=True)

    watching = (validation, validation.users())
    write_corpus(out / "outsiders.jsonl", [(training, people.outsiders), watching])
    members = Planted(people.members, held, shipped.vocabulary)
    write_corpus(out / "members.jsonl", [(members, members.users()), watching])
    if not (random := out / "random").exists():
        save_model(random, _untrained(shipped, what.seed))
    start = out / "start"
    _console.print(f"{what.start_rounds} rounds over {len(people.outsiders)} outsiders")
    begin = simulate(what.start(out / "outsiders.jsonl", random), what.start_rounds, start, True, _command("start"), 2)

    trained: list[tuple[str, Model | None, dict[str, Any]]] = [("the start", load_model(begin.model), {})]
    for multiplier in (None, *what.noise_multipliers):
        name = "without privacy" if multiplier is None else f"noise multiplier {multiplier:g}"
        _console.print(f"{what.rounds} rounds over {what.people} members, {name}")
        settings = what.settings(out / "members.jsonl", begin.model, multiplier)
        promise = spent(settings.privacy, what.rounds)
        promised = {"epsilon": _finite(promise.epsilon), "rho": _finite(promise.rho)}
        trained.append((name, _train(settings, what.rounds, out / name.replace(" ", "-"), name), promised))
    rows = _measure(trained, shipped, people, canaries, checked_messages(validation, shipped.vocabulary))
    result = asdict(what) | {
        "rows": rows,
        "members": what.people,
        "outsiders": len(people.outsiders),
        "strangers": len(people.strangers.users()),
        "bits": 2 * math.log2(len(choices(shipped.vocabulary))),
        "delta": what.delta,
    }
    write_report(result, PLANTING, out)
    return result


def _untrained(model: Model, seed: int) -> Model:
    config = model.provenance.config
    return replace(
        model.with_weights(initial_weights(config, seed), Provenance(config, model.vocabulary.sha256)), card=""
    )


def _train(settings: SimulationSettings, rounds: int, folder: Path, name: str) -> Model | None:
    """The model of a run; None where noise drove it beyond all numbers."""
    try:
        return load_model(simulate(settings, rounds, folder, True, _command(name), 2).model)
    except NotFiniteError as diverged:
        _console.print(f"{name}: {diverged}")
        return None


def _command(name: str) -> str:
    return f"uv run federate audit: {name}"


def _measure(
    trained: Sequence[tuple[str, Model | None, dict[str, Any]]],
    shipped: Model,
    people: People,
    canaries: Sequence[Canary],
    held_out: Sequence[Sequence[int]],
) -> list[dict[str, Any]]:
    """A row for each model, the first of which is the reference of calibrated attacks."""
    vocabulary, words = shipped.vocabulary, choices(shipped.vocabulary)

    def encoded(side: AssignedMessages) -> list[list[list[int]]]:
        return [[vocabulary.encode(text) for text in side.messages(user)] for user in side.users()]

    members, others, strangers = map(encoded, (people.members, people.others, people.strangers))
    before: dict[str, list[Losses]] = {}
    rows: list[dict[str, Any]] = []
    for name, model, promised in (*trained, ("as shipped", shipped, {})):
        if model is None:
            rows.append({"model": f"{name} (diverged)"} | promised)
            continue
        _console.print(f"attacking: {name}")
        program, row = model.start(threads=2), {"model": name} | promised
        if model is shipped:
            sides = {"members": members + others, "others": strangers}
        else:
            sides = {"members": members, "others": others}
            bits = [exposure(program, canary, words) for canary in canaries]
            row |= _exposures(bits, canaries)
        seen = {side: [losses(program, person) for person in texts] for side, texts in sides.items()}
        if not before:
            before = seen | {"strangers": [losses(program, person) for person in strangers]}
            row |= _attacks(seen, None)
        elif model is shipped:
            row |= _attacks(seen, {"members": before["members"] + before["others"], "others": before["strangers"]})
        else:
            row |= _attacks(seen, before)
        scores = evaluate(program, held_out)
        rows.append(row | {"top1": scores.top1, "top3": scores.top3, "perplexity": scores.perplexity})
    return rows


def _exposures(bits: Sequence[float], canaries: Sequence[Canary]) -> dict[str, float]:
    """The mean exposure of each kind of canaries, and how likely as many secrets that were never seen have as much."""
    row = {}
    for holders, copies in ((0, 0), *PLANTING):
        own = [b for b, c in zip(bits, canaries, strict=True) if (c.holders, c.copies) == (holders, copies)]
        row[f"exposure_{holders}x{copies}"] = sum(own) / len(own)
        row[f"chance_{holders}x{copies}"] = chance(own)
    return row


def _attacks(
    seen: Mapping[str, Sequence[Losses]], before: Mapping[str, Sequence[Losses]] | None
) -> dict[str, float | list[float]]:
    """Both attacks, and their calibrated forms where the losses of a reference are given."""
    row: dict[str, float | list[float]] = {}
    for name, scores in (("people", user_scores), ("messages", message_scores)):
        found = {"": attack(scores(seen["members"]), scores(seen["others"]))}
        if before is not None:
            after = {side: scores(seen[side], before[side]) for side in ("members", "others")}
            found["_calibrated"] = attack(after["members"], after["others"])
        for kind, one in found.items():
            row[f"auc_{name}{kind}"] = one.auc
            row[f"auc_{name}{kind}_ci"] = [one.interval.low, one.interval.high]
    return row


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
