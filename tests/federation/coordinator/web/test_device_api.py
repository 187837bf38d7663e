"""The API over ASGI: it runs rounds, and refuses bad requests without harm to the round."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import httpx
import numpy as np
import pytest

from data.errors import DataError
from federation.benchmarks.loads.simulated_devices import FleetDevice
from federation.coordinator.conduct.conduct import DAY
from federation.coordinator.round_machine import GIVING, Rules, Stage
from federation.coordinator.rounds import CoordinatorSettings
from federation.coordinator.web.control_api import ControlApi, control_app
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.device_requests import DeviceRequests
from federation.coordinator.web.owner.device_records import device_records
from federation.protocol import api_messages
from federation.protocol.api_messages import CheckIn
from federation.protocol.round_terms import Terms
from federation.protocol.secure_aggregation.messages import Advert, MaskedInput, Shares
from federation.protocol.signed_requests import sign

VERSION = {api_messages.VERSION_HEADER: str(api_messages.VERSION)}


class Network:
    """Devices that reach a world's coordinator over its API."""

    def __init__(self, world, body_seconds: float = 5.0) -> None:
        self.world = world
        self.api = DeviceApi(world.coordinator, body_seconds, clock=lambda: world.now)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.api.app), base_url="https://coordinator")
        self.devices: list[FleetDevice] = []

    async def add(self, count: int) -> list[FleetDevice]:
        for _ in range(count):
            device = FleetDevice(
                self.http, self.world.new_device(), self.world.coordinator.rounds.model.vocabulary.sha256
            )
            await device.enrol(self.world.coordinator.devices.invite(self.world.now))
            self.devices.append(device)
        return self.devices

    async def advance(self, stage: str) -> None:
        """Takes turns until the round is at a stage in which one device has sent something and another has not."""
        for _ in range(8):
            for device in self.devices:
                current = self.world.coordinator.rounds.current
                if current is not None and current.stage == stage and current.given:
                    return
                await device.turn(wait=0)
        raise AssertionError(f"the round never reached {stage}")

    async def finish(self) -> None:
        for _ in range(40):
            for device in self.devices:
                await device.turn(wait=0)
            self.world.work()
            self.world.now += 1
            if self.world.coordinator.store.schedule()[0] == 0:
                return
        raise AssertionError("no round was committed")


@pytest.fixture
def in_network(world) -> Callable[[Callable[[Network], Awaitable[None]]], None]:
    """Runs a coroutine function with a network of six devices and one scheduled round."""

    def run(test: Callable[[Network], Awaitable[None]]) -> None:
        async def inside() -> None:
            network = Network(world)
            async with network.http:
                await network.add(6)
                world.coordinator.rounds.schedule(1)
                await test(network)

        asyncio.run(inside())

    return run


def test_a_round_over_the_api_adds_the_mean_of_the_devices_deltas(in_network, world) -> None:
    start = world.weights()

    async def test(network: Network) -> None:
        await network.finish()

    in_network(test)
    world.check_models(start)


def test_devices_fetch_the_newest_model(in_network, world) -> None:
    async def test(network: Network) -> None:
        federation = (await network.http.get("/v1/federation")).json()
        model = await network.devices[0].call("GET", f"/v1/models/{federation['model']}")
        assert model.content == (world.coordinator.rounds.folders.model_folder(0) / "weights.safetensors").read_bytes()
        assert (await network.devices[0].call("GET", f"/v1/models/{'0' * 64}")).status_code == api_messages.NOT_FOUND

    in_network(test)


def test_a_code_is_valid_for_one_device(in_network, world) -> None:
    async def test(network: Network) -> None:
        code = world.coordinator.devices.invite(world.now)
        first, second = world.new_device(), world.new_device()
        for device, status in (
            (first, HTTPStatus.NO_CONTENT),
            (first, HTTPStatus.NO_CONTENT),  # the first answer may have been lost
            (second, api_messages.BAD),
        ):
            response = await network.http.post("/v1/devices", content=device.enrolment(code).to_json(), headers=VERSION)
            assert response.status_code == status, response.text
        forged = second.enrolment("another code").to_json().replace("another code", world.coordinator.devices.invite(0))
        assert "not signed" in (await network.http.post("/v1/devices", content=forged, headers=VERSION)).json()["error"]
        assert not world.coordinator.store.members.belongs(second.name)

    in_network(test)


def test_unknown_devices_are_refused_before_their_bodies_are_read(in_network, world) -> None:
    async def test(network: Network) -> None:
        read = 0

        async def body() -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 1
                yield bytes(1000)

        stranger = world.new_device()
        signed = sign(stranger.key, world.coordinator.session, 1, "POST", "/v1/check-in", b"")
        for headers in ({}, signed.to_headers()):
            response = await network.http.post("/v1/check-in", content=body(), headers=headers)
            assert response.status_code == api_messages.UNKNOWN_DEVICE and response.json()["error"]
        assert read <= 2  # fetched by the transport itself

    in_network(test)


