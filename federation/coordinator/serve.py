"""Runs a coordinator in a folder of its own: the work of `federate serve`."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import segno
from filelock import FileLock, Timeout

from data.errors import DataError
from data.files import write_by_rename
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.round_driver import RoundDriver
from federation.coordinator.rounds import CoordinatorSettings
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.settings.federation_settings import SETTINGS, FederationSettings
from federation.coordinator.settings.settings_change import Value, with_values
from federation.coordinator.settings_in_force import SettingsInForce
from federation.coordinator.steady_clock import steady_time
from federation.coordinator.takeover import TakeOver, model_to_take_over
from federation.coordinator.web.certificate import FILE as CERTIFICATE
from federation.coordinator.web.certificate import certificate
from federation.coordinator.web.connection_limits import limits_of_system
from federation.coordinator.web.control_api import PORT, ControlApi, control_app, control_token
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.listening import listen, listening_host, reachable_host
from federation.coordinator.web.page.dashboard import add_dashboard
from federation.coordinator.web.server_log import log_in_one_line
from federation.coordinator.web.servers import (
    LOOPBACK,
    serve,
    server_for_control,
    server_for_devices,
    stop_on_signals,
)
from model.device.folder import PRETRAINED

FIRST_ROUNDS = 5  # that a new federation schedules


@dataclass(frozen=True)
class Places:
    """Where the coordinator keeps its files, and where it listens."""

    folder: Path
    model: Path | None  # the model folder to start from; None: the federation's own, or else the shipped model
    host: str
    port: int
    address: str | None  # address at which devices reach it; None: that of the host
    control_port: int
    take_over: bool = False  # whether a federation that builds on another model goes on from `model`
    database: str | None = None  # address of the PostgreSQL database for its rounds; None: a SQLite file in the folder


def run(places: Places, chosen: Mapping[str, Value], rounds: int | None, invitations: int | None) -> dict[str, Any]:
    """Serves until it is stopped.

    Args:
      places: files and addresses.
      chosen: settings by the names of their options (`settings_change`); the others stay as they are in the folder.
      rounds: number of rounds to schedule at the start; 0 leaves the schedule as it is; None schedules `FIRST_ROUNDS` in a new
        federation.
      invitations: number of join links to print at the start; None prints as many as devices are missing for a round.

    Returns:
      The newest model's folder and round, the privacy spent, and the newest rounds, newest last.

    Raises:
      DataError: another coordinator uses the folder; its files are damaged; a setting cannot change any more; an address is
        invalid; or the system allows too few connections.
      StoreError: the store cannot be read or written.
      OSError: a port is taken.
    """
    interrupt_on_sigterm()  # until the servers run
    folder = places.folder
    host, address = listening_host(places.host), reachable_host(places.address, places.host)
    with ExitStack() as opened:
        lock = FileLock(folder / ".lock", blocking=False)
        if folder.is_dir():
            _lock(folder, lock, opened)
        devices = listen(host, places.port, "--port")
        control = listen(LOOPBACK, places.control_port, "--control-port")
        for listening in (*devices, *control):
            opened.enter_context(listening)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _lock(folder, lock, opened)  # again, if the folder was there

        def begin(settings: CoordinatorSettings) -> Coordinator:
            shipped = places.model or PRETRAINED
            return Coordinator(folder, shipped, settings, SecureSummation, steady_time(), places.database)

        return lead(places, address, (devices, control), chosen, (rounds, invitations), begin)


def lead(
    places: Places,
    address: str,
    sockets: tuple[list[socket.socket], list[socket.socket]],
    chosen: Mapping[str, Value],
    wanted: tuple[int | None, int | None],
    begin: Callable[[CoordinatorSettings], Coordinator],
) -> dict[str, Any]:
    """Serves a federation whose folder and sockets are this process's, until it is stopped.

    Args:
      places: files and addresses.
      address: the address at which devices reach the federation.
      sockets: those that devices connect to, and those of the dashboard.
      chosen: as for `run`.
      wanted: the rounds and the invitations of `run`.
      begin: opens the coordinator.

    Returns, raises: as `run`.
    """
    folder = places.folder
    other = model_to_take_over(folder, places.model, places.take_over, places.database)
    settings = _settings(folder, chosen)
    coordinator = begin(CoordinatorSettings(settings.rules, settings.training, settings.privacy))
    with ExitStack() as opened:
        opened.callback(coordinator.close)
        in_force = SettingsInForce(folder, settings, coordinator.rounds, coordinator.store)
        take_over = None if other is None else TakeOver(other, coordinator.rounds, in_force)
        server = _Server(places, listening_host(places.host), address, coordinator, in_force, take_over)
        server.change(chosen)
        if take_over is not None:
            take_over.apply(steady_time())  # unless a sum waits for its model
        return asyncio.run(server.serve(*sockets, *wanted))


def _lock(folder: Path, lock: FileLock, opened: ExitStack) -> None:
    try:
        opened.enter_context(lock)
    except Timeout as error:
        raise DataError(f"another coordinator is using {folder}: stop it, or choose another --folder") from error


def interrupt_on_sigterm() -> None:
    """Treats SIGTERM as Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _settings(folder: Path, chosen: Mapping[str, Value]) -> FederationSettings:
    """Returns the settings of the federation in a folder; a new one gets the chosen settings."""
    if not (folder / SETTINGS).exists():
        with_values(FederationSettings(), chosen).with_noise_seed().save(folder)
    return FederationSettings.load(folder)


