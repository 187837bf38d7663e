"""Stages end by a clock that nobody can set."""

import re
import time
from pathlib import Path

import pytest

from federation.coordinator import steady_clock
from federation.coordinator.steady_clock import SteadyClock

FOLDER = Path(steady_clock.__file__).parent


@pytest.mark.parametrize("error", [-86_400.0, 400 * 86_400.0])
def test_setting_the_systems_clock_neither_ends_a_stage_nor_keeps_it_open(
    world, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    steady, system = 5_000.0, time.time()
    monkeypatch.setattr(steady_clock, "_seconds", lambda: steady)
    monkeypatch.setattr(time, "time", lambda: system)
    clock = SteadyClock()
    assert clock() == pytest.approx(system)
    world.enrol(3)
    world.coordinator.rounds.schedule(1)
    world.coordinator.tick(clock())
    system += error
    world.coordinator.tick(clock())
    assert world.round.stage == "selection"
    steady += 9.9  # the stage lasts ten seconds
    world.coordinator.tick(clock())
    assert world.round.stage == "selection"
    steady += 0.2
    world.coordinator.tick(clock())
    assert world.coordinator.rounds.current is None
    assert world.coordinator.store.rounds()[0].state == "aborted"


def test_the_coordinator_has_no_other_clock() -> None:
    """`steady_time()` takes the place of `time.time()` in the whole folder: two clocks would differ once one of them is set."""
    found = [p.name for p in FOLDER.rglob("*.py") if re.search(r"\btime\.time\b|import time_ns", p.read_text("utf-8"))]
    assert found == ["steady_clock.py"]