def test_replays_and_changed_requests_are_refused(in_network, world) -> None:
    async def test(network: Network) -> None:
        device = network.devices[0]
        body = CheckIn(world.coordinator.rounds.model.vocabulary.sha256, "").to_json().encode()

        async def status(session: str, number: int, path: str = "/v1/check-in", sent: bytes = body) -> int:
            headers = sign(device.device.key, session, number, "POST", "/v1/check-in", body).to_headers()
            return (await network.http.post(path, content=sent, headers=headers)).status_code

        session = world.coordinator.session
        assert await status(session, 100) == HTTPStatus.OK
        assert await status(session, 100) == api_messages.REPLAYED
        assert await status(session, 99) == api_messages.REPLAYED
        assert await status("0" * 32, 101) == api_messages.REPLAYED
        assert await status(session, 102, path="/v1/check-in?wait=1") == api_messages.UNKNOWN_DEVICE
        assert await status(session, 103, sent=body + b" ") == api_messages.BAD
        world.kill()  # a new session: recorded requests are invalid, whatever their number
        assert await Network(world).http.post("/v1/check-in") is not None
        assert world.coordinator.session != session

    in_network(test)


def test_oversized_and_slow_bodies_are_cut_off(in_network, world) -> None:
    async def test(network: Network) -> None:
        network.api.requests.body_seconds = 0.05
        device = network.devices[0]
        assert (await device.call("POST", "/v1/check-in", bytes(5000))).status_code == api_messages.TOO_LARGE
        sent = 0

        async def endless(pause: float) -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 10_000_000:
                sent += 1000
                yield bytes(1000)
                await asyncio.sleep(pause)

        for pause, status in ((0.0, api_messages.TOO_LARGE), (10.0, api_messages.SLOW)):
            sent = 0
            signed = device.session.sign("POST", "/v1/check-in", b"")
            response = await network.http.post("/v1/check-in", content=endless(pause), headers=signed.to_headers())
            assert response.status_code == status
            assert sent < 20_000
        await network.advance(Stage.REPORTING)
        round_name = world.coordinator.rounds.current.name
        largest = world.coordinator.devices.largest(round_name, Stage.REPORTING)
        answer = await device.call("POST", f"/v1/rounds/{round_name}/reporting", bytes(largest + 1))
        assert answer.status_code == api_messages.TOO_LARGE
        network.api.requests.body_seconds = 5.0
        await network.finish()

    start = world.weights()
    in_network(test)
    world.check_models(start)


@pytest.mark.parametrize("stage", GIVING)
def test_bad_messages_are_refused_and_the_round_continues(stage: Stage, in_network, world) -> None:
    start = world.weights()

    async def test(network: Network) -> None:
        await network.advance(stage)
        victim = next(d for d in network.devices if not world.coordinator.rounds.current.gave(d.device.name))
        name = world.coordinator.rounds.current.name
        path = f"/v1/rounds/{name}/{stage}"
        needed = (await victim.call("GET", path)).content
        if not victim.device.round_name:
            victim.device.begin(world.coordinator.devices.plan(victim.device.name, name, world.now))
        good = victim.device.message(stage, needed)
        other = next(d for d in network.devices if d is not victim and d.device.has(stage)).device
        flipped = bytearray(good)
        flipped[45] ^= 1  # in the sender's name or after it
        bad = [b"", b"nonsense", good[:-1], good + b"\0", bytes(flipped), other.message(stage, b"")]
        if stage == Stage.KEYS:
            advert = Advert.from_bytes(good)
            bad += [
                replace(advert, context=bytes(32)).to_bytes(),
                replace(advert, mask_key=advert.cipher_key).to_bytes(),
            ]
        if stage == Stage.SHARES:
            shares = Shares.from_bytes(good)
            bad.append(replace(shares, shares=shares.shares[1:]).to_bytes())
        if stage == Stage.REPORTING:
            masked = MaskedInput.from_bytes(good)
            bad.append(replace(masked, context=bytes(32)).to_bytes())  # of another model or plan
            bad.append(replace(masked, packed=masked.packed[:-8]).to_bytes())  # of another length
        before = dict(vars(world.coordinator.rounds.current))
        for message in bad:
            response = await victim.call("POST", path, message)
            assert response.status_code in (api_messages.BAD, api_messages.TOO_LARGE), (message[:60], response.text)
            assert response.json()["error"]
        assert vars(world.coordinator.rounds.current) == before
        later = [s for s in GIVING if list(Stage).index(s) > list(Stage).index(stage)]
        for other_stage in later:
            assert (
                await victim.call("POST", f"/v1/rounds/{name}/{other_stage}", b"x")
            ).status_code == api_messages.EARLY
            assert (await victim.call("GET", f"/v1/rounds/{name}/{other_stage}")).status_code == api_messages.EARLY
        if stage == Stage.UNMASKING:  # the shares of the others may be enough
            await network.finish()
            assert (await victim.call("POST", path, good)).status_code == api_messages.LATE
            return
        assert (await victim.call("POST", path, good)).status_code == HTTPStatus.NO_CONTENT
        assert (await victim.call("POST", path, good)).status_code in (api_messages.REPEATED, api_messages.LATE)
        await network.finish()
        assert (await victim.call("POST", path, good)).status_code == api_messages.LATE

    in_network(test)
    world.check_models(start)


