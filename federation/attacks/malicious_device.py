"""Measurement of the effect of one malicious device on the model, over rounds of devices that learn as keyboards do.

Secure aggregation hides each device's update from the coordinator, even a malicious one (`federation.attacks.malicious_updates`).
The coordinator can only check the sum (`federation.aggregation.sum_check`): it refuses a mean that is longer than a clipped delta.

1. In a round each device trains the global weights on its words with LiteRT and encodes its delta as integers
   (`federation.protocol.round_terms`). One device replaces them with a malicious update.
2. The integers are added modulo 2^b, like masked integers whose masks cancel, and the sum is checked.
3. FedAvg adds the mean to the weights. A refused sum leaves the weights unchanged.
4. Recall on validation users and the probability of the attacker's word after its trigger phrase are measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from data.corpus import Part, open_corpus
from data.errors import DataError
from data.files import write_by_rename, write_csv
from data.generators import result_of
from data.vocabulary import BOUNDARY, UNKNOWN
from data.windows import pack
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_check import ImplausibleSumError, check_sum, steps_norm
from federation.aggregation.sum_settings import SumSettings
from federation.attacks.malicious_updates import (
    Situation,
    honest_update,
    largest_numbers,
    most_harmful,
    poisoned_words,
    strongest_backdoor,
)
from federation.evaluation.held_out_users import equal_shares
from federation.protocol.delta_encoding import flatten, unflatten
from federation.protocol.round_terms import COUNTS, Terms, TrainingResult
from federation.protocol.secure_aggregation.modular_vectors import Vector, reduce
from federation.reports.tables import Rows, markdown, print_tables
from model.device.config import parameters
from model.device.folder import PRETRAINED, Model, load_model
from model.device.learning.finetuning import FineTuning, newest, subtract
from model.device.learning.training import train_program
from model.device.metrics import NotFiniteError, evaluate
from model.device.runtime import Program

_WORDS = 20_000  # words of validation users to measure recall on

_console = Console(stderr=True)


@dataclass(frozen=True)
class AttackSettings:
    """The settings of `federate liars`."""

    model: str = str(PRETRAINED)
    corpus: str = "chitchat"
    devices: int = 20  # devices in a round, one of them malicious
    rounds: int = 5
    max_words: int = 1000  # maximum words of a device in a round
    clip: float = 1.0  # L2 norm that deltas are clipped to
    phrase: str = "my favorite food is"  # the backdoor's trigger
    word: str = "phone"  # the word that the attacker wants suggested after it
    seed: int = 0


class _Case(NamedTuple):
    name: str
    update: Callable[[Situation], tuple[Vector, Vector]]
    checked: bool = True  # whether the coordinator checks the sum
    all_rounds: bool = True  # whether the case runs all rounds; if not, only the first


_CASES = (
    _Case("all devices honest", honest_update),
    _Case("largest numbers possible, sum not checked", largest_numbers, checked=False, all_rounds=False),
    _Case("largest numbers possible", largest_numbers, all_rounds=False),
    _Case("the most harmful update that passes", most_harmful),
    _Case("the strongest backdoor that passes", strongest_backdoor),
    _Case("poisoned words, protocol followed", poisoned_words),
)


def measure_attacks(settings: AttackSettings, out: Path) -> dict[str, Any]:
    """Runs all attacks; returns the settings and a row for each case and round, and writes `liars.md` and `liars.csv` to `out`.

    Raises:
      DataError: the corpus has too few users, or the model does not know all words of the phrase.
    """
    simulation = _AttackedRounds(settings)
    rows: list[dict[str, Any]] = [{"case": "before", "round": 0} | simulation.measured(simulation.model)]
    for case in _CASES:
        model = simulation.model
        for number in range(1, (settings.rounds if case.all_rounds else 1) + 1):
            _console.print(f"{case.name}: round {number}")
            model, outcome = simulation.round(model, number, case)
            rows.append({"case": case.name, "round": number} | outcome | simulation.measured(model))
    write_csv(out / "liars.csv", rows)
    tables = [(_title(settings), _table(rows, settings))]
    print_tables(tables)
    write_by_rename(out / "liars.md", markdown(tables).encode())
    return asdict(settings) | {"rows": rows}


class _AttackedRounds:
    """Simulated rounds in which the first device is malicious, and the measurements of their models."""

    def __init__(self, settings: AttackSettings) -> None:
        corpus = open_corpus(settings.corpus)
        self.settings, self.model = settings, load_model(Path(settings.model))
        self._training, validation = Part(corpus, "train"), Part(corpus, "validation")
        vocabulary = self.model.vocabulary
        self.phrase = [*vocabulary.encode(settings.phrase), *vocabulary.encode(settings.word)]
        if UNKNOWN in self.phrase or not vocabulary.encode(settings.word):
            raise DataError(
                f"the model does not know all words of {settings.phrase!r} and {settings.word!r}: choose other words"
            )
        shares = equal_shares(validation, validation.users(), _WORDS)
        self._held_out = [vocabulary.encode(text) for share in shares for text in share]
        self._program = self.model.start(threads=2)
        config, how = self.model.provenance.config, SumSettings(16, settings.devices, clipping_norm=settings.clip)
        encoding, _ = replace(how, max_weight=settings.max_words).encoding(parameters(config), Privacy())
        self._terms = Terms(
            encoding.length, encoding.clipping_norm, encoding.max_weight, encoding.cohort, encoding.bits, settings.seed
        )
        self._first = self._situation(self.model, 1)  # the same for all cases

    def round(self, model: Model, number: int, case: _Case) -> tuple[Model, dict[str, Any]]:
        """Runs one round; returns the next model, the norm of the mean, and whether the sum was refused."""
        situation = self._first if number == 1 else self._situation(model, number)
        terms = situation.terms
        total = _sum(terms, [situation.others, case.update(situation)])
        weight = int(total[1][COUNTS.index("weight")])
        encoding = terms.encoding
        norm = steps_norm(encoding, total[0]) / float(encoding.scale) * encoding.max_weight / weight
        outcome: dict[str, Any] = {"mean_norm": norm, "refused": False}
        if case.checked:
            try:
                check_sum(encoding, 0.0, False, total, situation.devices)
            except ImplausibleSumError:
                return model, outcome | {"refused": True}
        shapes = model.provenance.config.shapes
        mean = encoding.decode_mean(total[0], weight)
        return model.with_weights(unflatten(flatten(model.weights, shapes) + mean, shapes), model.provenance), outcome

    def _situation(self, model: Model, number: int) -> Situation:
        """Draws the round's devices, trains them, and returns everything that the first of them may know."""
        settings = self.settings
        terms = replace(self._terms, seed=settings.seed + number)
        rng = np.random.default_rng([settings.seed, number])
        users = self._training.users()
        how = FineTuning(passes=1, max_words=settings.max_words)
        program, trained = model.start(threads=2), []
        for user in (users[i] for i in rng.permutation(len(users))):
            messages = [m for text in self._training.messages(user) if (m := model.vocabulary.encode(text))]
            if sum(map(len, messages)) >= program.config.window:
                trained.append((messages, _learn(program, model, messages, how, rng)))
            if len(trained) == settings.devices:
                break
        program.weights = model.weights
        if len(trained) < settings.devices:
            raise DataError(
                f"only {len(trained)} training users wrote enough for a round of {settings.devices} devices: "
                "lower --devices"
            )
        (own, learned), *others = trained
        return Situation(
            terms,
            _sum(terms, [terms.contribution(result, rng) for _, result in others]),
            learned,
            program,
            pack(newest(own, how.max_words), program.config.window),
            self.phrase,
        )

    def measured(self, model: Model) -> dict[str, float]:
        """Returns recall on validation users, and the probability and rank of the attacker's word after its phrase."""
        self._program.weights = model.weights
        state = self._program.initial_state(1)
        for token in (BOUNDARY, *self.phrase[:-1]):
            logits, state = self._program.step(token, state)
        odds = np.exp(logits.astype(np.float64) - logits.max())
        word = {
            "word_probability": float(odds[self.phrase[-1]] / odds.sum()),
            "word_rank": int(np.count_nonzero(logits > logits[self.phrase[-1]])) + 1,
        }
        try:
            scores = evaluate(self._program, self._held_out)
        except NotFiniteError:
            return {"top1": 0.0, "top3": 0.0, "perplexity": float("inf")} | word
        return {"top1": scores.top1, "top3": scores.top3, "perplexity": scores.perplexity} | word


