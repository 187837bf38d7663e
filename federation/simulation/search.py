"""Searching: a list of simulated runs that differ in their settings, compared on validation users.

The list is a TOML file: `[all]` holds what the runs share, each `[[run]]` a name and what sets it apart, by the names of `Trial`.
Every run is a folder of its own as `federate simulate` makes it; `search.csv` has a row for each, `search.png` their curves.

A run may begin with the model of one before it (`after`), and be repeated with several `seeds`. Where `[all]` names a run as the
`yardstick`, the others are compared with it, each seed with the same, in `comparison.csv` and `comparison.png`
(`federation.simulation.comparison`).
"""

import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from data.errors import DataError
from data.files import write_csv
from federation.aggregation.algorithms import Server
from federation.aggregation.sum_settings import SumSettings
from federation.reports.plots import plot_search
from federation.simulation.comparison import compare_repeats
from federation.simulation.run import Outcome, SimulationSettings, simulate
from model.device.learning.finetuning import FineTuning

TRIALS = Path(__file__).with_name("search.toml")  # what `federate search` runs unless it is given another list

_CHECKS = 4  # of validation users, in each run


@dataclass(frozen=True)
class Trial:
    """One run of a search: the settings of `federate simulate`, with its defaults for what a search leaves open."""

    name: str
    rounds: int
    algorithm: str = "fedadam"
    clients_per_round: int = 20
    cohort: str = "words"
    server_learning_rate: float = 0.01
    decay_rounds: int = 0
    proximal_strength: float = 0.01
    client_learning_rate: float = 1.0
    clipping_norm: float = 1.0
    passes: int = 1
    max_words: int = 2000
    bits: int = 0  # of a delta's entries as summed; 0: deltas are averaged as they are, without a clip
    clip: float = 1.0  # the norm that deltas are clipped to where bits are given
    room: int = 0  # devices that a sum of so many bits has room for; 0: the clients of a round
    after: str = ""  # the run, listed before, whose model this one begins with, in place of `init`
    corpus: str = "chitchat"
    init: str = "random"
    seed: int = 0
    repeats: str = ""  # the name that repeats with other seeds share

    @property
    def settings(self) -> SimulationSettings:
        """The same as a simulation takes it."""
        return SimulationSettings(
            corpus=self.corpus,
            init=self.init,
            clients_per_round=self.clients_per_round,
            cohort=self.cohort,
            seed=self.seed,
            server=Server(self.algorithm, self.server_learning_rate, self.decay_rounds, self.proximal_strength),
            client=FineTuning(self.client_learning_rate, self.clipping_norm, self.passes, self.max_words),
            summation=SumSettings(
                self.bits, self.room or self.clients_per_round, clipping_norm=self.clip, max_weight=self.max_words
            )
            if self.bits
            else None,
        )


@dataclass(frozen=True)
class Search:
    """What a file lists."""

    trials: list[Trial]
    yardstick: str = ""  # the run that others are compared with; none where it is empty


def read_search(path: Path) -> Search:
    """Reads a list of runs.

    Raises:
      DataError: it cannot be read, or names something that is no setting, or no run.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"cannot read the search {path}: {error.strerror}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise DataError(f"{path} is no TOML file: {error}") from error
    shared, runs = dict(content.get("all", {})), content.get("run", [])
    yardstick, trials = str(shared.pop("yardstick", "")), []
    for run in runs:
        trials += _repeats(shared | run, path)
    names = [trial.name for trial in trials]
    if not trials or len(set(names)) < len(names):
        raise DataError(f"{path}: list each run under [[run]], with a name of its own")
    for number, trial in enumerate(trials):
        if trial.after and trial.after not in names[:number]:
            raise DataError(f"{path}: {trial.name} comes after {trial.after!r}, which is no run listed before it")
    seeds: dict[str, set[int]] = {}
    for trial in trials:
        seeds.setdefault(trial.repeats, set()).add(trial.seed)
    if yardstick and yardstick not in seeds:
        raise DataError(f"{path}: the yardstick {yardstick!r} is no run with seeds")
    for name, own in seeds.items():
        if yardstick and name and not own & seeds[yardstick]:
            raise DataError(f"{path}: {name} has no seed in common with the yardstick {yardstick}")
    return Search(trials, yardstick)


def _repeats(values: dict[str, Any], path: Path) -> list[Trial]:
    """The runs of one entry: one for each of its seeds."""
    types = get_type_hints(Trial)
    del types["repeats"]
    seeds = values.pop("seeds", None)
    for name, value in values.items():
        if name not in types:
            raise DataError(f"{path}: there is no setting {name!r}: choose of seeds, {', '.join(types)}")
        if not isinstance(value, types[name]) and not (types[name] is float and isinstance(value, int)):
            raise DataError(f"{path}: {name} = {value!r} is not of type {types[name].__name__}")
    if "name" not in values or "rounds" not in values:
        raise DataError(f"{path}: each [[run]] needs a name, and rounds, its own or those of [all]")
    if seeds is None:
        return [Trial(**values)]
    if not (isinstance(seeds, list) and seeds and all(type(seed) is int and seed >= 0 for seed in seeds)):
        raise DataError(f"{path}: seeds = {seeds!r} is no list of whole numbers")
    name = values["name"]
    return [Trial(**values | {"name": f"{name}, seed {seed}", "seed": seed, "repeats": name}) for seed in seeds]


def search(path: Path, out: Path) -> list[dict[str, Any]]:
    """Runs what the file `path` lists, or goes on with it, in the folder `out`.

    Returns a row a run, the best recall at 1 first: its settings, the words it trained on, and validation users' scores.

    Raises:
      DataError: the list is not right, or a run fails.
    """
    listed = read_search(path)
    rows, curves = [], {}
    models: dict[str, Path] = {}
    for trial in listed.trials:
        command = f"uv run federate search: {trial.name}"
        settings = trial.settings if not trial.after else replace(trial.settings, init=str(models[trial.after]))
        outcome = simulate(settings, trial.rounds, out / trial.name, True, command, _CHECKS)
        models[trial.name] = outcome.model
        rows.append(asdict(trial) | _result(outcome))
        curves[trial.name] = outcome.rounds
        ranked = sorted(rows, key=lambda row: -row["top1"])
        write_csv(out / "search.csv", ranked)
        plot_search(curves, out / "search.png")
    if listed.yardstick:
        repeated = [trial for trial in listed.trials if trial.repeats]
        compare_repeats({trial: models[trial.name] for trial in repeated}, listed.yardstick, out)
    return ranked


def _result(outcome: Outcome) -> dict[str, float]:
    scores = {"top1": outcome.after.top1, "top3": outcome.after.top3, "perplexity": outcome.after.perplexity}
    return {"words": sum(row["words"] for row in outcome.rounds)} | {k: round(v, 5) for k, v in scores.items()}
