"""Simulated devices that join a coordinator, leave it, and are killed and started again, for as long as a soak test lasts.

Each device is a task with a connection of its own. A killed device loses its round and its connection between two lines of its
code, as when a phone's battery is removed, and comes back a while later with its key alone. A device that leaves says so, and
another one joins in its place, so that the number of devices is bounded.
"""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import numpy as np

from data.errors import UserFacingError
from federation.benchmarks.loads.fleet_round import random_vectors
from federation.benchmarks.loads.live_coordinator import CoordinatorControl
from federation.benchmarks.loads.simulated_devices import FleetDevice, SimulatedDevice

_TURN = 0.25  # seconds between two looks at which devices are killed
_WAIT = 20.0  # seconds that a device waits for an answer
_AT_ONCE = 4  # devices that work at the same time


@dataclass(frozen=True)
class Changes:
    """How often a device changes, in times per second, and how long a killed device is away, in seconds on average.

    At most `most_in_round` devices of a round are killed or leave, so that a slow machine does not lose more of them.
    """

    killed_in_round: float = 0.01
    killed_outside: float = 0.005
    leaves: float = 0.003
    away: float = 15.0
    most_in_round: int = 3


@dataclass
class FleetCounts:
    """What happened to the devices."""

    joined: int = 0
    left: int = 0
    killed: int = 0
    killed_in_round: int = 0
    restarted: int = 0
    failed: int = 0  # turns that ended with an error of the coordinator or the network
    gone_at: list[float] = field(
        default_factory=list
    )  # time of each device that was lost in a round, seconds since 1970


@dataclass
class _Member:
    device: SimulatedDevice
    http: httpx.AsyncClient
    code: str  # with which the device still has to enrol, or empty
    task: asyncio.Task[None] | None = None


class ChangingFleet:
    """Devices of one coordinator; `counts` says what has happened so far."""

    def __init__(
        self,
        control: CoordinatorControl,
        trusted: ssl.SSLContext,
        vocabulary: str,
        size: int,
        changes: Changes,
        seed: int,
    ) -> None:
        """Prepares a fleet.

        Args:
          control: invites devices.
          trusted: trusts the coordinator's certificate.
          vocabulary: the SHA-256 of the model's vocabulary.
          size: number of devices that are enrolled at a time.
          changes: how often they change.
          seed: of the random numbers that decide when.
        """
        self._control, self._trusted, self._vocabulary = control, trusted, vocabulary
        self._size, self._changes, self._rng = size, changes, np.random.default_rng(seed)
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._members: dict[str, _Member] = {}
        self._away: list[tuple[float, _Member]] = []  # killed devices, and when each of them comes back
        self._url = ""
        self._gone: Counter[str] = Counter()  # devices of a round that were killed or left
        self.counts = FleetCounts()

    async def run(self) -> None:
        """Lets devices join, leave and be killed until it is cancelled."""
        try:
            while True:
                await self._join_and_return()
                for member in list(self._due(self._changes.leaves, in_round=None)):
                    await self._leave(member)
                for in_round, rate in ((True, self._changes.killed_in_round), (False, self._changes.killed_outside)):
                    for member in list(self._due(rate, in_round)):
                        await self._kill(member)
                await asyncio.sleep(_TURN)
        finally:
            for member in list(self._members.values()):
                await self._stop(member)

    def _due(self, rate: float, in_round: bool | None) -> Iterator[_Member]:
        """Yields the devices, in a round or outside of one, to which something happens now that happens at this rate."""
        for member in self._members.values():
            name = member.device.called_to
            if in_round in (None, bool(name)) and self._rng.random() < rate * _TURN:
                if name and self._gone[name] >= self._changes.most_in_round:
                    continue
                if name:
                    self._gone[name] += 1
                yield member

    async def _join_and_return(self) -> None:
        now = time.monotonic()
        for back in [entry for entry in self._away if entry[0] <= now]:
            self._away.remove(back)
            self._start(back[1].device, back[1].code)
            self.counts.restarted += 1
        while len(self._members) + len(self._away) < self._size:
            link = await self._control.invite()
            self._url = link.url
            self._start(SimulatedDevice(random_vectors), link.code)
            self.counts.joined += 1

    def _start(self, device: SimulatedDevice, code: str) -> None:
        http = httpx.AsyncClient(base_url=self._url, verify=self._trusted, trust_env=False, timeout=60)
        reached = FleetDevice(http, device, self._vocabulary, self._at_once)
        member = _Member(device, http, code)
        member.task = asyncio.create_task(self._live(reached, member))
        self._members[device.name] = member

    async def _live(self, device: FleetDevice, member: _Member) -> None:
        while True:
            try:
                if member.code:
                    await device.enrol(member.code)
                    member.code = ""
                await device.turn(_WAIT)
            except (httpx.HTTPError, UserFacingError):
                self.counts.failed += 1
                device.device.forget()
                await asyncio.sleep(1)

    async def _kill(self, member: _Member) -> None:
        if member.device.called_to:
            self.counts.killed_in_round += 1
            self.counts.gone_at.append(time.time())
        self.counts.killed += 1
        await self._stop(member)
        self._away.append((time.monotonic() + self._rng.exponential(self._changes.away), member))

    async def _leave(self, member: _Member) -> None:
        if member.device.called_to:
            self.counts.gone_at.append(time.time())
        self.counts.left += 1
        await self._stop(member)
        async with httpx.AsyncClient(base_url=self._url, verify=self._trusted, trust_env=False, timeout=60) as http:
            with suppress(httpx.HTTPError):
                await FleetDevice(http, member.device, self._vocabulary).call("POST", "/v1/departure")

    async def _stop(self, member: _Member) -> None:
        del self._members[member.device.name]
        if member.task is not None:
            member.task.cancel()
            await asyncio.gather(member.task, return_exceptions=True)
        await member.http.aclose()
        member.device.forget()
