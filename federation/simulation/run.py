"""Simulated rounds: TFF trains the global model on a corpus, with its users as clients.

A run is a folder: `settings.json` holds its settings, `state/` the states after the newest round and the one before, `metrics.csv`
and `tensorboard/` the metrics of each round, `model/` and `progress.png` the result. The steps of a round are:

1. check that the privacy budget allows the round, and sample a cohort of the training users;
2. draw at most `max_words` words of each client, pack them into rows, and shuffle the rows;
3. run TFF: broadcast, client work, weighted mean (`federation.aggregation.secure_mean` if the settings include it), server
   optimizer;
4. include the new global weights in the mean of the models, if the run averages them (Izmailov et al. 2018, arXiv
   1803.05407);
5. measure recall on validation users, if a measurement is due;
6. release the round's metrics, then save the state. A run killed before that repeats the round, with the same result.

A second thread does step 6 of one round, and then steps 1 and 2 of the next but one, while TFF computes the next round. The
result does not depend on that: each round's draw has a generator of its own, and the rounds are saved in their order.
"""

import secrets
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from numpy.typing import NDArray

from data.corpus import Part, open_corpus
from data.errors import DataError
from federation.aggregation.accounting import BudgetExhaustedError, check_budget, rho_of_round, spent
from federation.aggregation.algorithms import learning_process, weights_of
from federation.aggregation.privacy import Spent, check_enough, cohort_of_period
from federation.aggregation.secure_mean import aggregator
from federation.engine.local import engine
from federation.engine.remote_workers import check_reachable, remote_engine
from federation.engine.state_store import State, StateStore
from federation.evaluation.predictions import scores_by_person
from federation.reports.plots import plot_simulation
from federation.reports.progress import progress_bar
from federation.simulation.card import simulation_card
from federation.simulation.clients import Clients, sample_cohort, turns_by_words
from federation.simulation.round_metrics import RoundMetrics, Row
from federation.simulation.settings import SimulationSettings
from federation.simulation.start import checked_people, claim_folder, initial_model
from model.device.folder import Model, check_free_for_model, save_model
from model.device.metrics import NotFiniteError, Scores
from model.device.runtime import Program
from model.device.trainable import trainable_parameters
from model.device.weights import digest, next_provenance

Mean = list[NDArray[np.float32]]  # the arrays of the model that the run would end with now, in the order of its shapes


@dataclass(frozen=True)
class Outcome:
    """The result of a run: a row of `metrics.csv` per round, and each validation user's scores before and after."""

    rounds: list[Row]
    people_before: list[Scores]
    people_after: list[Scores]
    model: Path
    picture: Path
    spent: Spent

    @property
    def before(self) -> Scores:
        """The scores of all validation users before the run."""
        return sum(self.people_before, Scores())

    @property
    def after(self) -> Scores:
        """The scores of all validation users after the run."""
        return sum(self.people_after, Scores())


