"""A secure round of many devices against a real coordinator: seconds by stage, memory, and bytes of each device.

The coordinator is a process of its own, with its API over TLS on the loopback interface. Its model has only a few thousand
weights, since the number of devices matters here. All devices are simulated in this process, each with its own connection. So the
time of a stage is that of all devices' work on one core, or of the coordinator's work on another.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from data.errors import DataError
from data.peak_memory import peak_memory_mib
from federation.benchmarks.loads.live_coordinator import DEADLINE_SECONDS, CoordinatorControl, LiveCoordinator, running
from federation.benchmarks.loads.simulated_devices import FleetDevice, SimulatedDevice
from federation.benchmarks.loads.untrained import untrained_model
from federation.coordinator.web.connection_limits import connections_allowed
from federation.protocol.api_messages import Plan
from federation.protocol.round_terms import TrainingResult
from model.device.config import ModelConfig
from model.device.folder import save_model

CONFIG = ModelConfig(vocabulary=64, embedding=8, units=16)
_WAIT = 120  # seconds that a device waits for an answer; a thousand devices polling often would keep a core busy
_AT_ONCE = 4  # devices that work at the same time


def fleet_round(devices: int) -> dict[str, Any]:
    """Runs one round; returns seconds by stage, the coordinator's peak MiB, and the mean bytes that a device sent and received.

    Raises:
      DataError: the system allows too few connections, or the round was not committed.
    """
    if connections_allowed(devices) < devices:  # the coordinator's process inherits the limit
        raise DataError(f"{devices} devices need more open files than this system allows: raise the limit (ulimit -Hn)")
    with TemporaryDirectory(prefix="fleet-") as temporary:
        folder = Path(temporary)
        model = untrained_model(CONFIG)
        save_model(folder / "model", model)
        options = ["--minimum", max(3, devices // 2), "--target", devices, "--over-selection", 1]
        for stage in ("keys", "shares", "reporting", "consistency", "unmasking"):
            options += [f"--{stage}-seconds", DEADLINE_SECONDS]
        with running(folder / "coordinator", folder / "model", options) as coordinator:
            return asyncio.run(_with_clients(devices, coordinator, model.vocabulary.sha256))


async def _with_clients(devices: int, coordinator: LiveCoordinator, vocabulary: str) -> dict[str, Any]:
    async with AsyncExitStack() as clients:
        control = await clients.enter_async_context(coordinator.control())
        await control.wait_until_ready()
        fleet = await _enrolled_fleet(devices, coordinator, control, vocabulary, clients)
        return await _round(fleet, control, coordinator.process)


async def _enrolled_fleet(
    devices: int, coordinator: LiveCoordinator, control: CoordinatorControl, vocabulary: str, clients: AsyncExitStack
) -> list[FleetDevice]:
    context = coordinator.trusted()
    fleet: list[FleetDevice] = []
    at_once = asyncio.Semaphore(_AT_ONCE)
    for _ in range(devices):
        link = await control.invite()
        # Each device has its own client, because a pool searches all its connections in each request.
        http = httpx.AsyncClient(base_url=link.url, verify=context, trust_env=False, timeout=600)
        await clients.enter_async_context(http)
        fleet.append(FleetDevice(http, SimulatedDevice(random_vectors), vocabulary, at_once))
        await fleet[-1].enrol(link.code)
    return fleet


async def _round(fleet: Sequence[FleetDevice], control: CoordinatorControl, process: int) -> dict[str, Any]:
    """Runs one round over enrolled devices and returns its figures; `process` is the coordinator's process id."""
    before = await control.view()
    await control.schedule(1)
    seconds: dict[str, float] = {}
    working = [asyncio.create_task(_take_part(device)) for device in fleet]
    stage, since = "selection", time.monotonic()
    while True:
        seen = await control.view()
        now = time.monotonic()
        current = seen["round"]["stage"] if seen["round"] else "over"
        if current != stage:
            seconds[stage], stage, since = round(now - since, 2), current, now
        if seen["wanted"] == 0:
            break
        if now > control.deadline or any(task.done() and task.exception() for task in working):
            break
        await asyncio.sleep(0.2)
    for task in working:
        task.cancel()
    failed = [e for t in await asyncio.gather(*working, return_exceptions=True) if isinstance(e := t, Exception)]
    (row,) = seen["rounds"][len(before["rounds"]) :]
    if row["state"] != "committed":
        raise DataError(
            f"the round of {len(fleet)} devices was not committed: {failed[:1] or row['reason'] or seen['errors']}"
        )
    return {
        "devices": len(fleet),
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


def random_vectors(plan: Plan) -> Any:
    """Returns the vectors of a device that trained on 100 words and whose delta is random."""
    terms, rng = plan.terms, np.random.default_rng()
    delta = rng.normal(size=terms.length).astype(np.float32)
    return terms.contribution(TrainingResult(delta * np.float32(0.5 / np.linalg.norm(delta)), 100), rng)
