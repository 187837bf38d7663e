"""Simulated rounds: TFF trains the global model over a corpus's users as clients.

A run is a folder. `settings.json` says what it is, `state/` where it stands, `metrics.csv` and `tensorboard/` what each round
brought, `model/` and `progress.png` what came out. The flow of a round:

1. draw a cohort of the training users, as long as the privacy budget allows one;
2. draw at most `max_words` words of each, pack them into rows, shuffle;
3. TFF: broadcast, client work, weighted mean (`federation.aggregation.secure_mean` where the run asks for one), server optimizer;
4. the new global weights join the mean of those before, if the run averages them (Izmailov et al. 2018, arXiv 1803.05407);
5. release the round's metrics, then save its state. A run killed in between does that round again, with the same result.
"""

import csv
import json
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_federated as tff

from data.corpus import Part, open_corpus
from data.errors import DataError
from data.files import write_by_rename
from data.vocabulary import Vocabulary
from federation.aggregation.accounting import BudgetExhaustedError, Spent, check_budget, rho_of_round, spent
from federation.aggregation.algorithms import Server, learning_process, weights_of
from federation.aggregation.privacy import Privacy, check_enough, cohort_of_period
from federation.aggregation.secure_mean import aggregator
from federation.aggregation.sum_settings import SumSettings
from federation.engine.local import engine
from federation.engine.remote_workers import check_reachable, remote_engine
from federation.engine.state_store import StateStore, wait_for
from federation.evaluation.held_out_users import equal_shares
from federation.reports.model_card import model_card
from federation.reports.plots import plot_simulation
from federation.reports.progress import progress_bar
from federation.simulation.clients import Clients, sample_cohort, turns_by_words
from model.device.config import ModelConfig, parameters
from model.device.folder import Model, check_free_for_model, load_model, save_model
from model.device.learning.finetuning import FineTuning
from model.device.metrics import NotFiniteError, Scores, evaluate
from model.device.weights import Provenance, digest, initial_weights, next_provenance

_VOCABULARY_MIN_USERS = 3  # a word that fewer people wrote could give one of them away
_CHECK_WORDS = 20_000  # of validation users, for the curve: enough for a standard error of 0.3 points


@dataclass(frozen=True)
class SimulationSettings:
    """All that a run's result depends on, but for the number of rounds."""

    corpus: str = "chitchat"
    init: str = "random"  # or a model folder
    clients_per_round: int = 20
    cohort: str = "uniform"  # or "words": how clients are drawn (`federation.simulation.clients`)
    seed: int = 0
    average_from: int = 0  # the first round whose model is averaged into the final one; 0 takes the last as it is
    server: Server = field(default_factory=Server)
    client: FineTuning = field(default_factory=FineTuning)
    summation: SumSettings | None = None  # None: deltas are averaged as they are
    privacy: Privacy = field(default_factory=Privacy)

    def __post_init__(self) -> None:
        if self.privacy.private and (self.summation is None or self.cohort != "uniform"):
            raise DataError("differential privacy needs bounded deltas, and calls everybody equally often")
        if self.summation is not None and self.summation.cohort < self.clients_per_round:
            raise DataError(f"a sum over {self.summation.cohort} clients has no room for {self.clients_per_round}")

    def as_kept(self) -> dict[str, Any]:
        """What the run's folder says: without what older runs had no setting for, where this one goes without it as they did."""
        content = asdict(self)
        if self.summation is None:
            del content["summation"]
        if not self.privacy.private:
            del content["privacy"]
        return content


@dataclass(frozen=True)
class Outcome:
    """What a run brought: a row of `metrics.csv` per round, and validation users' scores before and after."""

    rounds: list[dict[str, float]]
    before: Scores
    after: Scores
    model: Path
    spent: Spent


