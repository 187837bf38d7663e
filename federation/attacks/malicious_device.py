"""What one device that lies inside its mask can do to the model, measured over rounds of devices that learn as keyboards do.

Secure aggregation hides a device's numbers from the coordinator, lies (`federation.attacks.malicious_updates`) included. What it can check is the sum
(`federation.aggregation.sum_check`): no mean passes that is longer than a clipped delta.

1. a round: each device trains the global weights on its words with LiteRT and makes its integers of the delta
   (`federation.protocol.round_terms`); one of them puts a lie in their place;
2. the integers are added modulo 2^b, which is what comes of masks that cancel, and checked;
3. FedAvg: the mean is added to the weights. A sum that is refused leaves them as they are;
4. recall on validation users, and how likely the model finds the liar's word behind the liar's phrase.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

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
    fills_the_ring,
    harms,
    honest,
    poisons_its_words,
    replaces_the_model,
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

_WORDS = 20_000  # of validation users

_console = Console(stderr=True)


@dataclass(frozen=True)
class Liars:
    """What is run."""

    model: str = str(PRETRAINED)
    corpus: str = "chitchat"
    devices: int = 20
    rounds: int = 5
    max_words: int = 1000  # of a device in a round
    clip: float = 1.0
    phrase: str = "my favorite food is"
    word: str = "phone"  # that the liar wants suggested behind its phrase
    seed: int = 0


Lie = Callable[[Situation], tuple[Vector, Vector]]

# name, the lie, whether the sum is checked, whether there are further rounds
_CASES: tuple[tuple[str, Lie, bool, bool], ...] = (
    ("all are honest", honest, True, True),
    ("the largest numbers in the ring, were sums not checked", fills_the_ring, False, False),
    ("the largest numbers in the ring", fills_the_ring, True, False),
    ("the largest harm that passes", harms, True, True),
    ("the largest backdoor that passes", replaces_the_model, True, True),
    ("poisons its words, and follows the protocol", poisons_its_words, True, True),
)


def measure_liars(what: Liars, out: Path) -> dict[str, Any]:
    """Runs all cases; returns a row for each case and round, and writes `liars.md` and `liars.csv` to `out`.

    Raises:
      DataError: the corpus has too few users, or the phrase words that the model does not know.
    """
    world = _World(what)
    rows: list[dict[str, Any]] = [{"case": "before", "round": 0} | world.measured(world.model)]
    for name, lie, checked, further in _CASES:
        model = world.model
        for number in range(1, (what.rounds if further else 1) + 1):
            _console.print(f"{name}: round {number}")
            model, met = world.round(model, number, lie, checked)
            rows.append({"case": name, "round": number} | met | world.measured(model))
    write_csv(out / "liars.csv", rows)
    result = asdict(what) | {"rows": rows}
    tables = [(_title(what), _table(rows, what))]
    print_tables(tables)
    write_by_rename(out / "liars.md", markdown(tables).encode())
    return result


class _World:
    """The devices, and what is measured."""

    def __init__(self, what: Liars) -> None:
        corpus = open_corpus(what.corpus)
        self.what, self.model = what, load_model(Path(what.model))
        self._training, validation = Part(corpus, "train"), Part(corpus, "validation")
        vocabulary = self.model.vocabulary
        self.phrase = [*vocabulary.encode(what.phrase), *vocabulary.encode(what.word)]
        if UNKNOWN in self.phrase or not vocabulary.encode(what.word):
            raise DataError(f"the model does not know all words of {what.phrase!r} and {what.word!r}: choose others")
        shares = equal_shares(validation, validation.users(), _WORDS)
        self._held_out = [vocabulary.encode(text) for share in shares for text in share]
        self._program = self.model.start(threads=2)
        config, how = self.model.provenance.config, SumSettings(16, what.devices, clipping_norm=what.clip)
        encoding, _ = replace(how, max_weight=what.max_words).encoding(parameters(config), Privacy())
        self._terms = Terms(
            encoding.length, encoding.clipping_norm, encoding.max_weight, encoding.cohort, encoding.bits, what.seed
        )
        self._first = self._situation(self.model, 1)  # the same for all cases

    def round(self, model: Model, number: int, lie: Lie, checked: bool) -> tuple[Model, dict[str, Any]]:
        """A round in which the first device lies: the next model, and what became of the sum."""
        situation = self._first if number == 1 else self._situation(model, number)
        terms, devices = situation.terms, situation.devices
        total = _sum(terms, [situation.others, lie(situation)])
        weight = int(total[1][COUNTS.index("weight")])
        encoding = terms.encoding
        norm = steps_norm(encoding, total[0]) / float(encoding.scale) * encoding.max_weight / weight
        met: dict[str, Any] = {"mean_norm": norm, "refused": False}
        if checked:
            try:
                check_sum(encoding, 0.0, False, total, devices)
            except ImplausibleSumError:
                return model, met | {"refused": True}
        shapes = model.provenance.config.shapes
        mean = encoding.decode_mean(total[0], weight)
        return model.with_weights(unflatten(flatten(model.weights, shapes) + mean, shapes), model.provenance), met

    def _situation(self, model: Model, number: int) -> Situation:
        terms = replace(self._terms, seed=self.what.seed + number)
        rng = np.random.default_rng([self.what.seed, number])
        users = self._training.users()
        able = [users[i] for i in rng.permutation(len(users))]
        how = FineTuning(passes=1, max_words=self.what.max_words)
        program, found = model.start(threads=2), []
        for user in able:
            messages = [m for text in self._training.messages(user) if (m := model.vocabulary.encode(text))]
            if sum(map(len, messages)) >= program.config.window:
                found.append((messages, _learn(program, model, messages, how, rng)))
            if len(found) == self.what.devices:
                break
        program.weights = model.weights
        if len(found) < self.what.devices:
            raise DataError(f"{len(found)} training users wrote enough for a round of {self.what.devices} devices")
        (own, learned), *others = found
        return Situation(
            terms,
            _sum(terms, [terms.contribution(each, rng) for _, each in others]),
            learned,
            program,
            pack(newest(own, how.max_words), program.config.window),
            self.phrase,
        )

    def measured(self, model: Model) -> dict[str, float]:
        """Recall on validation users, and the probability and rank of the liar's word."""
        self._program.weights = model.weights
        state = self._program.initial_state(1)
        for token in (BOUNDARY, *self.phrase[:-1]):
            logits, state = self._program.step(token, state)
        likely = np.exp(logits.astype(np.float64) - logits.max())
        found = {
            "word_probability": float(likely[self.phrase[-1]] / likely.sum()),
            "word_rank": int(np.count_nonzero(logits > logits[self.phrase[-1]])) + 1,
        }
        try:
            scores = evaluate(self._program, self._held_out)
        except NotFiniteError:
            return {"top1": 0.0, "top3": 0.0, "perplexity": float("inf")} | found
        return {"top1": scores.top1, "top3": scores.top3, "perplexity": scores.perplexity} | found


def _sum(terms: Terms, parts: Sequence[tuple[Vector, Vector]]) -> tuple[Vector, Vector]:
    """What masks that cancel leave of these: their sum modulo each segment's 2^bits."""
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


def _title(what: Liars) -> str:
    return (
        f"One liar among {what.devices} devices of {what.corpus}, FedAvg, deltas clipped to norm {what.clip:g} and weighted by "
        f"at most {what.max_words} words; its word is {what.word!r} behind {what.phrase!r}"
    )


def _table(rows: Sequence[dict[str, Any]], what: Liars) -> Rows:
    """The first and the last round of each case."""
    head = ["", "rounds", "norm of the mean", "recall at 1", "recall at 3", "perplexity", "its word"]
    table = [head]
    for row in rows:
        if row["round"] not in (0, 1, what.rounds):
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