class _Server:
    """A coordinator and its servers."""

    def __init__(
        self,
        places: Places,
        host: str,
        address: str,
        coordinator: Coordinator,
        settings: SettingsInForce,
        take_over: TakeOver | None,
    ) -> None:
        self._take_over = take_over
        self._places, self._host, self._address = places, host, address
        self._coordinator, self._settings = coordinator, settings
        coordinator.store.events.listener = print_event

    def change(self, chosen: Mapping[str, Value]) -> None:
        """Changes settings, at once if no round waits for its model."""
        self._settings.change(chosen, steady_time())
        self._settings.apply()

    async def serve(
        self,
        devices: list[socket.socket],
        control: list[socket.socket],
        rounds: int | None,
        invitations: int | None,
    ) -> dict[str, Any]:
        """Serves until it is stopped; returns the result of `run`."""
        folder, coordinator = self._places.folder, self._coordinator
        stopped = asyncio.Event()
        stop_on_signals(stopped.set)
        shown = certificate(folder / CERTIFICATE, self._address)
        api = DeviceApi(coordinator)
        actions = ControlApi(coordinator, api, self._address, self._places.port, shown.sha256, self._settings)
        token, port = control_token(folder), control[0].getsockname()[1]
        app = control_app(actions, token)
        add_dashboard(app, actions, token)
        write_by_rename(folder / PORT, str(port).encode(), mode=0o600)
        if rounds is None and not coordinator.store.rounds(1) and not coordinator.store.schedule()[0]:
            rounds = FIRST_ROUNDS
        if rounds:
            coordinator.rounds.schedule(rounds)

        def ready() -> None:
            self._print_links(actions, invitations)
            print_line(f"devices connect to https://{_bracketed(self._address)}:{self._places.port}")
            print_line(f"open the dashboard at http://{LOOPBACK}:{port}/?token={token}")
            print_line(self._outlook())

        for_devices = server_for_devices(api.app, self._host, self._places.port, shown, limits_of_system())
        for_control = server_for_control(app, port)
        driver = RoundDriver(coordinator, folder, api.wake, self._settings, self._take_over)
        log_in_one_line()
        await serve(driver, [(for_devices, devices), (for_control, control)], ready, stopped, api.close)
        coordinator.rounds.suspend(steady_time())
        print_line("the coordinator has stopped; start it again with the same --folder to continue")
        status = actions.status().to_json()
        model = {"model": str(coordinator.rounds.newest_folder), "model_round": status["model"]["round"]}
        return model | {name: status[name] for name in ("spent", "rounds")}

    def _print_links(self, actions: ControlApi, wanted: int | None) -> None:
        joined = self._coordinator.store.members.count()
        missing = max(self._settings.current.rules.minimum - joined, 0)
        links = [actions.invite() for _ in range(missing if wanted is None else wanted)]
        if links:
            until = time.strftime("%d %B, %H:%M", time.localtime(actions.expiry_of(links[0])))
            what = "a join link, for one device" if len(links) == 1 else f"{len(links)} join links, each for one device"
            print_line(f"{what}, valid until {until}:")
        for link in links:
            print_line(str(link))
            if sys.stderr.isatty():
                segno.make(str(link), error="l").terminal(sys.stderr, compact=True)
        if self._places.address is None and self._address != self._host:
            print_line(
                f"the links name this machine {self._address}; if devices reach it by another name or address, start again "
                "with --address"
            )

    def _outlook(self) -> str:
        """Returns one line about what happens next."""
        scheduled, paused = self._coordinator.store.schedule()
        if not scheduled:
            return "no rounds are scheduled: start some on the dashboard, or with federate start"
        count = f"{scheduled:,} round{'s are' if scheduled != 1 else ' is'} scheduled"
        if paused:
            return f"{count} and paused: resume on the dashboard, or with federate start"
        rules = self._settings.current.rules
        if self._coordinator.rounds.next_round is None:
            print_line("TensorFlow Federated is starting, which may take a minute or two; devices can join meanwhile")
        return (
            f"{count}: each begins once {rules.minimum} devices are present and no other has come for "
            f"{rules.settle_seconds:g} seconds"
        )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def print_event(text: str, now: float) -> None:
    """Prints a line about something that happened."""
    print_line(f"{time.strftime('%H:%M:%S', time.localtime(now))} {text}")


def print_line(line: str) -> None:
    """Prints a line for the operator."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:  # whoever reads the lines has gone; the rounds go on
        pass