def test_a_device_that_was_not_selected_is_refused(in_network, world) -> None:
    async def test(network: Network) -> None:
        await network.advance(Stage.KEYS)
        (late,) = (await network.add(1))[6:]
        assert (await late.turn(wait=0)).reason == "the round is full"
        name = world.coordinator.rounds.current.name
        assert (await late.call("GET", f"/v1/rounds/{name}/plan")).status_code == api_messages.BAD
        assert (await late.call("POST", f"/v1/rounds/{name}/keys", b"x")).status_code == api_messages.BAD
        network.devices.remove(late)
        await network.finish()

    in_network(test)


def test_another_vocabulary_is_refused(in_network, world) -> None:
    async def test(network: Network) -> None:
        body = CheckIn("0" * 64, "").to_json().encode()
        response = await network.devices[0].call("POST", "/v1/check-in", body)
        assert response.status_code == api_messages.OTHER_VOCABULARY and "vocabulary" in response.json()["error"]

    in_network(test)


def test_a_device_that_left_is_unknown(in_network, world) -> None:
    async def test(network: Network) -> None:
        gone = network.devices.pop()
        await gone.turn(wait=0)
        assert (await gone.call("POST", "/v1/departure")).status_code == HTTPStatus.NO_CONTENT
        with pytest.raises(DataError, match="does not belong"):
            await gone.turn(wait=0)
        await network.finish()

    in_network(test)


def test_a_device_that_the_owner_removed_is_told_so_and_nobody_else_is(in_network, world) -> None:
    async def test(network: Network) -> None:
        removed = network.devices.pop()
        await removed.turn(wait=0)
        world.coordinator.devices.leave(removed.device.name, world.now, removed=True)
        for method, path in (("POST", "/v1/check-in"), ("GET", f"/v1/models/{'0' * 64}"), ("POST", "/v1/departure")):
            answer = await removed.call(method, path)
            assert answer.status_code == api_messages.REMOVED and "removed this device" in answer.json()["error"]
        stranger = sign(network.devices[0].device.key, world.coordinator.session, 2**60, "POST", "/v1/check-in", b"")
        forged = replace(stranger, device=removed.device.name).to_headers()
        response = await network.http.post("/v1/check-in", headers=forged)
        assert response.status_code == api_messages.UNKNOWN_DEVICE
        await network.finish()

    in_network(test)


def test_a_device_whose_message_is_too_large_and_never_valid_is_left_out(in_network, world) -> None:
    async def test(network: Network) -> None:
        await network.advance(Stage.SHARES)
        current = world.coordinator.rounds.current
        liar = next(d for d in network.devices if not current.gave(d.device.name))
        network.devices.remove(liar)
        answer = await liar.call("POST", f"/v1/rounds/{current.name}/shares", bytes(100_000))
        assert answer.status_code == api_messages.TOO_LARGE
        await liar.call("POST", f"/v1/rounds/{current.name}/withdrawal")
        await network.finish()
        out = world.coordinator.rounds.conduct.left_out(liar.device.name, world.now)
        assert out is not None and "larger" in out.reason
        (record,) = (d for d in device_records(world.coordinator, world.now) if d.id == liar.device.name)
        assert record.status == "left out" and "larger" in record.error
        others = [d for d in device_records(world.coordinator, world.now) if d is not record and d.rounds]
        assert record.sent > 0 and others and all(d.sent > record.sent and d.received > 0 for d in others)

    in_network(test)


