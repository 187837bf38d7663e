"""The API on a real socket, with TLS: peers that are slow, silent or numerous, beside a fleet of devices."""

import asyncio
import gc
import ssl
import subprocess
import sys
import time
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from federation.benchmarks.loads.simulated_devices import FleetDevice
from federation.coordinator.round_machine import Rules, Stage
from federation.coordinator.rounds import CoordinatorSettings
from federation.coordinator.web.certificate import Certificate, certificate
from federation.coordinator.web.connection_limits import ConnectionLimits, connections_allowed
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.handshakes import Doorway, Handshakes
from federation.coordinator.web.servers import server_for_devices
from federation.protocol import api_messages
from federation.protocol.api_messages import CheckIn
from federation.protocol.signed_requests import sign

LIMIT = 0.3  # seconds, of the limits in these tests
PATIENCE = 30.0  # seconds within which a connection must have been cut off


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls") / "certificate.pem", "127.0.0.1")


class Listening:
    """A coordinator that listens on a port, and connections to it."""

    def __init__(self, world, api: DeviceApi, server: uvicorn.Server, shown: Certificate) -> None:
        self.world, self.api, self.server = world, api, server
        self.port = server.servers[0].sockets[0].getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        pem = shown.path.read_text()
        self.context.load_verify_locations(cadata=pem[: pem.index("-----BEGIN PRIVATE")])
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)
        self.writers.append(writer)
        return reader, writer

    def client(self) -> httpx.AsyncClient:
        url = f"https://127.0.0.1:{self.port}"
        return httpx.AsyncClient(base_url=url, verify=self.context, trust_env=False, timeout=60)

    async def answers(self) -> None:
        """Checks that a well-behaved client is still served."""
        async with self.client() as http:
            assert (await http.get("/v1/federation")).status_code == 200


async def is_cut_off(reader: asyncio.StreamReader) -> bytes:
    """Waits until the connection ends; returns what was received before."""
    content = b""
    async with asyncio.timeout(PATIENCE):
        try:
            while more := await reader.read(2**16):
                content += more
        except (ConnectionError, ssl.SSLError):
            pass
    return content


@asynccontextmanager
async def listening(
    world, shown: Certificate, limits: ConnectionLimits, body_seconds: float = 30.0
) -> AsyncIterator[Listening]:
    api = DeviceApi(world.coordinator, body_seconds, clock=lambda: world.now)
    server = server_for_devices(api.app, "127.0.0.1", 0, shown, limits)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    found = Listening(world, api, server, shown)
    try:
        yield found
    finally:
        for writer in found.writers:
            writer.transport.abort()
        server.should_exit = True
        await running


@pytest.fixture
def run(world, shown: Certificate) -> Callable[..., None]:
    def inside(
        test: Callable[[Listening], Awaitable[None]], limits: ConnectionLimits, body_seconds: float = 30.0
    ) -> None:
        async def whole() -> None:
            async with listening(world, shown, limits, body_seconds) as found:
                await test(found)

        asyncio.run(whole())

    return inside


async def drip(writer: asyncio.StreamWriter, text: bytes) -> None:
    """Sends one byte at a time, with pauses shorter than any limit."""
    try:
        for octet in text:
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(LIMIT / 10)
    except (ConnectionError, ssl.SSLError):
        pass


HEAD = b"GET /v1/federation HTTP/1.1\r\nHost: x\r\n" + b"X-Slow: y\r\n" * 1000


HEADS = {"silent": b"", "headers": HEAD, "lines": b"\r\n" * 1000, "a path": b"GET /" + b"a" * 10_000}


@pytest.mark.parametrize("beginning", HEADS.values(), ids=HEADS)
def test_a_head_that_never_ends_is_cut_off(beginning: bytes, run) -> None:
    async def test(found: Listening) -> None:
        reader, writer = await found.connect()
        began = time.monotonic()
        slow = asyncio.create_task(drip(writer, beginning))
        assert b"200" not in await is_cut_off(reader)
        assert time.monotonic() - began >= LIMIT / 2
        slow.cancel()
        await found.answers()

    run(test, ConnectionLimits(head_seconds=LIMIT))