def initial_model(init: str, seed: int, training: Part) -> Model:
    """The model that training starts from: a folder's, or random weights over a vocabulary of the training users' words."""
    if init != "random":
        return load_model(Path(init))
    from model.program import build_program  # only here: converting takes seconds

    vocabulary = training_vocabulary(training)
    config = ModelConfig(vocabulary=len(vocabulary))
    weights = initial_weights(config, seed)
    return Model(weights, Provenance(config, vocabulary.sha256), vocabulary, build_program(config))


def training_vocabulary(training: Part) -> Vocabulary:
    """The most frequent words of the training users."""
    words = (training.messages(user) for user in training.users())
    return Vocabulary.build(words, ModelConfig.vocabulary, _VOCABULARY_MIN_USERS)


def simulate(
    settings: SimulationSettings,
    rounds: int,
    out: Path,
    resume: bool,
    command: str = "",
    checks: int = 20,
    workers: Sequence[str] = (),
) -> Outcome:
    """Runs or resumes a simulation of `rounds` rounds in the folder `out`.

    Args:
      settings: what to run; on resuming, the same as before.
      rounds: how many rounds the run has in the end.
      out: the run's folder.
      resume: whether `out` holds a run to go on with.
      command: the command line, for the model card.
      checks: how often on the way validation users' recall is measured.
      workers: addresses of TFF workers for the clients' part; none: all happens here. It makes no difference to the result.

    Raises:
      DataError: `out` holds a run and `resume` is not set, or holds one of other settings; or an input is not right; or no worker
        answers, or none is left.
      BudgetExhaustedError: the privacy budget allows not one round.
      NotFiniteError: training diverged.
    """
    check_reachable(workers)
    corpus = open_corpus(settings.corpus)
    training, validation = Part(corpus, "train"), Part(corpus, "validation")
    model = initial_model(settings.init, settings.seed, training)
    config = model.provenance.config
    summation, privacy = settings.summation, settings.privacy
    once = rho_of_round(summation, privacy, parameters(config)) if summation else None
    if privacy.private:
        check_enough(privacy, len(training.users()), settings.clients_per_round)
        check_budget(privacy, 1, once)
    check_free_for_model(out / "model")
    _claim(out, settings, digest(model.weights), resume)
    clients = Clients(training, model.vocabulary, config.window)
    turns = turns_by_words(clients.words(), settings.client.max_words) if settings.cohort == "words" else None
    held_out = checked_messages(validation, model.vocabulary)
    process = learning_process(config, model.weights, settings.client, settings.server, **_aggregation(settings))
    store, metrics = StateStore(out / "state"), _Metrics(out)
    program = model.start(threads=2)
    before = evaluate(program, held_out)
    check_every = max(1, rounds // checks)
    with remote_engine(workers) if workers else engine(), progress_bar("rounds", rounds) as bar:
        (state, mean), done = store.latest((process.initialize(), list(model.weights.values())))
        if done > rounds:
            raise DataError(f"{out} has done {done} rounds already: ask for as many or more")
        bar(done, "")
        for number in range(done + 1, rounds + 1):
            try:
                check_budget(privacy, number, once)
            except BudgetExhaustedError as exhausted:
                print(exhausted, file=sys.stderr)
                break
            began = time.monotonic()
            cohort = _cohort(settings, clients.users, number, turns)
            how = settings.client
            batches = [
                clients.dataset(user, how.max_words, how.passes, config.batch, settings.seed, number) for user in cohort
            ]
            output = process.next(state, batches)
            state, trained = output.state, output.metrics["client_work"]["train"]
            if trained["words"] and not np.isfinite(trained["loss"]):
                raise NotFiniteError(
                    f"round {number} diverged: choose a smaller learning rate, for the clients or the server"
                )
            row = {
                "round": number,
                "loss": float(trained["loss"]) if trained["words"] else 0.0,
                "clients": len(cohort),
                "words": int(trained["words"]),
                "seconds": round(time.monotonic() - began, 3),
            }
            weights = weights_of(state, config)
            if settings.average_from and number > settings.average_from:
                share = np.float32(1 / (number - settings.average_from + 1))
                mean = [m + share * (w - m) for m, w in zip(mean, weights.values(), strict=True)]
            else:
                mean = list(weights.values())
            if number % check_every == 0 or number == rounds:
                program.weights = dict(zip(weights, mean, strict=True))
                checked = evaluate(program, held_out)
                row |= {"top1": checked.top1, "top3": checked.top3, "perplexity": checked.perplexity}
            metrics.release(row)
            store.save(number, (state, mean))
            done = number
            bar(number, f"loss {row['loss']:.3f}")
    program.weights = dict(zip(config.shapes, mean, strict=True))
    after, history = evaluate(program, held_out), metrics.rows()
    provenance = next_provenance(model.weights, model.provenance, done)
    privacy_spent = spent(privacy, done, once)
    card = model_card(settings, provenance, history, before, after, command, model.card, privacy_spent)
    save_model(out / "model", replace(model, weights=program.weights, provenance=provenance, card=card))
    plot_simulation(history, before, out / "progress.png")
    return Outcome(history, before, after, out / "model", privacy_spent)


def _cohort(
    settings: SimulationSettings, users: Sequence[str], number: int, turns: Sequence[float] | None
) -> list[str]:
    if settings.privacy.private:
        return cohort_of_period(settings.privacy, users, settings.clients_per_round, settings.seed, number)
    return sample_cohort(users, settings.clients_per_round, settings.seed, number, turns)


def _aggregation(settings: SimulationSettings) -> dict[str, Any]:
    """What sets the run's `learning_process` apart from plain averaging, if it asks for anything else."""
    if settings.summation is None:
        return {}
    private = settings.privacy.private
    # The seed of noise that protects people is nobody's to know; the run's state keeps it.
    noise_seed = secrets.randbits(62) if private else settings.seed
    weighting = tff.learning.ClientWeighting.UNIFORM if private else tff.learning.ClientWeighting.NUM_EXAMPLES
    return {
        "aggregator": aggregator(settings.summation, settings.privacy, settings.seed, noise_seed),
        "client_weighting": weighting,
    }


def checked_messages(validation: Part, vocabulary: Vocabulary) -> list[list[int]]:
    """What training is watched by: the oldest messages of all validation users, in equal shares, encoded."""
    shares = equal_shares(validation, validation.users(), _CHECK_WORDS)
    return [vocabulary.encode(text) for messages in shares for text in messages]


def _claim(out: Path, settings: SimulationSettings, start: str, resume: bool) -> None:
    """Makes `out` the folder of this run, which starts from weights of the digest `start`, or finds that it is."""
    path, wanted = out / "settings.json", json.dumps(settings.as_kept() | {"starts_from": start}, indent=2)
    if not path.exists():
        write_by_rename(path, wanted.encode())
    elif not resume:
        raise DataError(f"{out} holds a run already: add --resume to go on with it, or choose another --out")
    elif path.read_text("utf-8") != wanted:
        raise DataError(
            f"{out} holds a run of other settings ({path}): repeat them to resume it, or choose another --out"
        )


class _Metrics:
    """A row a round, by TFF's release managers, which drop the rows of rounds that are done again."""

    def __init__(self, out: Path) -> None:
        self._path = out / "metrics.csv"
        self._managers: Sequence[tff.program.ReleaseManager] = (
            tff.program.CSVFileReleaseManager(self._path, tff.program.CSVSaveMode.WRITE, key_fieldname="key"),
            tff.program.TensorBoardReleaseManager(out / "tensorboard"),
        )

    def release(self, row: dict[str, float]) -> None:
        for manager in self._managers:
            wait_for(manager.release({k: np.float64(v) for k, v in row.items()}, int(row["round"])))

    def rows(self) -> list[dict[str, float]]:
        with self._path.open(newline="") as file:
            return [
                {
                    k: int(float(v)) if k in ("round", "clients", "words") else float(v)
                    for k, v in r.items()
                    if k != "key" and v
                }
                for r in csv.DictReader(file)
            ]
