"""The soak test in short: rounds over a real coordinator while devices are killed, and what is made of its figures."""

import asyncio
import os
import ssl
import subprocess
import sys

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.benchmarks.loads.changing_fleet import Changes, ChangingFleet, _Member
from federation.benchmarks.loads.fleet_round import random_vectors
from federation.benchmarks.loads.process_resources import descendants, measurable, resources
from federation.benchmarks.loads.simulated_devices import SimulatedDevice
from federation.benchmarks.soak import Soak, lost_needlessly, measure_soak
from federation.benchmarks.trend import trend

linux = pytest.mark.skipif(not measurable(), reason="reads /proc")


@linux
def test_rounds_are_completed_while_devices_are_killed_and_no_handle_is_left_behind() -> None:
    # Of the six devices of a round, four can unmask a sum.
    changes = Changes(killed_in_round=0.1, killed_outside=0.1, leaves=0.05, away=2.0, most_in_round=2)
    short = Soak(devices=10, minimum=3, target=4, over_selection=1.5, every=1.0, stage_seconds=8, changes=changes)
    found = measure_soak(0.2, short, rounds=3)
    assert found.figure("committed").median >= 1
    assert found.details["counts"]["killed"] > 0
    assert found.details["counts"]["joined"] >= 10
    # At the start no device was connected. A killed device's connection is closed within moments.
    first, last = found.details["handles"]
    assert last - first <= 2 * short.devices
    assert found.figure("learner_memory").median > found.figure("coordinator_memory").median > 20


@linux
def test_the_resources_of_a_process_and_of_those_below_it_are_read() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'], stdin=sys.stdin)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        while not descendants(process.pid):
            assert process.poll() is None
        assert len(descendants(process.pid)) == 1
        assert process.pid in descendants(os.getpid())
        assert resources(process.pid).memory > 1
        assert resources(process.pid).handles >= 3
        process.communicate(b"\n")
    assert resources(process.pid).memory == 0


@pytest.mark.parametrize(
    ("state", "selected", "gone", "needless"),
    [
        ("committed", 8, 0, False),
        ("open", 8, 0, False),
        ("aborted", 8, 0, True),
        ("aborted", 8, 2, True),  # 6 of 8 can unmask a sum: each secret has shares of 4 neighbours
        ("aborted", 8, 4, False),
        ("aborted", 0, 0, True),  # nobody was selected, though devices were there
        ("aborted", 4, 1, False),
    ],
)
def test_a_round_is_lost_needlessly_if_enough_devices_stayed(
    state: str, selected: int, gone: int, needless: bool
) -> None:
    row = {"state": state, "started": 100.0, "ended": 110.0, "selected": selected}
    gone_at = [105.0] * gone + [99.0, 111.0]
    assert lost_needlessly(row, gone_at, alive=10, minimum=4) == needless


def test_a_device_that_is_killed_between_its_selection_and_its_keys_is_gone_from_the_round() -> None:
    async def killed() -> ChangingFleet:
        async with httpx.AsyncClient() as http:
            fleet = ChangingFleet(None, ssl.create_default_context(), "ab" * 32, 1, Changes(), 0)  # type: ignore[arg-type]
            device = SimulatedDevice(random_vectors)
            device.called_to = "round"
            fleet._members[device.name] = member = _Member(device, http, "")
            await fleet._kill(member)
            assert device.called_to == ""
            return fleet

    counts = asyncio.run(killed()).counts
    assert (counts.killed, counts.killed_in_round, len(counts.gone_at)) == (1, 1, 1)


@settings(max_examples=50, deadline=None)
@given(slope=st.floats(-50, 50), noise=st.floats(0.01, 5), seed=st.integers(0, 2**16), count=st.integers(20, 500))
def test_a_trend_finds_a_slope_within_its_interval(slope: float, noise: float, seed: int, count: int) -> None:
    hours = np.linspace(0, 1, count)
    values = 100 + slope * hours + noise * np.random.default_rng(seed).normal(size=count)
    found = trend(list(hours), list(values))
    assert found.low <= found.slope <= found.high
    assert found.slope == pytest.approx(slope, abs=20 * noise / np.sqrt(count))


def test_a_trend_of_correlated_samples_is_uncertain() -> None:
    """A random walk has no trend. A fit to its samples claims one nearly always, the blocks much less often."""
    hours, missed = list(np.linspace(0, 1, 400)), 0
    for seed in range(200):
        jumps = np.random.default_rng(seed).normal(size=400)
        samples = [0.0]
        for jump in jumps[1:]:
            samples.append(0.8 * samples[-1] + jump)
        missed += not trend(hours, samples).flat
    assert missed < 30  # 5% by the interval, a few more because blocks resemble their neighbours


def test_a_constant_has_no_trend_and_a_few_samples_are_refused() -> None:
    assert trend(range(30), [5.0] * 30).flat
    with pytest.raises(ValueError, match="at least 20 samples, not 3"):
        trend([1, 2, 3], [1, 2, 3])
