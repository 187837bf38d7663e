"""How whoever runs the coordinator steers it from this machine: a JSON API behind a token, which the dashboard is mounted on."""

import hmac
import secrets
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request

from data.files import write_by_rename
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.status import overview
from federation.protocol.join_link import JoinLink

TOKEN = "control-token"  # noqa: S105 (the file's name)
_MOST_ROUNDS = 100_000


def control_token(folder: Path) -> str:
    """The token that lets one steer the coordinator of a folder; in a file that only its owner may read."""
    path = folder / TOKEN
    if not path.exists():
        write_by_rename(path, secrets.token_urlsafe(24).encode(), mode=0o600)
    return path.read_text("ascii")


class ControlApi:
    """What can be done: join links, more rounds, a pause, a stop."""

    def __init__(self, coordinator: Coordinator, api: DeviceApi, host: str, port: int, sha256: str) -> None:
        """Steers a coordinator that devices reach at `host`:`port` and know by its certificate's SHA-256."""
        self.coordinator = coordinator
        self._api, self._host, self._port, self._sha256 = api, host, port, sha256

    def invite(self) -> JoinLink:
        """A new join link, good for one device."""
        return JoinLink(self._host, self._port, self.coordinator.invite(time.time()), self._sha256)

    def want(self, rounds: int) -> None:
        """So many more rounds, from now on."""
        self.coordinator.want(rounds)
        self._tick()

    def pause(self, paused: bool) -> None:
        """Begins no new round, or does again."""
        self.coordinator.pause(paused)
        self._tick()

    def stop(self) -> None:
        """Ends the round that goes on, unless it has its sum, and begins none."""
        self.coordinator.stop(time.time())
        self._tick()

    def view(self) -> dict[str, Any]:
        """What there is to see."""
        return overview(self.coordinator, time.time())

    def _tick(self) -> None:
        self.coordinator.tick(time.time())
        self._api.tell()


def control_app(control: ControlApi, token: str) -> FastAPI:
    """The JSON API; every call needs `Authorization: Bearer TOKEN`."""
    app = FastAPI(title="Control of the coordinator", version="1", docs_url=None, redoc_url=None)

    def allowed(request: Request) -> None:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "this needs the coordinator's control token")

    only_with_token = [Depends(allowed)]

    @app.get("/control/view", dependencies=only_with_token)
    async def view() -> dict[str, Any]:
        """What there is to see."""
        return control.view()

    @app.post("/control/invitations", dependencies=only_with_token)
    async def invite() -> dict[str, str]:
        """A new join link, good for one device."""
        return {"link": str(control.invite())}

    @app.post("/control/rounds", status_code=204, dependencies=only_with_token)
    async def want(rounds: Annotated[int, Query(ge=1, le=_MOST_ROUNDS)]) -> None:
        """So many more rounds, from now on."""
        control.want(rounds)

    @app.post("/control/pause", status_code=204, dependencies=only_with_token)
    async def pause(paused: bool = True) -> None:
        """Begins no new round, or does again."""
        control.pause(paused)

    @app.post("/control/stop", status_code=204, dependencies=only_with_token)
    async def stop() -> None:
        """Ends the round that goes on, unless it has its sum, and begins none."""
        control.stop()

    return app
