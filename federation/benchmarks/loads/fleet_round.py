"""Secure rounds of many devices against a real coordinator: seconds by stage, processor time, memory, and bytes of each device.

The coordinator is a process of its own, with its API over TLS on the loopback interface. Its model has only a few thousand
weights, since the number of devices matters here. All devices are simulated in this process, each with its own connection. So the
time of a stage is that of all devices' work on one core, or of the coordinator's work on another: the processor seconds of both
tell which.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from data.errors import DataError
from data.peak_memory import peak_memory_mib
from federation.benchmarks.loads.enrolling import enrol_in
from federation.benchmarks.loads.http_connection import HttpConnection
from federation.benchmarks.loads.live_coordinator import DEADLINE_SECONDS, CoordinatorControl, LiveCoordinator, running
from federation.benchmarks.loads.process_resources import processor_seconds
from federation.benchmarks.loads.simulated_devices import FleetDevice, SimulatedDevice
from federation.benchmarks.loads.untrained import untrained_model
from federation.coordinator.store import FILE, CoordinatorStore
from federation.coordinator.web.connection_limits import connections_allowed
from federation.protocol.api_messages import Plan
from federation.protocol.round_terms import TrainingResult
from model.device.config import ModelConfig
from model.device.folder import save_model

CONFIG = ModelConfig(vocabulary=64, embedding=8, units=16)
_WAIT = 120  # seconds that a device waits for an answer; a thousand devices polling often would keep a core busy
_AT_ONCE = 4  # devices that work at the same time
_SELECTED = ": selection ended with "  # in the line of the event log
_LOOK_SECONDS = 0.1  # between two looks at the round


def fleet_rounds(sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Runs a round of each number of devices, one after another, with the same coordinator.

    Args:
      sizes: numbers of devices, in ascending order.

    Returns:
      By round: seconds from the end of its selection to the new model, and by stage; processor seconds of the coordinator and of
      the devices; the coordinator's peak MiB so far; and the mean bytes that a device sent and received.

    Raises:
      DataError: the system allows too few connections, or a round was not committed.
    """
    most = max(sizes)
    if connections_allowed(most) < most:  # the coordinator's process inherits the limit
        raise DataError(f"{most} devices need more open files than this system allows: raise the limit (ulimit -Hn)")
    with TemporaryDirectory(prefix="fleet-") as temporary:
        folder = Path(temporary)
        model = untrained_model(CONFIG)
        save_model(folder / "model", model)
        options = ["--minimum", 3, "--target", most, "--over-selection", 1]
        for stage in ("keys", "shares", "reporting", "consistency", "unmasking"):
            options += [f"--{stage}-seconds", DEADLINE_SECONDS]
        with running(folder / "coordinator", folder / "model", options) as coordinator:
            return asyncio.run(_rounds(sizes, coordinator, model.vocabulary.sha256))


async def _rounds(sizes: Sequence[int], coordinator: LiveCoordinator, vocabulary: str) -> list[dict[str, Any]]:
    found, fleet, at_once = list[dict[str, Any]](), list[FleetDevice](), asyncio.Semaphore(_AT_ONCE)
    async with AsyncExitStack() as clients:
        control = await clients.enter_async_context(coordinator.control())
        await control.wait_until_ready()
        context = coordinator.trusted()
        for size in sizes:
            joining = [SimulatedDevice(random_vectors) for _ in range(size - len(fleet))]
            store = CoordinatorStore.open(coordinator.folder / FILE)
            enrol_in(store, [device.name for device in joining])
            store.close()
            for device in joining:
                http = await clients.enter_async_context(HttpConnection("127.0.0.1", coordinator.port, context))
                fleet.append(FleetDevice(http, device, vocabulary, at_once))
            found.append(await _round(fleet, control, coordinator.process))
    return found


async def _round(fleet: Sequence[FleetDevice], control: CoordinatorControl, process: int) -> dict[str, Any]:
    """Runs one round over enrolled devices and returns its figures; `process` is the coordinator's process id."""
    for device in fleet:
        device.sent = device.received = 0
    used, own = processor_seconds(process), time.process_time()
    await control.schedule(1)
    seconds: dict[str, float] = {}
    working = [asyncio.create_task(_take_part(device)) for device in fleet]
    stage, since = "selection", time.monotonic()
    while True:
        seen = await control.progress()
        now = time.monotonic()
        current = seen["round"]["stage"] if seen["round"] else "over"
        if current != stage:
            seconds[stage], stage, since = round(now - since, 2), current, now
        if seen["wanted"] == 0:
            break
        if now > control.deadline or any(task.done() and task.exception() for task in working):
            break
        await asyncio.sleep(_LOOK_SECONDS)
    used, own = processor_seconds(process) - used, time.process_time() - own
    for task in working:
        task.cancel()
    failed = [e for t in await asyncio.gather(*working, return_exceptions=True) if isinstance(e := t, Exception)]
    status = await control.view()
    row = status["rounds"][-1]
    if row["state"] != "committed" or row["counted"] != len(fleet):
        reason = failed[:1] or row["reason"] or status["errors"] or f"{row['counted']} were counted"
        raise DataError(f"the round of {len(fleet)} devices was not committed: {reason}")
    selected = next(event["time"] for event in status["events"] if f"round {row['number']}{_SELECTED}" in event["text"])
    return {
        "devices": len(fleet),
        "counted": row["counted"],
        "seconds": row["ended"] - selected,
        "stage_seconds": seconds,
        "coordinator_processor_seconds": round(used, 2),
        "devices_processor_seconds": round(own, 2),
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
