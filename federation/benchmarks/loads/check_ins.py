"""The check-ins of generated devices with real coordinators over TLS on this machine: their rate and their processor time.

The devices are in this process, on the same cores, so that a coordinator's own speed is told by its processor time: that of its
serving processes, and of PostgreSQL's. The devices' own is measured as well: where it is larger, the rate by the clock is theirs.
No round is open. Most enrolled devices are only rows in the database: as many ask at a
time as would with all of them.
"""

import asyncio
import os
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from data.errors import DataError
from federation.benchmarks.loads.enrolling import enrol_in
from federation.benchmarks.loads.http_connection import HttpConnection
from federation.benchmarks.loads.postgres_server import PostgresServer
from federation.benchmarks.loads.process_resources import descendants, processor_seconds
from federation.benchmarks.loads.simulated_devices import FleetDevice, SimulatedDevice
from federation.benchmarks.loads.untrained import untrained_model
from federation.coordinator.learner.messages import NextRound
from federation.coordinator.model_folders import ModelFolders
from federation.coordinator.store import CoordinatorStore
from federation.coordinator.web.certificate import certificate
from federation.coordinator.web.control_api import PORT, TOKEN
from federation.processes import free_port, start
from federation.protocol.api_messages import Plan
from federation.protocol.round_terms import Terms
from model.device.config import ModelConfig, parameters
from model.device.folder import save_model

EVERY_SECONDS = 600.0  # between two check-ins of a device
_CONFIG = ModelConfig(vocabulary=64, embedding=8, units=16)
_TERMS = Terms(parameters(_CONFIG), 1.0, 1, 20, bits=16, seed=0)
LEAST_ASKING = 24  # devices that ask at the same time in `fastest`
_DEADLINE_SECONDS = 900.0  # until the coordinators are ready


@dataclass(frozen=True)
class Load:
    """What a load did. Processor seconds are those of the serving processes, of the database's server, and of the devices."""

    check_ins: int
    seconds: float
    processor: float
    database: float
    devices: float
    answered_after: Sequence[float]  # seconds, of each check-in

    @property
    def rate(self) -> float:
        """Check-ins a second."""
        return self.check_ins / self.seconds

    @property
    def rate_of_processor(self) -> float:
        """Check-ins a second of processor time."""
        return self.check_ins / (self.processor + self.database)


def slowest(loads: Sequence[Load]) -> float:
    """Returns the seconds within which 99 of 100 check-ins of several loads were answered."""
    taken = [seconds for load in loads for seconds in load.answered_after]
    return statistics.quantiles(taken, n=100)[-1] if len(taken) > 1 else max(taken, default=0.0)


