"""A secure round of many devices, as one runs it: time by stage, memory, bytes a device.

The coordinator is a process of its own with its API over TLS on the loopback, on a model of a few thousand weights, since it is
the number of devices that is measured. All devices are simulated in this process, one after the other, each with a connection of
its own: the times of the stages are those of all devices' work on one core, or of the coordinator's on another.
"""

import asyncio
import ssl
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from data.errors import DataError
from federation.benchmarks.loads.simulated_devices import FleetDevice, SimulatedDevice
from federation.benchmarks.loads.untrained import untrained_model
from federation.benchmarks.peak_memory import peak_memory_mib
from federation.coordinator.web.connection_limits import connections_allowed
from federation.coordinator.web.control_api import TOKEN
from federation.processes import free_port, start
from federation.protocol.api_messages import Plan
from federation.protocol.join_link import JoinLink
from federation.protocol.round_terms import TrainingResult
from model.device.config import ModelConfig
from model.device.folder import save_model

CONFIG = ModelConfig(vocabulary=64, embedding=8, units=16)
_DEADLINE_SECONDS = 3_600
_WAIT = 120  # seconds a device waits for an answer: a thousand that asked every few would keep a core busy
_AT_ONCE = 4  # devices that work; the others wait


def fleet_round(devices: int) -> dict[str, Any]:
    """One round over so many devices: seconds by stage, MiB of the coordinator, bytes of bodies that a device sent and received.

    Raises:
      DataError: the system allows too few connections, or the round was not committed.
    """
    if connections_allowed(devices) < devices:  # the coordinator's process inherits that
        raise DataError(f"{devices} devices need more open files than this system allows: see ulimit -Hn")
    with TemporaryDirectory(prefix="fleet-") as temporary:
        folder = Path(temporary)
        model = untrained_model(CONFIG)
        save_model(folder / "model", model)
        ports = free_port(), free_port()
        command = [sys.executable, "-P", "-m", "federation.cli", "serve", "--folder", folder / "coordinator"]
        command += ["--model", folder / "model", "--port", ports[0], "--control-port", ports[1], "--invite", 0]
        command += ["--minimum", max(3, devices // 2), "--target", devices, "--over-selection", 1]
        for stage in ("keys", "shares", "reporting", "unmasking"):
            command += [f"--{stage}-seconds", _DEADLINE_SECONDS]
        process = start([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return asyncio.run(_with_clients(devices, folder, ports[1], process.pid, model.vocabulary.sha256))
        finally:
            process.kill()
            process.wait()


async def _with_clients(devices: int, folder: Path, port: int, process: int, vocabulary: str) -> dict[str, Any]:
    async with AsyncExitStack() as clients:
        control = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)
        await clients.enter_async_context(control)
        return await _round(devices, folder, control, process, vocabulary, clients)


async def _round(
    devices: int, folder: Path, control: httpx.AsyncClient, process: int, vocabulary: str, clients: AsyncExitStack
) -> dict[str, Any]:
    token = folder / "coordinator" / TOKEN
    until = time.monotonic() + _DEADLINE_SECONDS

    async def view() -> dict[str, Any]:
        while time.monotonic() < until:
            try:
                headers = {"authorization": f"Bearer {token.read_text('ascii')}"}
                return (await control.get("/control/view", headers=headers)).raise_for_status().json()
            except (httpx.TransportError, OSError):
                await asyncio.sleep(0.2)
        raise DataError("the coordinator does not answer")

    while not (await view())["ready"]:
        await asyncio.sleep(0.5)
    headers = {"authorization": f"Bearer {token.read_text('ascii')}"}
    certificate = (folder / "coordinator" / "certificate.pem").read_text("ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=certificate[: certificate.index("-----BEGIN PRIVATE")])
    fleet: list[FleetDevice] = []
    at_once = asyncio.Semaphore(_AT_ONCE)
    for _ in range(devices):
        link = JoinLink.parse((await control.post("/control/invitations", headers=headers)).json()["link"])
        # A client each, as a pool looks through all its connections with each request.
        http = httpx.AsyncClient(base_url=link.url, verify=context, trust_env=False, timeout=600)
        await clients.enter_async_context(http)
        fleet.append(FleetDevice(http, SimulatedDevice(_vectors), vocabulary, at_once))
        await fleet[-1].enrol(link.code)
    enrolled = await view()
    await control.post("/control/rounds?rounds=1", headers=headers)
    seconds: dict[str, float] = {}
    working = [asyncio.create_task(_take_part(device)) for device in fleet]
    stage, since = "selection", time.monotonic()
    while True:
        seen = await view()
        now = time.monotonic()
        in_round = seen["round"]["stage"] if seen["round"] else "over"
        if in_round != stage:
            seconds[stage], stage, since = round(now - since, 2), in_round, now
        if seen["wanted"] == 0:
            break
        if now > until or any(task.done() and task.exception() for task in working):
            break
        await asyncio.sleep(0.2)
    for task in working:
        task.cancel()
    failed = [e for t in await asyncio.gather(*working, return_exceptions=True) if isinstance(e := t, Exception)]
    (row,) = seen["rounds"][len(enrolled["rounds"]) :]
    if row["state"] != "committed":
        raise DataError(
            f"the round of {devices} devices was not committed: {failed[:1] or row['reason'] or seen['errors']}"
        )
    return {
        "devices": devices,
        "counted": row["counted"],
        "seconds": row["ended"] - row["started"],
        "stage_seconds": seconds,
        "coordinator_peak_mb": round(peak_memory_mib(process), 1),
        "sent_bytes": int(np.mean([device.sent for device in fleet])),
        "received_bytes": int(np.mean([device.received for device in fleet])),
    }


async def _take_part(device: FleetDevice) -> None:
    while True:
        await device.turn(wait=_WAIT)


def _vectors(plan: Plan) -> Any:
    terms, rng = plan.terms, np.random.default_rng()
    delta = rng.normal(size=terms.length).astype(np.float32)
    return terms.contribution(TrainingResult(delta * np.float32(0.5 / np.linalg.norm(delta)), 100), rng)
