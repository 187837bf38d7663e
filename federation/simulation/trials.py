"""The list of runs that a search compares, read from a TOML file.

`[all]` holds the settings that the runs share. Each `[[run]]` has a name and its own settings, named as in `Trial`. An
entry with `seeds` is one run per seed. A run may start from the model of a run listed before it (`after`). If `[all]`
names a `yardstick`, the repeated runs are compared with it (`federation.simulation.comparison`).
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from data.errors import DataError
from federation.aggregation.privacy import Privacy
from federation.aggregation.server_settings import Server
from federation.aggregation.sum_settings import SumSettings
from federation.simulation.settings import SimulationSettings
from model.device.learning.finetuning import FineTuning


@dataclass(frozen=True)
class Trial:
    """One run of a search: the settings of `federate simulate`, with the defaults of a search."""

    name: str
    rounds: int
    algorithm: str = "fedadam"
    clients_per_round: int = 20
    cohort: str = "words"
    server_learning_rate: float = 0.01
    decay_rounds: int = 0
    proximal_strength: float = 0.01
    server_momentum: float = 0.0
    client_learning_rate: float = 1.0
    clipping_norm: float = 1.0
    passes: int = 1
    max_words: int = 2000
    trainable: str = "all"
    softmax: str = "full"  # of the clients' training steps (`model.device.sampling`)
    bits: int = 0  # bits of a delta's entry in the sum; 0: unclipped deltas are averaged as floats
    clip: float = 1.0  # the clipping norm of deltas, if bits are given
    clip_quantile: float = 0.0  # the quantile of their norms that the clipping norm follows; 0: it is fixed
    noise_multiplier: float = 0.0  # of differential privacy by tree aggregation, which needs bits; 0: none
    period: int = 1  # rounds in which a client takes part at most once, under differential privacy
    room: int = 0  # the greatest number of devices that a sum of integers can hold; 0: the clients of a round
    average_from: int = 0  # the round from which on the models are averaged; 0: the last model is kept
    after: str = ""  # the name of the run, listed before, whose model replaces `init`
    corpus: str = "chitchat"
    init: str = "random"
    seed: int = 0
    repeats: str = ""  # the name that runs with different seeds share

    @property
    def settings(self) -> SimulationSettings:
        """The settings of the simulated run."""
        summation, privacy = None, Privacy()
        if self.noise_multiplier:
            privacy = Privacy("tree", self.noise_multiplier, self.period)
        if self.bits:
            room, weight = self.room or self.clients_per_round, 1 if privacy.private else self.max_words
            summation = SumSettings(self.bits, room, 0, self.clip, self.clip_quantile, max_weight=weight)
        return SimulationSettings(
            corpus=self.corpus,
            init=self.init,
            clients_per_round=self.clients_per_round,
            cohort=self.cohort,
            seed=self.seed,
            average_from=self.average_from,
            server=Server(
                *(self.algorithm, self.server_learning_rate, self.decay_rounds, self.proximal_strength),
                self.server_momentum,
            ),
            client=FineTuning(
                *(self.client_learning_rate, self.clipping_norm, self.passes, self.max_words),
                *(self.trainable, self.softmax),
            ),
            summation=summation,
            privacy=privacy,
        )


@dataclass(frozen=True)
class Search:
    """The content of a search's file."""

    trials: list[Trial]
    yardstick: str = ""  # the run that others are compared with; empty: nothing is compared


def read_search(path: Path) -> Search:
    """Reads a list of runs.

    Raises:
      DataError: the file cannot be read, or contains an unknown setting or run.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"cannot read the search {path}: {error.strerror}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise DataError(f"{path} is not a TOML file: {error}") from error
    shared, runs = dict(content.get("all", {})), content.get("run", [])
    yardstick, trials = str(shared.pop("yardstick", "")), []
    for run in runs:
        trials += _repeats(shared | run, path)
    names = [trial.name for trial in trials]
    if not trials or len(set(names)) < len(names):
        raise DataError(f"{path}: list each run under [[run]], with a name of its own")
    for number, trial in enumerate(trials):
        if trial.after and trial.after not in names[:number]:
            raise DataError(f"{path}: {trial.name} comes after {trial.after!r}, which is not a run listed before it")
    _check_yardstick(trials, yardstick, path)
    return Search(trials, yardstick)


def _repeats(values: dict[str, Any], path: Path) -> list[Trial]:
    """Returns the runs of one entry: one per seed."""
    types = get_type_hints(Trial)
    del types["repeats"]
    seeds = values.pop("seeds", None)
    for name, value in values.items():
        if name not in types:
            raise DataError(f"{path}: there is no setting {name!r}: choose from seeds, {', '.join(types)}")
        if not isinstance(value, types[name]) and not (types[name] is float and isinstance(value, int)):
            raise DataError(f"{path}: {name} = {value!r} is not of type {types[name].__name__}")
    if "name" not in values or "rounds" not in values:
        raise DataError(f"{path}: each [[run]] needs a name, and rounds of its own or in [all]")
    if seeds is None:
        return [Trial(**values)]
    if not (isinstance(seeds, list) and seeds and all(type(seed) is int and seed >= 0 for seed in seeds)):
        raise DataError(f"{path}: seeds = {seeds!r} is not a list of whole numbers")
    name = values["name"]
    return [Trial(**values | {"name": f"{name}, seed {seed}", "seed": seed, "repeats": name}) for seed in seeds]


def _check_yardstick(trials: Sequence[Trial], yardstick: str, path: Path) -> None:
    """Raises DataError unless every repeated run has a seed in common with the yardstick."""
    if not yardstick:
        return
    seeds: dict[str, set[int]] = {}
    for trial in trials:
        seeds.setdefault(trial.repeats, set()).add(trial.seed)
    if yardstick not in seeds:
        raise DataError(f"{path}: the yardstick {yardstick!r} is not a run with seeds")
    for name, own in seeds.items():
        if name and not own & seeds[yardstick]:
            raise DataError(f"{path}: {name} has no seed in common with the yardstick {yardstick}")