class Coordinators:
    """Processes of one federation, and devices that ask them."""

    def __init__(self, folder: Path, port: int, processes: Sequence[int], server: PostgresServer | None) -> None:
        self._folder, self._port, self._processes, self._server = folder, port, processes, server
        self._asking: list[SimulatedDevice] = []
        self._vocabulary = untrained_model(_CONFIG).vocabulary.sha256

    def fastest(self, seconds: float, keep: bool) -> Load:
        """Lets some devices ask again at once; `keep`: each over one connection, otherwise with a new TLS connection each time."""
        return asyncio.run(self._fastest(seconds, keep))

    def steady(self, enrolled: int, seconds: float) -> Load:
        """Lets as many devices ask as would if each of those enrolled asked every ten minutes over a new connection."""
        return asyncio.run(self._steady(enrolled / EVERY_SECONDS, seconds))

    async def _fastest(self, seconds: float, keep: bool) -> Load:
        async with AsyncExitStack() as clients:
            fleet = []
            for device in self._asking[:LEAST_ASKING]:
                http = await clients.enter_async_context(self._connection())
                fleet.append((http, FleetDevice(http, device, self._vocabulary)))
            for _, asking in fleet:
                await asking.turn(0)  # learns the session
            answered: list[float] = []
            before, began = self._processor(), time.perf_counter()

            async def ask(http: HttpConnection, device: FleetDevice) -> None:
                while time.perf_counter() - began < seconds:
                    asked = time.perf_counter()
                    if not keep:
                        await http.aclose()
                    await device.turn(0)
                    answered.append(time.perf_counter() - asked)

            await asyncio.gather(*(ask(http, device) for http, device in fleet))
            return self._load(answered, began, before)

    async def _steady(self, rate: float, seconds: float) -> Load:
        answered: list[float] = []
        before, began, tasks = self._processor(), time.perf_counter(), []

        async def ask(device: SimulatedDevice) -> None:
            asked = time.perf_counter()
            async with self._connection() as http:
                await FleetDevice(http, device, self._vocabulary).turn(0)
            answered.append(time.perf_counter() - asked)

        for number in range(max(int(rate * seconds), 1)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(ask(self._asking[number % len(self._asking)])))
        await asyncio.gather(*tasks)
        return self._load(answered, began, before)

    def _connection(self) -> HttpConnection:
        return HttpConnection("127.0.0.1", self._port, self._context())

    def _context(self) -> ssl.SSLContext:
        if not hasattr(self, "_tls"):
            text = (self._folder / "certificate.pem").read_text("ascii")
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._tls.check_hostname = False
            self._tls.load_verify_locations(cadata=text[: text.index("-----BEGIN PRIVATE")])
        return self._tls

    def _load(self, answered: Sequence[float], began: float, before: tuple[float, float, float]) -> Load:
        seconds, after = time.perf_counter() - began, self._processor()
        used = [end - start for start, end in zip(before, after, strict=True)]
        return Load(len(answered), seconds, used[0], used[1], used[2], answered)

    def _processor(self) -> tuple[float, float, float]:
        """Returns the processor seconds of the coordinators, of the database's server, and of this process so far."""
        server = [] if self._server is None else [self._server.process, *descendants(self._server.process)]
        return sum(map(processor_seconds, self._processes)), sum(map(processor_seconds, server)), time.process_time()

    def enrol(self, store: CoordinatorStore, enrolled: int, asking: int) -> None:
        """Enrols devices, of which `asking` have keys; the others are only rows."""
        self._asking = [SimulatedDevice(_no_vectors) for _ in range(asking)]
        enrol_in(
            store,
            [*(device.name for device in self._asking), *(os.urandom(32).hex() for _ in range(enrolled - asking))],
        )

    def wait_for_all(self) -> None:
        """Waits until each process has answered on the common port: connections are spread at random."""
        asyncio.run(self._wait_for_all())

    async def _wait_for_all(self) -> None:
        until, sessions = time.monotonic() + _DEADLINE_SECONDS, set[str]()
        while len(sessions) < len(self._processes):
            if time.monotonic() > until:
                raise DataError(f"not all coordinators answered within {_DEADLINE_SECONDS:g} s")
            async with self._connection() as http:
                answer = await http.request("GET", "/v1/federation", content=b"", headers={})
                sessions.add(answer.json()["session"])
            await asyncio.sleep(0.05)


@contextmanager
def coordinators(
    count: int, server: PostgresServer | None, enrolled: int, asking: int = LEAST_ASKING
) -> Iterator[Coordinators]:
    """Runs coordinators of one federation: one with SQLite, or `count` with PostgreSQL, as a cluster if there are several.

    Raises:
      DataError: they did not start.
    """
    with TemporaryDirectory(prefix="check-ins-") as temporary:
        folder, model = Path(temporary) / "hub", Path(temporary) / "model"
        url = None if server is None else server.new_database()
        save_model(model, untrained_model(_CONFIG))
        folder.mkdir(mode=0o700)
        certificate(folder / "certificate.pem", "127.0.0.1")
        store, port = CoordinatorStore.of(folder, url), free_port()
        command: list[Any] = [sys.executable, "-P", "-m", "federation", "serve", "--folder", folder, "--model", model]
        command += ["--port", port, "--control-port", free_port(), "--invite", 0, "--rounds", 0]
        command += ["--database", url] if url else []
        command += ["--join-cluster"] if count > 1 else []
        processes = []
        try:
            made = Coordinators(folder, port, ids := list[int](), server)
            made.enrol(store, enrolled, asking)
            store.close()
            state = ModelFolders(folder).state_folder(0)
            state.mkdir(parents=True)
            # A round that is prepared already: TensorFlow does not start, and computes nothing meanwhile.
            NextRound(_TERMS, exhausted="", spent=None, promise="", unmasked=0).save(state)
            for _ in range(count):
                processes.append(
                    start([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                )
                ids.append(processes[-1].pid)
                _wait_until_ready(folder)
            made.wait_for_all()
            yield made
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _wait_until_ready(folder: Path) -> None:
    """Waits until the coordinator answers."""
    until = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < until:
        try:
            headers = {"authorization": f"Bearer {(folder / TOKEN).read_text('ascii')}"}
            url = f"http://127.0.0.1:{(folder / PORT).read_text('ascii')}/control/progress"
            if httpx.get(url, headers=headers, trust_env=False, timeout=60).raise_for_status().json()["ready"]:
                return
        except (httpx.TransportError, OSError):
            pass
        time.sleep(0.5)
    raise DataError(f"the coordinator was not ready within {_DEADLINE_SECONDS:g} s")


def _no_vectors(plan: Plan) -> Any:
    raise DataError("no round is open in this load")