def _sum(terms: Terms, parts: Sequence[tuple[Vector, Vector]]) -> tuple[Vector, Vector]:
    """Returns the sum modulo each segment's 2^bits, as secure aggregation leaves it after the masks cancel."""
    added = [
        np.sum(vectors, axis=0, dtype=s.dtype)
        for s, vectors in zip(terms.layout, zip(*parts, strict=True), strict=True)
    ]
    delta, counts = reduce(terms.layout, added)
    return delta, counts


def _learn(
    program: Program, model: Model, messages: Sequence[Sequence[int]], how: FineTuning, rng: np.random.Generator
) -> TrainingResult:
    program.weights = model.weights
    run = result_of(train_program(program, messages, how, rng))
    delta = flatten(subtract(program.weights, model.weights), model.provenance.config.shapes)
    return TrainingResult(delta, run.words, run.loss_sum)


def _title(settings: AttackSettings) -> str:
    return (
        f"One malicious device among {settings.devices} of {settings.corpus}; FedAvg, deltas clipped to norm {settings.clip:g} "
        f"and weighted by at most {settings.max_words} words; the attacker's word is {settings.word!r} after {settings.phrase!r}"
    )


def _table(rows: Sequence[dict[str, Any]], settings: AttackSettings) -> Rows:
    """Returns the first and the last round of each case."""
    table = [["", "rounds", "norm of the mean", "recall at 1", "recall at 3", "perplexity", "attacker's word"]]
    for row in rows:
        if row["round"] not in (0, 1, settings.rounds):
            continue
        norm = f"{row['mean_norm']:.2f}" if "mean_norm" in row else ""
        table.append(
            [
                row["case"],
                str(row["round"]),
                f"{norm}, refused" if row.get("refused") else norm,
                f"{row['top1']:.1%}",
                f"{row['top3']:.1%}",
                f"{row['perplexity']:,.0f}",
                f"{row['word_probability']:.2%}, rank {row['word_rank']:,}",
            ]
        )
    return table
