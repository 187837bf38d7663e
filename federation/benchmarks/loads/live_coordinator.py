"""A real coordinator under load: a `federate serve` process on the loopback interface, and its control API."""

import asyncio
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from data.errors import DataError
from federation.coordinator.web.control_api import TOKEN
from federation.processes import free_port, start
from federation.protocol.join_link import JoinLink

DEADLINE_SECONDS = 3_600


class CoordinatorControl:
    """The coordinator's control API."""

    def __init__(self, http: httpx.AsyncClient, token: Path) -> None:
        """Takes the client of the API and the file with its token, which may not exist yet."""
        self._http, self._token = http, token
        self.deadline = time.monotonic() + DEADLINE_SECONDS

    async def view(self) -> dict[str, Any]:
        """Returns the coordinator's view of its rounds; waits for a coordinator that is starting.

        Raises:
          DataError: the coordinator does not answer.
        """
        return await self._get("/control/view")

    async def progress(self) -> dict[str, Any]:
        """Returns the round that is under way, and whether one can begin: little work for the coordinator, unlike `view`.

        Raises:
          DataError: the coordinator does not answer.
        """
        return await self._get("/control/progress")

    async def wait_until_ready(self) -> None:
        """Waits until the coordinator can begin a round.

        Raises:
          DataError: the coordinator does not answer.
        """
        while not (await self.progress())["ready"]:
            await asyncio.sleep(0.5)

    async def schedule(self, rounds: int) -> None:
        """Schedules rounds."""
        await self._post(f"/control/rounds?rounds={rounds}")

    async def invite(self) -> JoinLink:
        """Returns a new join link."""
        return JoinLink.parse((await self._post("/control/invitations")).json()["link"])

    async def _get(self, path: str) -> dict[str, Any]:
        while time.monotonic() < self.deadline:
            try:
                return (await self._http.get(path, headers=self._headers())).raise_for_status().json()
            except (httpx.TransportError, OSError):
                await asyncio.sleep(0.2)
        raise DataError(f"the coordinator did not answer within {DEADLINE_SECONDS} s")

    async def _post(self, path: str) -> httpx.Response:
        return await self._http.post(path, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token.read_text('ascii')}"}


@dataclass(frozen=True)
class LiveCoordinator:
    """A running coordinator: its folder, the ports of both its APIs, and its process id."""

    folder: Path
    port: int
    control_port: int
    process: int

    @asynccontextmanager
    async def control(self) -> AsyncIterator[CoordinatorControl]:
        """Opens its control API."""
        url = f"http://127.0.0.1:{self.control_port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
            yield CoordinatorControl(http, self.folder / TOKEN)

    def trusted(self) -> ssl.SSLContext:
        """Returns a TLS context that trusts the coordinator's certificate, which exists once the control API answers."""
        certificate = (self.folder / "certificate.pem").read_text("ascii")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=certificate[: certificate.index("-----BEGIN PRIVATE")])
        return context


@contextmanager
def running(folder: Path, model: Path, options: Sequence[object]) -> Iterator[LiveCoordinator]:
    """Runs a coordinator in a new folder, without rounds and invitations; `options` are more options of `federate serve`."""
    ports = free_port(), free_port()
    command = [sys.executable, "-P", "-m", "federation", "serve", "--folder", folder, "--model", model, "--invite", 0]
    command += ["--rounds", 0, "--port", ports[0], "--control-port", ports[1], *options]
    process = start([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield LiveCoordinator(folder, *ports, process.pid)
    finally:
        process.kill()
        process.wait()
