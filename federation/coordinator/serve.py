"""Runs a coordinator in a folder of its own: the work of `federate serve`."""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segno
from filelock import FileLock, Timeout

from data.errors import DataError
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.federation_settings import FederationSettings
from federation.coordinator.round_driver import RoundDriver
from federation.coordinator.round_machine import Rules
from federation.coordinator.rounds import CoordinatorSettings
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.web.certificate import certificate
from federation.coordinator.web.connection_limits import limits_of_system
from federation.coordinator.web.control_api import ControlApi, control_app, control_token
from federation.coordinator.web.dashboard import add_dashboard
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.servers import serve, server_for_devices


@dataclass(frozen=True)
class Places:
    """Where the coordinator keeps its files, and where it listens."""

    folder: Path
    model: Path  # the model folder to start from
    host: str
    port: int
    address: str  # address at which devices reach it
    control_port: int


def run(places: Places, rules: Rules, federation: FederationSettings, rounds: int, invitations: int) -> dict[str, Any]:
    """Serves until it is stopped.

    Args:
      places: files and addresses.
      rules: the rules of rounds.
      federation: settings for a new federation, or those of the one in the folder.
      rounds: number of rounds to schedule at the start; 0 leaves the schedule as it is.
      invitations: number of join links to print at the start.

    Returns:
      The newest model's folder and round, the privacy spent, and the newest rounds, newest last.

    Raises:
      DataError: another coordinator uses the folder; its files are damaged, or its federation has other settings; or the system
        allows too few connections.
      StoreError: the store cannot be read or written.
      OSError: a port is taken.
    """
    folder = places.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", blocking=False):
            federation = federation.begin(folder)
            return asyncio.run(_serve(places, rules, federation, rounds, invitations))
    except Timeout as error:
        raise DataError(f"another coordinator is using {folder}: stop it, or choose another --folder") from error


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
            coordinator.rounds.schedule(rounds)

        def ready() -> None:
            for _ in range(invitations):
                _show_link(str(control.invite()))
            _print(f"devices connect to https://{places.address}:{places.port}")
            _print(f"open the dashboard at http://127.0.0.1:{places.control_port}/?token={token}")

        driver = RoundDriver(coordinator, folder, api.wake)
        server = server_for_devices(api.app, places.host, places.port, shown, limits_of_system())
        await serve(driver, server, app, places.control_port, ready)
        status = control.status().to_json()
        model = {"model": str(coordinator.rounds.newest_folder), "model_round": status["model"]["round"]}
        return model | {name: status[name] for name in ("spent", "rounds")}
    finally:
        coordinator.close()


def _show_link(link: str) -> None:
    _print(f"a join link, for one device:\n{link}")
    if sys.stderr.isatty():
        segno.make(link, error="l").terminal(sys.stderr, compact=True)


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
