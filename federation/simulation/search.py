"""A search: a list of simulated runs that differ in their settings, compared on validation users.

The list is a TOML file (`federation.simulation.trials`). Each run has a folder of its own, as `federate simulate` makes it;
`search.csv` has a row for each run, and `search.png` their curves. Repeated runs are compared with the list's yardstick, if
it names one, in `comparison.csv` and `comparison.png` (`federation.simulation.comparison`). If a run has differential privacy,
`privacy.png` shows recall against epsilon.
"""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from data.files import write_csv
from federation.reports.plots import plot_privacy, plot_search
from federation.simulation.comparison import compare_repeats
from federation.simulation.run import Outcome, simulate
from federation.simulation.trials import read_search

TRIALS = Path(__file__).with_name("search.toml")  # the default list of `federate search`

_CHECKS = 4  # measurements on validation users during each run


def search(path: Path, out: Path) -> list[dict[str, Any]]:
    """Runs the list in the file `path` in the folder `out`, or continues it.

    Returns a row per run, sorted by recall at 1: its settings, the words it trained on, and scores on validation users.

    Raises:
      DataError: the list is invalid, or a run fails.
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
        if any(row["epsilon"] is not None for row in ranked):
            plot_privacy(ranked, out / "privacy.png")
    if listed.yardstick:
        repeated = [trial for trial in listed.trials if trial.repeats]
        compare_repeats({trial: models[trial.name] for trial in repeated}, listed.yardstick, out)
    return ranked


def _result(outcome: Outcome) -> dict[str, float | None]:
    scores = {"top1": outcome.after.top1, "top3": outcome.after.top3, "perplexity": outcome.after.perplexity}
    scores |= {"top1_before": outcome.before.top1}
    lost = {"epsilon": outcome.spent.epsilon, "rho": outcome.spent.rho}
    private = {name: round(value, 5) if math.isfinite(value) else None for name, value in lost.items()}
    words = {"words": sum(row["words"] for row in outcome.rounds)}
    return words | {k: round(v, 5) for k, v in scores.items()} | private