def test_an_endless_head_is_cut_off_however_fast_it_arrives(run) -> None:
    async def test(found: Listening) -> None:
        reader, writer = await found.connect()
        sent = 0
        with suppress(ConnectionError, ssl.SSLError):
            writer.write(b"GET /v1/federation HTTP/1.1\r\n")
            while sent < 2**26:
                writer.write(b"X-More: " + bytes(2**15).replace(b"\0", b"y") + b"\r\n")
                await writer.drain()
                sent += 2**15
        await is_cut_off(reader)
        assert sent < 2**26
        await found.answers()

    run(test, ConnectionLimits())


def test_the_second_head_on_a_connection_is_limited_too(run) -> None:
    async def test(found: Listening) -> None:
        reader, writer = await found.connect()
        writer.write(b"GET /v1/federation HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(2 * LIMIT)  # a peer may rest longer between requests
        slow = asyncio.create_task(drip(writer, HEAD))
        await is_cut_off(reader)
        slow.cancel()
        await found.answers()

    run(test, ConnectionLimits(head_seconds=LIMIT))


def test_the_rest_of_a_body_is_cut_off_after_the_response(run) -> None:
    """The peer keeps sending the body that it announced."""

    async def test(found: Listening) -> None:
        for path in (b"/v1/check-in", b"/v1/nowhere", b"/v1/devices"):
            reader, writer = await found.connect()
            writer.write(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n{")
            slow = asyncio.create_task(drip(writer, bytes(1000)))
            assert (await is_cut_off(reader)).startswith(b"HTTP/1.1 4")
            slow.cancel()
        await found.answers()

    run(test, ConnectionLimits(rest_seconds=LIMIT), body_seconds=LIMIT)


def test_the_rest_of_a_body_that_arrives_in_time_does_no_harm(run) -> None:
    async def test(found: Listening) -> None:
        reader, writer = await found.connect()
        writer.write(b"POST /v1/nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        assert b"404" in await reader.readuntil(b"\r\n\r\n")
        writer.write(bytes(10) + b"GET /v1/federation HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"200 OK\r\n")

    run(test, ConnectionLimits(rest_seconds=PATIENCE))


def test_a_peer_that_reads_no_response_is_cut_off(run, world) -> None:
    async def test(found: Listening) -> None:
        (device,) = world.enrol(1)
        weights = world.coordinator.rounds.folders.model_folder(0) / "weights.safetensors"
        weights.write_bytes(bytes(2**25))  # more than the kernel buffers for the peer
        path = f"/v1/models/{world.coordinator.rounds.model_digest}"
        headers = sign(device.key, world.coordinator.session, 1, "GET", path, b"").to_headers()
        reader, writer = await found.connect()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        await asyncio.sleep(5 * LIMIT)
        transport.resume_reading()
        assert len(await is_cut_off(reader)) < 2**25
        await found.answers()

    run(test, ConnectionLimits(stuck_seconds=LIMIT))


def test_each_connection_has_a_small_buffer_for_tls(run) -> None:
    async def test(found: Listening) -> None:
        reader, writer = await found.connect()
        writer.write(b"GET /v1/federation HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readuntil(b"\r\n\r\n")
        (connection,) = found.server.server_state.connections
        tls = getattr(connection.transport, "_ssl_protocol")  # noqa: B009 (asyncio's own, without a type)
        assert len(tls._ssl_buffer) == 2**15
        assert SSLProtocol.max_size > 2**15, "other connections of the process keep asyncio's buffer"

    run(test, ConnectionLimits())


BEGINNINGS = {"nothing": b"", "one byte": b"\x16", "half a hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}


class RawConnections(list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]):
    """Connections over TCP that never complete a TLS handshake."""

    async def open(self, port: int, count: int, beginning: bytes) -> None:
        for _ in range(count):
            self.append(await asyncio.open_connection("127.0.0.1", port))
            self[-1][1].write(beginning)
        await asyncio.sleep(0.05)

    async def left(self) -> int:
        """Returns how many the server has not ended."""
        await asyncio.sleep(0.2)
        return sum(not reader.at_eof() and reader.exception() is None for reader, _ in self)

    def close(self) -> None:
        for _, writer in self:
            writer.transport.abort()


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_connections_that_never_complete_tls_keep_no_device_out(beginning: bytes, run, world) -> None:
    most = 32

    async def test(found: Listening) -> None:
        raw = RawConnections()
        async with found.client() as http:
            device = FleetDevice(http, world.new_device(), world.coordinator.rounds.model.vocabulary.sha256)
            for _ in range(4):
                await raw.open(found.port, 100, beginning)
                assert 0 < await raw.left() <= most
                if not beginning:
                    tls = sum(issubclass(type(o), SSLProtocol) for o in gc.get_objects())  # a weak proxy has no class
                    assert tls < most // 2, "TLS takes no memory before the first byte"
                await found.answers()
            await device.enrol(world.coordinator.devices.invite(world.now))
            await raw.open(found.port, 100, beginning)
            assert (await device.turn(wait=0)).task == api_messages.REST
        raw.close()

    run(test, ConnectionLimits(most=8, most_handshakes=most, handshake_seconds=PATIENCE))


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_a_handshake_that_is_not_completed_in_time_is_cut_off(beginning: bytes, run) -> None:
    async def test(found: Listening) -> None:
        raw = RawConnections()
        await raw.open(found.port, 3, beginning)
        for reader, _ in raw:
            assert await is_cut_off(reader) == b""
        await found.answers()

    run(test, ConnectionLimits(handshake_seconds=LIMIT))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=80), st.integers(1, 12))
def test_whoever_has_the_most_handshakes_loses_one(arrivals: list[tuple[int, bool]], most: int) -> None:
    """Beyond the limit each network keeps its fair part, and within a network the newest stay."""
    handshakes, made = Handshakes(most), dict[str, list[Doorway]]()
    for number, complete in arrivals:
        address = ("10.0.0.1", "10.0.0.2", "::1", "2001:db8::5", "2001:db8::9")[number]
        network = address.rpartition(":")[0] or address  # the last two are one network
        door = Doorway(handshakes, lambda _: pytest.fail("nothing was sent"), 1.0)
        made.setdefault(network, []).append(door)
        handshakes.add(door, address)
        if complete:
            door.leave()
            made[network].remove(door)
        waiting = {n: [d for d in doors if d in handshakes._open] for n, doors in made.items()}
        assert len(handshakes) == sum(map(len, waiting.values())) <= most
        for n, doors in made.items():
            lost = len(doors) - len(waiting[n])
            assert doors[lost:] == waiting[n], "the oldest were ended"
            others = max((len(w) for m, w in waiting.items() if m != n), default=0)
            made[n] = waiting[n]
            if lost and not complete:
                assert len(waiting[n]) >= others - 1, "a network with fewer than another loses none"


def test_new_connections_replace_idle_ones(run) -> None:
    async def test(found: Listening) -> None:
        waiting = [await found.connect() for _ in range(8)]
        assert all(not reader.at_eof() for reader, _ in waiting)
        await found.answers()
        await is_cut_off(waiting[0][0])
        await found.answers()
        assert not waiting[-1][0].at_eof()

    run(test, ConnectionLimits(most=8, head_seconds=PATIENCE))


def test_connections_with_a_request_in_progress_are_not_replaced(run, world) -> None:
    async def test(found: Listening) -> None:
        async with AsyncExitStack() as open_ones:
            vocabulary = world.coordinator.rounds.model.vocabulary.sha256
            busy = []
            for device in world.enrol(6):
                http = await open_ones.enter_async_context(found.client())
                asked = CheckIn(vocabulary, "").to_json().encode()
                signed = sign(device.key, world.coordinator.session, 1, "POST", "/v1/check-in?wait=20", asked)
                request = http.post("/v1/check-in?wait=20", content=asked, headers=signed.to_headers())
                busy.append(asyncio.create_task(request))
            while len(world.coordinator.devices._seen) < 6:
                await asyncio.sleep(0.01)
            for _ in range(3):  # every connection waits for a response
                reader, writer = await found.connect()
                writer.write(b"GET /v1/federation HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b"200" not in await is_cut_off(reader)
            assert not any(task.done() for task in busy)
            world.coordinator.rounds.schedule(1)
            world.coordinator.tick(world.now)
            found.api.wake()
            assert {(await task).json()["task"] for task in busy} == {api_messages.KEYS}

    run(test, ConnectionLimits(most=6))


def test_a_device_that_restarts_its_upload_abandons_the_earlier_one(run, world) -> None:
    """One device cannot use up the memory that all share, and a device whose connection broke need not wait."""

    async def test(found: Listening) -> None:
        world.enrol(6)
        world.coordinator.rounds.schedule(1)
        world.advance(Stage.REPORTING)
        device, name = world.devices[-1], world.coordinator.rounds.current.name
        path = f"/v1/rounds/{name}/reporting"
        needed = world.coordinator.devices.needs(device.name, name, Stage.REPORTING, world.now)
        message = device.message("reporting", needed)

        def head(number: int) -> bytes:
            signed = sign(device.key, world.coordinator.session, number, "POST", path, message)
            lines = "".join(f"{name}: {value}\r\n" for name, value in signed.to_headers().items())
            return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(message)}\r\n{lines}\r\n".encode()

        first, second = await found.connect(), await found.connect()
        first[1].write(head(1) + message[:100])
        while not found.api.requests._uploads:
            await asyncio.sleep(0.01)
        second[1].write(head(2) + message)
        assert b"204" in await second[0].readuntil(b"\r\n\r\n")
        assert b"408" in await first[0].readuntil(b"\r\n\r\n")
        assert not found.api.requests._uploads
        world.finish()

    start = world.weights()
    run(test, ConnectionLimits())
    world.check_models(start)


def test_thirty_devices_take_part_while_others_hold_connections_open(new_world, shown, terms) -> None:
    world = new_world(settings=CoordinatorSettings(Rules(20, 30, 1.0)), terms=replace(terms, cohort=30))
    start = world.weights()

    async def inside() -> None:
        async with listening(world, shown, ConnectionLimits(most=40)) as found, AsyncExitStack() as stack:
            fleet = []
            for _ in range(30):
                http = await stack.enter_async_context(found.client())
                fleet.append(FleetDevice(http, world.new_device(), world.coordinator.rounds.model.vocabulary.sha256))
                await fleet[-1].enrol(world.coordinator.devices.invite(world.now))
            for _ in range(60):
                await found.connect()
            world.coordinator.rounds.schedule(1)

            async def take_part(device: FleetDevice) -> None:
                while True:
                    await device.turn(wait=20)

            working = [asyncio.create_task(take_part(device)) for device in fleet]
            async with asyncio.timeout(120):
                while world.coordinator.store.schedule()[0]:
                    world.work()
                    found.api.wake()
                    await asyncio.sleep(0.05)
                    assert not any(task.done() for task in working), [t.exception() for t in working if t.done()]
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    asyncio.run(inside())
    assert world.coordinator.store.rounds()[0].counted == 30
    world.check_models(start)


FEW_FILES = """
import resource
from federation.coordinator.web.connection_limits import connections_allowed
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 230))
print(connections_allowed())
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 210))
connections_allowed()
"""


def test_there_are_as_many_connections_as_the_system_allows() -> None:
    assert connections_allowed(3) == 3
    done = subprocess.run([sys.executable, "-c", FEW_FILES], capture_output=True, text=True, check=False)
    assert done.stdout == "30\n"
    assert "this system allows 210 open files" in done.stderr
