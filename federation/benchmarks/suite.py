"""The run of the chosen parts of `federate benchmark`: prints their tables, and writes the results."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.files import write_by_rename
from federation.benchmarks.coordinator import measure_coordinator
from federation.benchmarks.device import TYPED_WORDS, measure_device
from federation.benchmarks.keyboard import measure_keyboard
from federation.benchmarks.measuring import Benchmark, SkippedBenchmarkError, load, machine
from federation.benchmarks.soak import measure_soak
from federation.reports.plots import plot_fleet, plot_growth
from federation.reports.tables import Rows, markdown, print_tables
from model.device.folder import load_model
from model.device.learning.finetuning import FineTuning

_BUSY = 0.5  # processes for each core, before a part begins
_PACKAGES = ("ai-edge-litert", "kivy", "numpy", "tensorflow", "tensorflow-federated")


@dataclass(frozen=True)
class Options:
    """The options of `federate benchmark`."""

    model: Path
    presses: int  # key presses in the keyboard's window
    repeats: int  # measurements of each quantity
    corpus: str  # corpus of the rounds
    clients: int  # clients in a round
    max_words: int  # maximum words of a client in a round
    peer_rounds: int  # rounds of each system
    peers: Path | None  # folder of the peers' installations; None: this user's cache
    install_peers: bool
    fleet: Sequence[int]  # numbers of devices in the coordinator's rounds
    enrolled: Sequence[int]  # numbers of devices that ask a coordinator every ten minutes
    seconds: float  # of each load of check-ins
    minutes: float = 60.0  # of the soak test
    typed_words: int = TYPED_WORDS  # that a keyboard types
    learned_words: int = FineTuning.max_words  # maximum words to learn from on the device and in TensorFlow


# The parts that need TensorFlow import it when they run, so that the device is measured without it.


def _simulation(o: Options) -> Benchmark:
    from federation.benchmarks.simulation import measure_simulation

    return measure_simulation(o.model, o.corpus, o.clients, o.max_words, o.repeats)


def _workers(o: Options) -> Benchmark:
    from federation.benchmarks.workers import measure_workers

    return measure_workers(o.model, o.corpus, o.clients, o.max_words, o.repeats)


def _coordinator(o: Options) -> Benchmark:
    config = load_model(o.model).provenance.config
    return measure_coordinator(o.repeats, o.fleet, o.enrolled, o.seconds, config)


def _peers(o: Options) -> Benchmark:
    from federation.benchmarks.peers.comparison import measure_peers

    return measure_peers(o.model, o.corpus, o.clients, o.max_words, o.peer_rounds, o.peers, o.install_peers)


def _growth(o: Options) -> Benchmark:
    from federation.benchmarks.growth import measure_growth

    return measure_growth(o.model, o.corpus, o.max_words, o.repeats)


PARTS: dict[str, Callable[[Options], Benchmark]] = {
    "device": lambda o: measure_device(o.model, o.repeats, o.typed_words, o.learned_words),
    "keyboard": lambda o: measure_keyboard(o.model, o.presses, o.repeats),
    "simulation": _simulation,
    "workers": _workers,
    "coordinator": _coordinator,
    "peers": _peers,
    "growth": _growth,
    "soak": lambda o: measure_soak(o.minutes),
}


def run(names: Sequence[str], options: Options, out: Path | None = None) -> dict[str, Any]:
    """Measures the named parts, prints their tables and returns the results; writes them to the folder `out`, if any.

    If there are several parts, a part that cannot be measured on this machine is left out, and a line says why.

    Raises:
      SkippedBenchmarkError: the only part cannot be measured on this machine.
      DataError: a measurement failed.
    """
    tables: list[tuple[str, Rows]] = []
    where = machine(*_PACKAGES)
    result: dict[str, dict[str, Any]] = {}
    if out:
        out.mkdir(parents=True, exist_ok=True)
    for name in names:
        began, before = time.monotonic(), load()
        if before is not None and before > _BUSY * where["cores"]:
            print(f"this machine is busy (load {before:g}, {where['cores']} cores): figures vary", file=sys.stderr)
        try:
            found = PARTS[name](options)
        except SkippedBenchmarkError as why:
            if len(names) == 1:
                raise
            print(f"{name} is left out: {why}", file=sys.stderr)
            result[name] = {"left_out": str(why)}
            continue
        tables.append((found.title, _table(found)))
        print_tables(tables[-1:])
        result[name] = {
            "figures": {figure.name: figure.as_json() for figure in found.figures},
            "details": dict(found.details),
            "seconds": round(time.monotonic() - began),
            "load": {"before": before, "after": load()},
        }
        if out:
            content = {"benchmark": name, "on": where} | result[name]
            write_by_rename(out / f"{name}.json", (json.dumps(content, indent=2) + "\n").encode())
            if name == "growth":
                plot_growth(found.details["panels"], out / "growth.png")
            if name == "coordinator":
                plot_fleet(found.details["panels"], out / "fleet.png")
    if out:
        write_by_rename(out / "tables.md", markdown(tables).encode())
    return {"on": where} | result


def _table(found: Benchmark) -> Rows:
    rows = [["", "median", "lowest", "highest", "measurements", "target", "verdict"]]
    for figure in found.figures:
        cells = [f"{_short(v)} {figure.unit}".strip() for v in (figure.median, min(figure.values), max(figure.values))]
        rows.append([figure.what, *cells, str(len(figure.values)), figure.target, figure.verdict])
    return rows


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