@dataclass(frozen=True)
class _Run:
    """A prepared run: everything that its rounds use and do not change, except for the weights of `program`."""

    settings: SimulationSettings
    out: Path
    start: Model
    clients: Clients
    turns: list[float] | None  # relative sampling frequency of each client; None: all equally often
    held_out: list[list[list[int]]]  # encoded messages of each validation user
    process: tff.learning.templates.LearningProcess
    program: Program  # measures models on `held_out`
    round_rho: float | None  # the rho of one round of distributed noise
    store: StateStore
    metrics: RoundMetrics


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
      settings: the settings; a resumed run needs the same as before.
      rounds: the total number of rounds, including those before a resumption.
      out: the run's folder.
      resume: whether `out` may hold a run to continue.
      command: the command line, for the model card.
      checks: the number of recall measurements on validation users during the run.
      workers: addresses of TFF workers that run the clients; without any, this machine runs them, with the same result.

    Raises:
      DataError: `out` holds a run and `resume` is not set; `out` holds a run of other settings; an input is invalid; no
        worker answers, or none is left.
      BudgetExhaustedError: the privacy budget does not allow a single round.
      NotFiniteError: training diverged.
    """
    check_reachable(workers)
    run = _prepare(settings, out, resume)
    before = scores_by_person(run.program, run.held_out)
    check_every = max(1, rounds // checks)
    with (
        remote_engine(workers) if workers else engine(),
        ThreadPoolExecutor(1) as beside,
        progress_bar("rounds", rounds) as bar,
    ):
        (state, mean), done = run.store.latest((run.process.initialize(), list(run.start.weights.values())))
        if done > rounds:
            raise DataError(f"{out} has done {done} rounds already: set --rounds to at least {done}")
        bar(done, "")
        drawn = beside.submit(_draw, run, done + 1)
        saved: Future[None] | None = None
        for number in range(done + 1, rounds + 1):
            try:
                check_budget(settings.privacy, number, run.round_rho)
            except BudgetExhaustedError as exhausted:
                print(exhausted, file=sys.stderr)
                break
            clients = drawn.result()
            if number < rounds:
                drawn = beside.submit(_draw, run, number + 1)
            state, row = _train(run, state, number, clients)
            mean = _averaged(run, mean, state, number)
            if number % check_every == 0 or number == rounds:
                checked = sum(_check(run, mean), Scores())
                row |= {"top1": checked.top1, "top3": checked.top3, "perplexity": checked.perplexity}
            if saved is not None:
                saved.result()  # raises what went wrong
            saved = beside.submit(_save, run, row, (state, mean))
            done = number
            bar(number, f"loss {row['loss']:.3f}")
        if saved is not None:
            saved.result()
    return _finish(run, mean, done, before, command)


def _prepare(settings: SimulationSettings, out: Path, resume: bool) -> _Run:
    """Opens the corpus and the initial model, claims the folder, and composes the learning process."""
    corpus = open_corpus(settings.corpus)
    training, validation = Part(corpus, "train"), Part(corpus, "validation")
    start = initial_model(settings.init, settings.seed, training)
    config, privacy = start.provenance.config, settings.privacy
    length = trainable_parameters(config, settings.client.trainable)
    round_rho = rho_of_round(settings.summation, privacy, length) if settings.summation else None
    if privacy.private:
        check_enough(privacy, len(training.users()), settings.clients_per_round)
        check_budget(privacy, 1, round_rho)
    check_free_for_model(out / "model")
    wanted = settings.as_saved() | {"starts_from": digest(start.weights)}
    claim_folder(out / "settings.json", wanted, "a run", resume)
    clients = Clients(training, start.vocabulary, config.window)
    return _Run(
        settings=settings,
        out=out,
        start=start,
        clients=clients,
        turns=turns_by_words(clients.words(), settings.client.max_words) if settings.cohort == "words" else None,
        held_out=checked_people(validation, start.vocabulary),
        process=learning_process(config, start.weights, settings.client, settings.server, **_aggregation(settings)),
        program=start.start(threads=2),
        round_rho=round_rho,
        store=StateStore(out / "state"),
        metrics=RoundMetrics(out),
    )


def _aggregation(settings: SimulationSettings) -> dict[str, Any]:
    """Returns the options of `learning_process`, empty for plain averaging."""
    if settings.summation is None:
        return {}
    private = settings.privacy.private
    # The seed of noise that protects people is a secret: only the run's state contains it.
    noise_seed = secrets.randbits(62) if private else settings.seed
    weighting = tff.learning.ClientWeighting.UNIFORM if private else tff.learning.ClientWeighting.NUM_EXAMPLES
    return {
        "aggregator": aggregator(settings.summation, settings.privacy, settings.seed, noise_seed),
        "client_weighting": weighting,
    }


def _draw(run: _Run, number: int) -> list[tf.data.Dataset]:
    """Samples the cohort of round `number`; returns the data of each of its clients."""
    settings, config = run.settings, run.start.provenance.config
    cohort = _cohort(run, number)
    return [run.clients.dataset(user, settings.client, config, settings.seed, number) for user in cohort]


def _save(run: _Run, row: Row, state: State) -> None:
    """Releases a round's metrics, then saves the state after it."""
    run.metrics.release(row)
    run.store.save(int(row["round"]), state)


def _train(
    run: _Run, state: tff.learning.templates.LearningAlgorithmState, number: int, clients: list[tf.data.Dataset]
) -> tuple[tff.learning.templates.LearningAlgorithmState, Row]:
    """Runs round `number` in TFF over the clients' data; returns the next state and the round's metrics.

    Raises:
      NotFiniteError: the clients' loss is not finite.
    """
    began = time.monotonic()
    output = run.process.next(state, clients)
    trained = output.metrics["client_work"]["train"]
    if trained["words"] and not np.isfinite(trained["loss"]):
        raise NotFiniteError(f"round {number} diverged: choose a smaller learning rate for the clients or the server")
    return output.state, {
        "round": number,
        "loss": float(trained["loss"]) if trained["words"] else 0.0,
        "clients": len(clients),
        "words": int(trained["words"]),
        "seconds": round(time.monotonic() - began, 3),
    }


def _cohort(run: _Run, number: int) -> list[str]:
    settings, users = run.settings, run.clients.users
    if settings.privacy.private:
        return cohort_of_period(settings.privacy, users, settings.clients_per_round, settings.seed, number)
    return sample_cohort(users, settings.clients_per_round, settings.seed, number, run.turns)


def _averaged(run: _Run, mean: Mean, state: tff.learning.templates.LearningAlgorithmState, number: int) -> Mean:
    """Returns the mean of the global models since round `average_from`; without `average_from`, this round's model."""
    weights = weights_of(state, run.start.provenance.config, run.settings.client.trainable).values()
    since = run.settings.average_from
    if not since or number <= since:
        return list(weights)
    share = np.float32(1 / (number - since + 1))
    return [m + share * (w - m) for m, w in zip(mean, weights, strict=True)]


def _check(run: _Run, mean: Mean) -> list[Scores]:
    """Measures a model on the messages of each validation user; the program keeps its weights."""
    run.program.weights = dict(zip(run.start.provenance.config.shapes, mean, strict=True))
    return scores_by_person(run.program, run.held_out)


def _finish(run: _Run, mean: Mean, done: int, people_before: list[Scores], command: str) -> Outcome:
    """Saves the final model with its card, and plots the run's progress."""
    people_after, history = _check(run, mean), run.metrics.rows()
    before, after = sum(people_before, Scores()), sum(people_after, Scores())
    start = run.start
    provenance = next_provenance(start.weights, start.provenance, done)
    privacy_spent = spent(run.settings.privacy, done, run.round_rho)
    card = simulation_card(run.settings, provenance, history, before, after, command, start.card, privacy_spent)
    model = replace(start, weights=run.program.weights, provenance=provenance, card=card)
    save_model(run.out / "model", model)
    picture = run.out / "progress.png"
    plot_simulation(history, before, picture)
    return Outcome(history, people_before, people_after, run.out / "model", picture, privacy_spent)