def test_the_owner_controls_devices_and_links_over_the_control_api(world) -> None:
    async def inside() -> None:
        network = Network(world)
        await network.add(6)
        control = ControlApi(world.coordinator, network.api, "127.0.0.1", 8470, "ab" * 32)
        transport = httpx.ASGITransport(control_app(control, "token"))
        async with httpx.AsyncClient(transport=transport, base_url="http://owner") as owner:
            assert (await owner.get("/control/devices")).status_code == HTTPStatus.UNAUTHORIZED
            owner.headers["authorization"] = "Bearer token"
            first, second = (d.device.name for d in network.devices[:2])
            assert (
                await owner.post(f"/control/devices/{first[:12]}/name?name=Anna")
            ).status_code == HTTPStatus.NO_CONTENT
            world.coordinator.rounds.conduct.convict(second, "a reason", time.time())
            listed = {d["id"]: d for d in (await owner.get("/control/devices")).json()}
            assert (listed[first]["name"], listed[second]["reason"]) == ("Anna", "a reason")
            assert (await owner.post(f"/control/devices/{second}/return")).status_code == HTTPStatus.NO_CONTENT
            assert (await owner.post("/control/devices/Anna/removal")).status_code == HTTPStatus.NO_CONTENT
            listed = {d["id"]: d for d in (await owner.get("/control/devices")).json()}
            assert (listed[first]["status"], listed[second]["status"]) == ("removed", "away")
            nobody = await owner.post("/control/devices/Anna/removal")
            assert nobody.status_code == HTTPStatus.CONFLICT and "no device is called Anna" in nobody.json()["error"]

            made = (await owner.post("/control/invitations")).json()
            assert 6 * DAY < made["expires"] - time.time() <= 7 * DAY
            newest = (await owner.get("/control/invitations")).json()[0]
            assert newest["state"] == "open" and newest["expires"] == made["expires"]
            revoked = await owner.post(f"/control/invitations/{newest['id']}/revocation")
            assert revoked.status_code == HTTPStatus.NO_CONTENT
            assert (await owner.get("/control/invitations")).json()[0]["state"] == "revoked"

    asyncio.run(inside())


def test_a_round_of_a_hundred_and_twenty_devices_with_twenty_dropouts(new_world, terms: Terms) -> None:
    """With more than a hundred devices, each masks with neighbours on a ring and not with all others."""
    world = new_world(settings=CoordinatorSettings(Rules(60, 110, 12 / 11)), terms=replace(terms, cohort=110))
    start = world.weights()

    async def inside() -> None:
        network = Network(world)
        async with network.http:
            devices = await network.add(120)
            world.coordinator.rounds.schedule(1)
            await network.advance(Stage.REPORTING)
            network.devices = devices[20:]  # twenty drop out
            for device in network.devices:
                await device.turn(wait=0)
            world.now += world.coordinator.rounds.settings.rules.reporting_seconds
            await network.finish()

    asyncio.run(inside())
    (row,) = world.coordinator.store.rounds()
    assert row.state == "committed" and row.cohort == 120 and row.counted == 100
    world.check_models(start)


def test_a_waiting_check_in_is_answered_when_a_round_opens(world) -> None:
    async def inside() -> None:
        network = Network(world)
        await network.add(6)
        waiting = [asyncio.create_task(device.turn(wait=20)) for device in network.devices]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
        world.coordinator.rounds.schedule(1)
        world.coordinator.tick(world.now)
        network.api.wake()
        done = await asyncio.wait_for(asyncio.gather(*waiting), 10)
        assert {call.task for call in done} == {api_messages.KEYS}

    asyncio.run(inside())


def test_nothing_at_the_coordinator_distinguishes_a_masked_update_from_noise(
    in_network, world, caplog, monkeypatch
) -> None:
    """No update and no secret of a device is in anything received, or in the coordinator's files and log."""
    caplog.set_level(logging.DEBUG)
    recorded: list[bytes] = []

    async def test(network: Network) -> None:
        body = DeviceRequests.body

        async def recording(*arguments: Any) -> bytes:
            content = await body(*arguments)
            recorded.append(content)
            return content

        with monkeypatch.context() as patched:
            patched.setattr(DeviceRequests, "body", recording)
            await network.finish()

    in_network(test)
    files = b"".join(p.read_bytes() for p in world.folder.rglob("*") if p.is_file())
    everything = b"\0".join(recorded) + files + caplog.text.encode()
    assert len([r for r in recorded if len(r) > 700]) == 4  # the masked updates of those that counted
    plain = [octets for device in world.all_devices for octets in device.vectors_given]
    assert len(plain) == 4
    assert not any(octets in everything for octets in plain)
    masked = [np.frombuffer(r[68:-60], np.uint8) for r in recorded if len(r) > 700]
    for octets in masked:
        counts = np.bincount(octets, minlength=256)
        expected = len(octets) / 256
        chi_squared = float(((counts - expected) ** 2 / expected).sum())
        assert chi_squared < 255 + 6 * np.sqrt(2 * 255)  # uniform: a mean of 255, six standard deviations
