"""The command `federate serve`: a coordinator in a folder of its own."""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segno
from filelock import FileLock, Timeout

from data.errors import DataError
from federation.coordinator.coordinator import Coordinator, CoordinatorSettings
from federation.coordinator.federation_settings import FederationSettings
from federation.coordinator.round_driver import Serving
from federation.coordinator.round_machine import Rules
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.web.certificate import certificate
from federation.coordinator.web.control_api import ControlApi, control_app, control_token
from federation.coordinator.web.dashboard import add_dashboard
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.servers import serve


@dataclass(frozen=True)
class Places:
    """Where the coordinator keeps things and listens; `address` is how devices reach it."""

    folder: Path
    model: Path  # the model folder to start from
    host: str
    port: int
    address: str
    control_port: int


def run(places: Places, rules: Rules, federation: FederationSettings, rounds: int, invitations: int) -> dict[str, Any]:
    """Serves until it is stopped; wants so many rounds from now on if there are any, and shows so many join links.

    Returns the newest model's folder and round, the privacy spent, and what is known of each round, newest last.

    Raises:
      DataError: another coordinator is at work in the folder, or what is in there is damaged or was begun otherwise.
      OSError: a port is taken.
    """
    folder = places.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", blocking=False):
            federation = federation.begin(folder)
            return asyncio.run(_serve(places, rules, federation, rounds, invitations))
    except Timeout as error:
        raise DataError(f"another coordinator is at work in {folder}: stop it, or choose another --folder") from error


async def _serve(
    places: Places, rules: Rules, federation: FederationSettings, rounds: int, invitations: int
) -> dict[str, Any]:
    folder = places.folder
    settings = CoordinatorSettings(rules, federation.training, federation.privacy)
    coordinator = Coordinator(folder, places.model, settings, SecureSummation, time.time())
    try:
        shown = certificate(folder / "certificate.pem", places.address)
        api = DeviceApi(coordinator)
        control = ControlApi(coordinator, api, places.address, places.port, shown.sha256)
        token = control_token(folder)
        app = control_app(control, token)
        add_dashboard(app, control, token)
        if rounds:
            coordinator.want(rounds)

        def ready() -> None:
            for _ in range(invitations):
                _show_link(str(control.invite()))
            _say(f"devices reach it at https://{places.address}:{places.port}")
            _say(f"steer it at http://127.0.0.1:{places.control_port}/?token={token}")

        await serve(
            Serving(coordinator, api, folder), places.host, places.port, shown, (app, places.control_port), ready
        )
        view = control.view()
        model = {"model": str(coordinator.newest_folder), "model_round": view["model"]["round"]}
        return model | {name: view[name] for name in ("spent", "rounds")}
    finally:
        coordinator.close()


def _show_link(link: str) -> None:
    _say(f"a join link, good for one device:\n{link}")
    if sys.stderr.isatty():
        segno.make(link, error="l").terminal(sys.stderr, compact=True)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
