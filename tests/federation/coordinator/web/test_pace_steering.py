"""Pace steering: small federations are left alone, and large ones ask at about the same rate, however large they are."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.benchmarks.loads.enrolling import enrol_in
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.pace_steering import CHECK_INS_A_SECOND, PaceSteering
from federation.protocol import api_messages
from federation.protocol.api_messages import LONGEST_PAUSE, CheckIn


@given(st.integers(0, 10**7), st.floats(0, 1))
def test_pauses_are_spread_around_a_mean_that_keeps_the_rate(devices: int, drawn: float) -> None:
    pause = PaceSteering(lambda: devices, lambda: drawn).pause(now=0.0)
    mean = devices / CHECK_INS_A_SECOND
    if mean <= 10:
        assert pause == 0
    else:
        assert pause == pytest.approx(min(mean * (0.5 + drawn), LONGEST_PAUSE))


def test_the_devices_are_counted_again_after_a_while_even_if_the_clock_is_set_back() -> None:
    counts = iter([0, 100_000, 0])
    pace = PaceSteering(lambda: next(counts), lambda: 0.5)
    assert [pace.pause(now) for now in (100.0, 109.0, 110.0, 119.0, 50.0)] == [0, 0, 500, 500, 0]


def test_a_device_of_a_large_federation_is_told_at_once_when_to_come_back(world) -> None:
    device = world.enrol(1)[0]
    asked = CheckIn(world.coordinator.rounds.model.vocabulary.sha256, "")

    def call(wait: float) -> api_messages.Call:
        api = DeviceApi(world.coordinator, clock=lambda: world.now)
        return asyncio.run(api.check_in(device.name, asked, wait))

    alone = call(0.0)
    assert (alone.task, alone.pause) == (api_messages.REST, 0)
    enrol_in(world.coordinator.store, (f"{number:064x}" for number in range(20 * CHECK_INS_A_SECOND)))
    began = time.monotonic()
    among_many = call(60.0)
    assert time.monotonic() - began < 30, "it does not wait for a task"
    assert among_many.task == api_messages.REST
    assert 10 <= among_many.pause <= 30.1
    world.coordinator.rounds.schedule(1)
    world.coordinator.tick(world.now)
    selected = call(0.0)
    assert (selected.task, selected.pause) == (api_messages.WAIT, 0), "a selection needs it"
