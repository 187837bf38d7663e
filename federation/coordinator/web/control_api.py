"""The operator's control of the coordinator, from this machine: a JSON API behind a token, with the dashboard mounted on it."""

import hmac
import secrets
import time
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse

from data.errors import UserFacingError
from data.files import write_by_rename
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.owner.device_controls import DeviceControls, device_routes
from federation.coordinator.web.status import CoordinatorStatus, status_of
from federation.protocol.join_link import JoinLink

TOKEN = "control-token"  # noqa: S105 (the file's name)
_MOST_ROUNDS = 100_000


def control_token(folder: Path) -> str:
    """Returns the token that controls the coordinator of a folder, from a file that only its owner may read."""
    path = folder / TOKEN
    if not path.exists():
        write_by_rename(path, secrets.token_urlsafe(24).encode(), mode=0o600)
    return path.read_text("ascii")


class ControlApi:
    """The operator's actions: creating join links, and scheduling, pausing and stopping rounds."""

    def __init__(self, coordinator: Coordinator, api: DeviceApi, host: str, port: int, sha256: str) -> None:
        """Controls a coordinator that devices reach at `host`:`port`, and recognize by its certificate's SHA-256."""
        self.coordinator = coordinator
        self.devices = DeviceControls(coordinator, self._tick)
        self._api, self._host, self._port, self._sha256 = api, host, port, sha256

    def invite(self) -> JoinLink:
        """Returns a new join link for one device."""
        return JoinLink(self._host, self._port, self.coordinator.devices.invite(time.time()), self._sha256)

    def expiry_of(self, link: JoinLink) -> float:
        """Returns the time at which a new join link expires, in seconds since 1970."""
        wanted = self.coordinator.devices.book.link_of(link.code)
        return next(row.expires for row in self.devices.links() if row.id == wanted)

    def schedule(self, rounds: int) -> None:
        """Schedules this number of rounds from now on, in place of those scheduled before."""
        self.coordinator.rounds.schedule(rounds)
        self._tick()

    def pause(self, paused: bool) -> None:
        """Pauses or resumes: while paused no new round opens."""
        self.coordinator.rounds.pause(paused)
        self._tick()

    def stop(self) -> None:
        """Schedules no more rounds and aborts the one under way, unless it has its sum."""
        self.coordinator.rounds.stop(time.time())
        self._tick()

    def status(self) -> CoordinatorStatus:
        """Returns the coordinator's status."""
        return status_of(self.coordinator, time.time())

    def _tick(self) -> None:
        self.coordinator.tick(time.time())
        self._api.wake()


def control_app(control: ControlApi, token: str) -> FastAPI:
    """Returns the JSON API; every call needs `Authorization: Bearer TOKEN`."""
    app = FastAPI(
        title="Control of the coordinator",
        version="1",
        docs_url=None,
        redoc_url=None,
        exception_handlers={UserFacingError: _answer_refusal},
    )

    def allowed(request: Request) -> None:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "this call needs the coordinator's control token")

    only_with_token = [Depends(allowed)]

    @app.get("/control/view", dependencies=only_with_token)
    async def view() -> dict[str, Any]:
        """The model, the round, the devices, past rounds, and errors."""
        return control.status().to_json()

    @app.post("/control/invitations", dependencies=only_with_token)
    async def invite() -> dict[str, str | float]:
        """A new join link, for one device, and the time at which it expires."""
        link = control.invite()
        return {"link": str(link), "expires": control.expiry_of(link)}

    @app.post("/control/rounds", status_code=HTTPStatus.NO_CONTENT, dependencies=only_with_token)
    async def schedule(rounds: Annotated[int, Query(ge=1, le=_MOST_ROUNDS)]) -> None:
        """Schedules this number of rounds from now on, in place of those scheduled before."""
        control.schedule(rounds)

    @app.post("/control/pause", status_code=HTTPStatus.NO_CONTENT, dependencies=only_with_token)
    async def pause(paused: bool = True) -> None:
        """Pauses or resumes: while paused no new round opens."""
        control.pause(paused)

    @app.post("/control/stop", status_code=HTTPStatus.NO_CONTENT, dependencies=only_with_token)
    async def stop() -> None:
        """Schedules no more rounds and aborts the one under way, unless it has its sum."""
        control.stop()

    app.include_router(device_routes(control.devices), dependencies=only_with_token)
    return app


async def _answer_refusal(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, HTTPStatus.CONFLICT)
