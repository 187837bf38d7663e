"""The soak test: secure rounds for an hour, while devices join, leave and are killed, with what the coordinator needs over time.

1. A coordinator process with its learner serves over TLS on the loopback interface. Its model has a few thousand weights.
2. Simulated devices, which speak the real protocol, live in this process (`loads.changing_fleet`).
3. A round is scheduled every few seconds, so that the load is bounded.
4. Memory and file handles of the coordinator and of its learner are read every second. Their trend is fitted from the time on
   when a fifth has passed: until then caches and pools fill.
5. A round that was not committed counts as lost needlessly if enough of its devices stayed: at least the minimum, and as many as
   the protocol needs to unmask a sum of those selected.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data.errors import DataError
from federation.benchmarks.loads.changing_fleet import Changes, ChangingFleet, FleetCounts
from federation.benchmarks.loads.fleet_round import CONFIG
from federation.benchmarks.loads.live_coordinator import CoordinatorControl, LiveCoordinator, running
from federation.benchmarks.loads.process_resources import Resources, measurable, resources, resources_below
from federation.benchmarks.loads.untrained import untrained_model
from federation.benchmarks.measuring import Benchmark, Figure, SkippedBenchmarkError
from federation.benchmarks.trend import Trend, trend
from federation.protocol.secure_aggregation.neighbours import MIN_DEVICES, choose
from model.device.folder import save_model

_SAMPLE_SECONDS = 1.0
_WARM_UP = 0.2  # share of the time
_REPORT_SECONDS = 300.0
_PATIENCE_SECONDS = 120.0  # for which the last round may last
_OVER = ("committed", "aborted")


@dataclass(frozen=True)
class Soak:
    """Settings of a soak test: devices enrolled at a time, those of a round, and seconds from one round's start to the next."""

    devices: int = 20
    minimum: int = 4
    target: int = 8
    over_selection: float = 1.5
    every: float = 5.0
    stage_seconds: int = 20  # deadline of each stage: a killed device delays a round by it at most
    changes: Changes = field(default_factory=Changes)
    seed: int = 0

    def options(self) -> list[object]:
        """Returns the options of `federate serve`."""
        options: list[object] = ["--minimum", self.minimum, "--target", self.target]
        options += ["--over-selection", self.over_selection, "--settle-seconds", 2]
        for stage in ("keys", "shares", "reporting", "consistency", "unmasking"):
            options += [f"--{stage}-seconds", self.stage_seconds]
        return options


@dataclass
class _Samples:
    times: list[float] = field(default_factory=list)  # hours from the start
    coordinator: list[Resources] = field(default_factory=list)
    learner: list[Resources] = field(default_factory=list)


@dataclass(frozen=True)
class _Outcome:
    samples: _Samples
    rounds: list[dict[str, Any]]
    counts: FleetCounts


def measure_soak(minutes: float, settings: Soak | None = None, rounds: int | None = None) -> Benchmark:
    """Runs rounds for some minutes, and until `rounds` of them are over if that is given.

    Raises:
      SkippedBenchmarkError: this system does not tell what a process needs.
      DataError: the coordinator ended.
    """
    if not measurable():
        raise SkippedBenchmarkError("this system has no /proc, from which memory and file handles are read")
    settings = settings or Soak()
    with TemporaryDirectory(prefix="soak-") as temporary:
        folder = Path(temporary)
        model = untrained_model(CONFIG)
        save_model(folder / "model", model)
        with running(folder / "coordinator", folder / "model", settings.options()) as coordinator:
            found = asyncio.run(_soak(coordinator, model.vocabulary.sha256, 60 * minutes, settings, rounds))
    return _benchmark(found, settings, minutes)


async def _soak(
    coordinator: LiveCoordinator, vocabulary: str, seconds: float, settings: Soak, least: int | None
) -> _Outcome:
    async with coordinator.control() as control:
        await control.wait_until_ready()
        control.deadline = time.monotonic() + seconds + 3_600
        trusted = coordinator.trusted()
        fleet = ChangingFleet(control, trusted, vocabulary, settings.devices, settings.changes, settings.seed)
        samples, rounds = _Samples(), dict[int, dict[str, Any]]()
        changing = asyncio.create_task(fleet.run())
        sampling = asyncio.create_task(_sample(coordinator.process, samples))
        try:
            await _run_rounds(control, fleet, rounds, seconds, settings, least, (changing, sampling))
        finally:
            for task in (changing, sampling):
                task.cancel()
            await asyncio.gather(changing, sampling, return_exceptions=True)
        return _Outcome(samples, list(rounds.values()), fleet.counts)


