"""`federate benchmark`: runs the parts that are asked for, prints their tables, and keeps the results."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.files import write_by_rename
from federation.benchmarks.coordinator import measure_coordinator
from federation.benchmarks.device import measure_device
from federation.benchmarks.keyboard import measure_keyboard
from federation.benchmarks.measuring import Benchmark, machine
from federation.plots import plot_fleet
from federation.tables import Rows, markdown, print_tables

_PACKAGES = ("ai-edge-litert", "kivy", "numpy", "tensorflow", "tensorflow-federated")


@dataclass(frozen=True)
class Options:
    """What a benchmark is of."""

    model: Path
    presses: int  # of keys, of the keyboard
    repeats: int  # of each measurement
    fleet: Sequence[int]  # devices of the coordinator's rounds


PARTS: dict[str, Callable[[Options], Benchmark]] = {
    "device": lambda options: measure_device(options.model, options.repeats),
    "keyboard": lambda options: measure_keyboard(options.model, options.presses, options.repeats),
    "coordinator": lambda options: measure_coordinator(options.repeats, options.fleet),
}


def run(names: Sequence[str], options: Options, out: Path | None = None) -> dict[str, Any]:
    """Measures the parts of these names and prints their tables; with `out`, a file `NAME.json` of each goes there, and a page.

    Raises:
      DataError: something that is measured failed.
    """
    tables: list[tuple[str, Rows]] = []
    where, result = machine(*_PACKAGES), {}
    if out:
        out.mkdir(parents=True, exist_ok=True)
    for name in names:
        found = PARTS[name](options)
        tables.append((found.title, _table(found)))
        print_tables(tables[-1:])
        figures = {figure.name: figure.as_json() for figure in found.figures}
        result[name] = {"figures": figures, "details": dict(found.details)}
        if out:
            content = {"benchmark": name, "on": where} | result[name]
            write_by_rename(out / f"{name}.json", (json.dumps(content, indent=2) + "\n").encode())
            if name == "coordinator":
                plot_fleet(found.details["panels"], out / "fleet.png")
    if out:
        write_by_rename(out / "tables.md", markdown(tables).encode())
    return {"on": where} | result


def _table(found: Benchmark) -> Rows:
    rows = [["what", "median", "lowest", "highest", "times", "target"]]
    for figure in found.figures:
        cells = [f"{_short(v)} {figure.unit}".strip() for v in (figure.median, min(figure.values), max(figure.values))]
        rows.append([figure.what, *cells, str(len(figure.values)), figure.target])
    return rows


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
