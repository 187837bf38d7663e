"""Privacy audit: attacks that measure how much models reveal about people, with and without differential privacy.

1. Members and others are drawn from the training users; the rest are outsiders (`federation.attacks.audit_people`).
2. The start model is trained on outsiders alone, from random weights; or it is a model that has seen none of these people, such as
   one of public text. All audited rounds start from it.
3. Canaries are planted among the members' messages. Controls are canaries that nobody holds.
4. The same federated rounds run over the members: without privacy, and with tree aggregation at each noise multiplier.
5. Each model, the start model included, is measured: the exposure of canaries (`federation.attacks.canaries`), membership
   inference of people and of messages (`federation.attacks.membership_inference`), and recall on validation users.
6. The attacks are also tried on the shipped model. It has learned from members and others alike, so both count as members of it,
   and strangers, who are validation users, count as non-members.

The reference of calibrated attacks is the start model. Test users' words are not read at all. Differential privacy protects a
single person here: noise that hides each holder of a shared secret need not hide the secret.
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
from federation.aggregation.privacy import Privacy
from federation.aggregation.server_settings import Server
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

PLANTING = ((1, 1), (1, 40), (4, 40))  # kinds of canaries: number of holders, and copies of each holder
_OF_EACH = 4  # canaries of each kind
_CONTROLS = 16  # canaries that nobody holds

_console = Console(stderr=True)


@dataclass(frozen=True)
class Audit:
    """The settings of `federate audit`; audited rounds have the same settings with and without privacy."""

    model: str = str(PRETRAINED)  # the model that is attacked as it is; all other models have its vocabulary
    corpus: str = "chitchat"
    people: int = 100  # number of members, and of others
    words: int = 200  # words of each member and of each other
    # The model that audited rounds start from, trained on none of these people; empty: one trained on outsiders.
    start: str = ""
    start_rounds: int = 200  # rounds over outsiders: FedAdam, five clients of at most 1,000 words each
    trainable: str = "all"  # the weights that audited rounds train
    rounds: int = 15  # rounds over members
    clients_per_round: int = 100
    client_learning_rate: float = 1.0
    server_learning_rate: float = 1.0  # learning rate of FedAvg
    clip: float = 1.0  # L2 norm that private runs clip deltas to
    noise_multipliers: tuple[float, ...] = (1.0, 3.0)
    seed: int = 0

    @property
    def period(self) -> int:
        """The rounds of a tree: the number of disjoint cohorts that the members fill."""
        return self.people // self.clients_per_round

    @property
    def delta(self) -> float:
        """The delta at which epsilon is reported."""
        return 1 / (10 * self.people)

    def over_outsiders(self, corpus: Path, init: Path) -> SimulationSettings:
        """Returns the settings of the run over outsiders."""
        server, client = Server("fedadam", 0.01, self.start_rounds), FineTuning(1.0, passes=1, max_words=1000)
        return SimulationSettings(str(corpus), str(init), 5, "words", self.seed, server=server, client=client)

    def audited(self, corpus: Path, init: Path, noise_multiplier: float | None) -> SimulationSettings:
        """Returns the settings of a run over members, which is private if it has a noise multiplier."""
        client = FineTuning(self.client_learning_rate, passes=1, max_words=4 * self.words, trainable=self.trainable)
        server = Server(learning_rate=self.server_learning_rate)
        plain = SimulationSettings(
            str(corpus), str(init), self.clients_per_round, seed=self.seed, server=server, client=client
        )
        if noise_multiplier is None:
            return plain
        privacy = Privacy("tree", noise_multiplier, self.period, self.delta)
        summation = SumSettings(16, self.clients_per_round, clipping_norm=self.clip, max_weight=1)
        return replace(plain, summation=summation, privacy=privacy)


def audit(settings: Audit, out: Path) -> dict[str, Any]:
    """Runs or resumes an audit in the folder `out`; returns its settings and a row for each model.

    Writes `audit.md` and `audit.csv`.

    Raises:
      DataError: there are too few people, or `out` holds something else.
    """
    corpus = open_corpus(settings.corpus)
    training, validation = Part(corpus, "train"), Part(corpus, "validation")
    if not settings.period:
        raise DataError(
            f"{settings.people} people are too few for rounds of {settings.clients_per_round} clients: lower --clients-per-round"
        )
    people = draw_people(training, validation, settings.people, settings.words, settings.seed)
    shipped = load_model(Path(settings.model))
    if settings.start and load_model(Path(settings.start)).vocabulary.sha256 != shipped.vocabulary.sha256:
        raise DataError(f"{settings.start} and {settings.model} have different vocabularies: choose models of one")
    kinds = PLANTING * _OF_EACH + ((0, 0),) * _CONTROLS
    canaries = draw_canaries(shipped.vocabulary, kinds, settings.seed)
    held = holders_of(canaries, people.members.users(), settings.seed)
    claim_folder(out / "audit.json", asdict(settings), "an audit", resume=True)

    watching = (validation, validation.users())
    write_corpus(out / "outsiders.jsonl", [(training, people.outsiders), watching])
    members = Planted(people.members, held, shipped.vocabulary)
    write_corpus(out / "members.jsonl", [(members, members.users()), watching])
    started = Path(settings.start) if settings.start else _train_start(settings, shipped, len(people.outsiders), out)
    trained: list[tuple[str, Model | None, dict[str, Any]]] = [("the start", load_model(started), {})]
    for multiplier in (None, *settings.noise_multipliers):
        name = "without privacy" if multiplier is None else f"noise multiplier {multiplier:g}"
        _console.print(f"{settings.rounds} rounds over {settings.people} members, {name}")
        run = settings.audited(out / "members.jsonl", started, multiplier)
        loss = spent(run.privacy, settings.rounds)
        privacy = {"epsilon": _finite(loss.epsilon), "rho": _finite(loss.rho)}
        trained.append((name, _train(run, settings.rounds, out / name.replace(" ", "-"), name), privacy))
    rows = _measure(trained, shipped, people, canaries, checked_messages(validation, shipped.vocabulary))
    result = asdict(settings) | {
        "rows": rows,
        "members": settings.people,
        "outsiders": 0 if settings.start else len(people.outsiders),
        "strangers": len(people.strangers.users()),
        "bits": 2 * math.log2(len(choices(shipped.vocabulary))),
        "delta": settings.delta,
    }
    write_report(result, PLANTING, out)
    return result


def _train_start(settings: Audit, shipped: Model, outsiders: int, out: Path) -> Path:
    """Trains the start model on outsiders, from random weights; returns its folder."""
    if not (random := out / "random").exists():
        save_model(random, _untrained(shipped, settings.seed))
    _console.print(f"{settings.start_rounds} rounds over {outsiders} outsiders")
    run = settings.over_outsiders(out / "outsiders.jsonl", random)
    return simulate(run, settings.start_rounds, out / "start", True, _command("start"), 2).model


def _untrained(model: Model, seed: int) -> Model:
    config = model.provenance.config
    return replace(
        model.with_weights(initial_weights(config, seed), Provenance(config, model.vocabulary.sha256)), card=""
    )


def _train(settings: SimulationSettings, rounds: int, folder: Path, name: str) -> Model | None:
    """Returns the model of a run, or None if noise made it diverge."""
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
    """Returns a row for each model; the first model is the reference of calibrated attacks."""
    vocabulary, words = shipped.vocabulary, choices(shipped.vocabulary)

    def encoded(side: AssignedMessages) -> list[list[list[int]]]:
        return [[vocabulary.encode(text) for text in side.messages(user)] for user in side.users()]

    members, others, strangers = map(encoded, (people.members, people.others, people.strangers))
    before: dict[str, list[Losses]] = {}
    rows: list[dict[str, Any]] = []
    for name, model, privacy in (*trained, ("as shipped", shipped, {})):
        if model is None:
            rows.append({"model": f"{name} (diverged)"} | privacy)
            continue
        _console.print(f"attacking: {name}")
        program, row = model.start(threads=2), {"model": name} | privacy
        if model is shipped:
            sides = {"members": members + others, "others": strangers}
        else:
            sides = {"members": members, "others": others}
            bits = [exposure(program, canary, words) for canary in canaries]
            row |= _exposures(bits, canaries)
        seen = {side: [losses(program, person) for person in texts] for side, texts in sides.items()}
        if not before:
            before = seen | {"strangers": [losses(program, person) for person in strangers]}
            row |= attack_results(seen, None)
        elif model is shipped:
            row |= attack_results(
                seen, {"members": before["members"] + before["others"], "others": before["strangers"]}
            )
        else:
            row |= attack_results(seen, before)
        scores = evaluate(program, held_out)
        rows.append(row | {"top1": scores.top1, "top3": scores.top3, "perplexity": scores.perplexity})
    return rows


def _exposures(bits: Sequence[float], canaries: Sequence[Canary]) -> dict[str, float]:
    """Returns the mean exposure of each kind of canary, and the probability that secrets never seen reach it."""
    row = {}
    for holders, copies in ((0, 0), *PLANTING):
        own = [b for b, c in zip(bits, canaries, strict=True) if (c.holders, c.copies) == (holders, copies)]
        row[f"exposure_{holders}x{copies}"] = sum(own) / len(own)
        row[f"chance_{holders}x{copies}"] = chance(own)
    return row


def attack_results(
    seen: Mapping[str, Sequence[Losses]], before: Mapping[str, Sequence[Losses]] | None
) -> dict[str, float | list[float]]:
    """Returns the results of both attacks, and of their calibrated forms if the losses of the reference are given."""
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