async def _run_rounds(
    control: CoordinatorControl,
    fleet: ChangingFleet,
    rounds: dict[int, dict[str, Any]],
    seconds: float,
    settings: Soak,
    least: int | None,
    tasks: Sequence[asyncio.Task[None]],
) -> None:
    """Schedules a round at a time, and keeps the newest record of each."""
    began = due = reported = time.monotonic()
    while True:
        seen, now = await control.view(), time.monotonic()
        rounds |= {row["number"]: row for row in seen["rounds"]}
        over = sum(row["state"] in _OVER for row in rounds.values())
        enough = now - began >= seconds and over >= (least or 0)
        idle = seen["wanted"] == 0 and seen["round"] is None
        if enough and (idle or now - began >= seconds + _PATIENCE_SECONDS):
            return
        if any(task.done() for task in tasks):
            raise DataError(
                f"the soak test stopped: {tasks[0].exception() if tasks[0].done() else tasks[1].exception()}"
            )
        if idle and not enough and now >= due and seen["ready"]:
            due = now + settings.every
            await control.schedule(1)
        if now - reported >= _REPORT_SECONDS:
            reported = now
            text = f"{(now - began) / 60:.0f} minutes: {over} rounds, {fleet.counts.killed} devices killed"
            print(text, file=sys.stderr, flush=True)
        await asyncio.sleep(0.5)


async def _sample(process: int, samples: _Samples) -> None:
    began = time.monotonic()
    while True:
        coordinator = resources(process)
        if not coordinator.memory:
            raise DataError("the coordinator ended")
        samples.times.append((time.monotonic() - began) / 3600)
        samples.coordinator.append(coordinator)
        samples.learner.append(resources_below(process))
        await asyncio.sleep(_SAMPLE_SECONDS)


def lost_needlessly(row: dict[str, Any], gone_at: Sequence[float], alive: int, minimum: int) -> bool:
    """Returns whether a round that was aborted had enough devices to the end.

    Args:
      row: the coordinator's record of the round.
      gone_at: when devices were killed in a round or left it, in seconds since 1970.
      alive: the number of devices that could be selected.
      minimum: the fewest devices of a round.
    """
    if row["state"] != "aborted":
        return False
    gone = sum(row["started"] <= when <= (row["ended"] or when) for when in gone_at)
    selected = row["selected"] or alive
    needed = max(minimum, choose(max(selected, MIN_DEVICES)).threshold + 1)
    return selected - gone >= needed


def _benchmark(found: _Outcome, settings: Soak, minutes: float) -> Benchmark:
    committed = [row for row in found.rounds if row["state"] == "committed"]
    lost = [row for row in found.rounds if row["state"] == "aborted"]
    counts, smallest = found.counts, settings.devices // 2
    needless = [row for row in lost if lost_needlessly(row, counts.gone_at, smallest, settings.minimum)]
    seconds = [row["ended"] - row["started"] for row in committed] or [0.0]
    figures = [
        Figure("committed", "rounds that made a model", "", [len(committed)]),
        Figure("lost", "rounds lost", "", [len(lost)]),
        Figure(
            "lost_needlessly", "of these, rounds that had enough devices to the end", "", [len(needless)], "at most 0"
        ),
        Figure("killed", "devices killed", "", [counts.killed]),
        Figure("killed_in_round", "of these, in a round", "", [counts.killed_in_round]),
        Figure("joined", "devices that joined", "", [counts.joined]),
        Figure("left", "devices that left", "", [counts.left]),
        Figure(
            "counted", "devices in the sum of a round", "", [row["counted"] for row in committed] or [0], count=True
        ),
        Figure("seconds", "from a round's start to its model", "s", seconds, count=True),
    ]
    trends: dict[str, dict[str, float] | None] = {}
    for name, samples in (("coordinator", found.samples.coordinator), ("learner", found.samples.learner)):
        start = int(_WARM_UP * len(samples))
        for what, unit in (("memory", "MiB"), ("handles", "")):
            values = [float(getattr(sample, what)) for sample in samples]
            figures.append(Figure(f"{name}_{what}", f"{what} of the {name}", unit, values[start:], count=True))
            slope = _trend(found.samples.times[start:], values[start:])
            trends[f"{name}_{what}"] = None if slope is None else asdict(slope)
            if slope is not None:
                figures.append(
                    Figure(
                        f"{name}_{what}_slope",
                        f"trend of that, with its 95% interval: {'flat' if slope.flat else 'not flat'}",
                        f"{unit} an hour".strip(),
                        [slope.low, slope.slope, slope.high],
                        count=True,
                    )
                )
    details = {
        "minutes": minutes,
        "devices": settings.devices,
        "changes": asdict(settings.changes),
        "counts": {name: value for name, value in asdict(counts).items() if name != "gone_at"},
        "reasons": dict(Counter(row["reason"] or row["state"] for row in lost)),
        "needless": [{name: row[name] for name in ("number", "reason", "selected", "counted")} for row in needless],
        "trends": trends,
        "handles": [found.samples.coordinator[0].handles, found.samples.coordinator[-1].handles],
    }
    return Benchmark("soak", f"Secure rounds for {minutes:g} minutes while devices come and go", figures, details)


def _trend(times: Sequence[float], values: Sequence[float]) -> Trend | None:
    try:
        return trend(times, values)
    except ValueError:  # a short run
        return None
