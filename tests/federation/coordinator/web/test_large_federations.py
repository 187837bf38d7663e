"""Thousands of devices: a status names the newest only, and a check-in reads little."""

import asyncio
import time
from http import HTTPStatus

import httpx
import pytest
from sqlalchemy import event

from federation.benchmarks.loads.enrolling import enrol_in
from federation.coordinator.web.control_api import ControlApi, control_app
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.device_requests import RequestRefusedError
from federation.coordinator.web.status import status_of
from federation.protocol import api_messages
from federation.protocol.api_messages import CheckIn

MANY = 3_000


@pytest.fixture
def statements(world) -> list[str]:
    """The statements that the coordinator's database executes from now on."""
    seen: list[str] = []
    event.listen(
        world.coordinator.store.database.connection.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_more: seen.append(statement),
    )
    return seen


def asked(world) -> CheckIn:
    return CheckIn(world.coordinator.rounds.model.vocabulary.sha256, "")


def test_a_status_counts_all_devices_and_names_those_seen_latest(world) -> None:
    enrol_in(world.coordinator.store, (f"{number:064x}" for number in range(MANY)))
    present = [device.name for device in world.enrol(3)]
    for device in world.devices:
        world.step(device)
    world.now += 20
    world.coordinator.tick(world.now)
    status = status_of(world.coordinator, world.now)
    assert (status.members, status.active) == (MANY + 3, 3)
    assert len(status.devices) == 200 and {device.id for device in status.devices[-3:]} == set(present)
    world.coordinator.devices.leave(present[0], world.now)
    status = status_of(world.coordinator, world.now)
    assert (status.members, status.active) == (MANY + 2, 2)
    assert present[0] not in {device.id for device in status.devices}, "members come before devices that left"


def test_the_progress_is_the_same_as_in_the_view(world) -> None:
    async def inside() -> None:
        control = ControlApi(world.coordinator, DeviceApi(world.coordinator), "127.0.0.1", 8470, "ab" * 32)
        transport = httpx.ASGITransport(control_app(control, "token"))
        async with httpx.AsyncClient(transport=transport, base_url="http://owner") as owner:
            assert (await owner.get("/control/progress")).status_code == HTTPStatus.UNAUTHORIZED
            owner.headers["authorization"] = "Bearer token"
            for stage in (None, "selection", "keys"):
                if stage is not None:
                    world.advance(stage)
                view, progress = [(await owner.get(f"/control/{name}")).json() for name in ("view", "progress")]
                for shown in (view, progress):
                    if shown["round"]:
                        shown["round"].pop("seconds_left")
                assert progress == {name: view[name] for name in progress}
                assert (progress["round"] or {}).get("stage") == stage
                world.coordinator.rounds.schedule(1)

    world.now = time.time()
    world.enrol(6)
    asyncio.run(inside())


def test_check_ins_outside_of_rounds_read_nothing(world, statements: list[str]) -> None:
    world.enrol(3)
    api = DeviceApi(world.coordinator, clock=lambda: world.now)
    for round_number in range(2):
        for device in world.devices:
            api.requests.check_membership(device.name)
            world.coordinator.devices.check_in(device.name, asked(world), world.now)
        if round_number == 0:
            statements.clear()
    assert not statements


def test_check_ins_in_a_selection_do_not_read_all_devices(world, statements: list[str]) -> None:
    enrol_in(world.coordinator.store, (f"{number:064x}" for number in range(MANY)))
    world.enrol(4)
    world.coordinator.rounds.schedule(1)
    world.coordinator.tick(world.now)
    for device in world.devices:
        statements.clear()
        assert world.step(device) == api_messages.WAIT
        assert not any("SELECT devices.id" in s and "devices.id = " not in s for s in statements), statements
    assert world.round.stage == "selection", "others may come"


@pytest.mark.parametrize("removed", [False, True])
def test_a_device_that_leaves_while_it_waits_is_not_selected(removed: bool, world) -> None:
    world.enrol(4)
    leaving = world.devices.pop()
    api = DeviceApi(world.coordinator, clock=lambda: world.now)

    async def inside() -> None:
        waiting = asyncio.create_task(api.check_in(leaving.name, asked(world), 20.0))
        await asyncio.sleep(0.01)
        world.coordinator.devices.leave(leaving.name, world.now, removed)
        world.coordinator.rounds.schedule(1)
        world.coordinator.tick(world.now)
        api.wake()
        with pytest.raises(RequestRefusedError) as refused:
            await waiting
        assert refused.value.status == (api_messages.REMOVED if removed else api_messages.UNKNOWN_DEVICE)

    asyncio.run(inside())
    assert leaving.name not in world.round.cohort
    assert not world.coordinator.devices.belongs(leaving.name)
