"""The operator's control of the coordinator, from this machine: a JSON API behind a token, with the dashboard mounted on it."""

import hmac
import re
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.settings.settings_change import Value
from federation.coordinator.settings_in_force import SettingsInForce
from federation.coordinator.steady_clock import steady_time
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.owner.device_controls import DeviceControls, device_routes
from federation.coordinator.web.owner.word_controls import WordControls, word_routes
from federation.coordinator.web.status import CoordinatorStatus, progress_of, status_of
from federation.protocol.join_link import JoinLink
from federation.protocol.secure_aggregation.neighbours import MIN_DEVICES

TOKEN = "control-token"  # noqa: S105 (the file's name)
PORT = "control-port"  # name of the file with the port of the control API, for `federate start` and `federate devices`
MOST_ROUNDS = 100_000


def control_token(folder: Path) -> str:
    """Returns the token that controls the coordinator of a folder, from a file that only its owner may read."""
    path = folder / TOKEN
    if not path.exists() or re.fullmatch(rb"[\w-]{32}", path.read_bytes()) is None:  # none, or a damaged one
        write_by_rename(path, secrets.token_urlsafe(24).encode(), mode=0o600)
    return path.read_text("ascii")


class ControlApi:
    """The operator's actions: join links, settings, the devices, word discoveries, and when rounds run."""

    def __init__(
        self,
        coordinator: Coordinator,
        api: DeviceApi,
        host: str,
        port: int,
        sha256: str,
        settings: SettingsInForce | None = None,
    ) -> None:
        """Controls a coordinator that devices reach at `host`:`port`, and recognize by its certificate's SHA-256."""
        self.coordinator, self.settings = coordinator, settings
        self.devices, self.words = DeviceControls(coordinator, self._tick), WordControls(coordinator, self._tick)
        self._api, self._host, self._port, self._sha256 = api, host, port, sha256

    def invite(self) -> JoinLink:
        """Returns a new join link for one device."""
        return JoinLink(self._host, self._port, self.coordinator.devices.invite(steady_time()), self._sha256)

    def expiry_of(self, link: JoinLink) -> float:
        """Returns the time at which a new join link expires, in seconds since 1970."""
        return self.coordinator.devices.book.expiry_of(link.code)

    def schedule(self, rounds: int) -> None:
        """Schedules this number of rounds from now on, in place of those scheduled before."""
        self.coordinator.rounds.schedule(rounds)
        self._tick()

    def pause(self, paused: bool) -> None:
        """Pauses or resumes: while paused no new round opens."""
        self.coordinator.rounds.pause(paused)
        self._tick()

    def stop(self, finish: bool = False) -> None:
        """Schedules no more rounds; with `finish` the one under way continues, otherwise it ends, unless it has its sum."""
        self.coordinator.rounds.stop(steady_time(), finish)
        self._tick()

    def start_now(self) -> str:
        """Lets a round begin with the devices that are present; returns one line about what happens.

        Raises:
          DataError: the round has begun already, or none can begin yet.
        """
        missing = self.coordinator.rounds.start_now(steady_time())
        self._tick()
        current = self.coordinator.rounds.open_round
        number = current.number if current else self.coordinator.store.rounds(1)[-1].number
        if not missing:
            return f"round {number} begins with the devices that are present"
        minimum = self.coordinator.rounds.settings.rules.minimum
        why = "" if minimum > MIN_DEVICES else ", since a sum over fewer would show what a single device learned"
        return (
            f"round {number} begins as soon as {minimum} devices are present{why}: "
            f"{minimum - missing} of them {'is' if minimum - missing == 1 else 'are'} here"
        )

    def change(self, chosen: Mapping[str, Value]) -> str:
        """Changes settings from the next round on; returns one line about what changes.

        Raises:
          DataError: a value is out of range, or a setting cannot change any more.
        """
        if self.settings is None:
            raise DataError("this coordinator has fixed settings")
        return self.settings.change(chosen, steady_time()) or "no setting changes: these are the settings in force"

    def status(self) -> CoordinatorStatus:
        """Returns the coordinator's status."""
        return status_of(self.coordinator, steady_time(), self.settings)

    def _tick(self) -> None:
        self.coordinator.tick(steady_time())
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
        """The model, the round, the devices that were seen latest, past rounds, and errors."""
        return control.status().to_json()

    @app.get("/control/progress", dependencies=only_with_token)
    async def progress() -> dict[str, Any]:
        """Whether a round can begin, how many are scheduled, and the round that is under way."""
        return progress_of(control.coordinator, steady_time())

    @app.post("/control/invitations", dependencies=only_with_token)
    async def invite() -> dict[str, str | float]:
        """A new join link, for one device, and the time at which it expires."""
        link = control.invite()
        return {"link": str(link), "expires": control.expiry_of(link)}

    @app.post("/control/rounds", status_code=HTTPStatus.NO_CONTENT, dependencies=only_with_token)
    async def schedule(rounds: Annotated[int, Query(ge=1, le=MOST_ROUNDS)]) -> None:
        """Schedules this number of rounds from now on, in place of those scheduled before."""
        control.schedule(rounds)

    @app.post("/control/pause", status_code=HTTPStatus.NO_CONTENT, dependencies=only_with_token)
    async def pause(paused: bool = True) -> None:
        """Pauses or resumes: while paused no new round opens."""
        control.pause(paused)

    @app.post("/control/stop", status_code=HTTPStatus.NO_CONTENT, dependencies=only_with_token)
    async def stop(finish: bool = False) -> None:
        """Schedules no more rounds; with `finish` the one under way continues, otherwise it ends, unless it has its sum."""
        control.stop(finish)

    @app.post("/control/start", dependencies=only_with_token)
    async def start_now() -> dict[str, str]:
        """Lets a round begin with the devices that are present."""
        return {"message": control.start_now()}

    app.include_router(device_routes(control.devices), dependencies=only_with_token)
    app.include_router(word_routes(control.words), dependencies=only_with_token)
    return app


async def _answer_refusal(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, HTTPStatus.CONFLICT)
