"""Serves a federation together with other processes: `federate serve --join-cluster`.

Every process answers devices at the same address. The one that has the lease also leads: it drives the rounds, has models made,
and has the dashboard. When it ends, or is killed, another one takes the lease and leads.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

from data.errors import DataError, UserFacingError
from federation.coordinator.cluster.leader import ClusterLeader
from federation.coordinator.cluster.member import ClusterMember
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.rounds import CoordinatorSettings
from federation.coordinator.serve import Places, interrupt_on_sigterm, lead, print_event, print_line
from federation.coordinator.settings.federation_settings import SETTINGS, FederationSettings
from federation.coordinator.settings.settings_change import Value
from federation.coordinator.steady_clock import steady_time
from federation.coordinator.storage.lease import Lease, LeaseLostError, seconds_ahead
from federation.coordinator.store import CoordinatorStore
from federation.coordinator.web.certificate import FILE as _CERTIFICATE
from federation.coordinator.web.certificate import certificate
from federation.coordinator.web.connection_limits import limits_of_system
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.listening import listen, listening_host, reachable_host
from federation.coordinator.web.server_log import log_in_one_line
from federation.coordinator.web.servers import LOOPBACK, serve, server_for_devices, stop_on_signals
from model.device.folder import PRETRAINED

_TICK_SECONDS = 0.1
_TAKE_SECONDS = 1.0  # between two attempts to lead
_LONGEST_PAUSE = 10.0
_MOST_AHEAD = 10.0  # seconds of the machine's clock, or behind


def run_in_cluster(
    places: Places, chosen: Mapping[str, Value], rounds: int | None, invitations: int | None
) -> dict[str, Any]:
    """Serves until it is stopped; the arguments and the result are those of `serve.run`.

    Settings, rounds and invitations are for the process that leads first. One that leads later goes on with what it finds.

    Raises:
      DataError, StoreError, OSError: as `serve.run`; a DataError also if the clocks of this machine and the database's differ.
    """
    url = places.database
    if url is None:
        raise DataError("--join-cluster needs the --database that the processes share")
    wanted: tuple[int | None, int | None] = rounds, invitations
    while True:
        interrupt_on_sigterm()
        with closing(CoordinatorStore.of(places.folder, url)) as store:
            _check_clock(seconds_ahead(store.database, steady_time()))
            lease = Lease.take(store.database)
        if lease is None:
            if chosen or places.take_over:
                print_line("another process leads the federation: settings and --take-over are left as they are there")
            places, chosen, wanted = _as_found(places), {}, (0, 0)
            lease = _serve_until_leading(places, url)
            interrupt_on_sigterm()
        if lease is None:  # stopped
            return _result(places, url)
        try:
            return _lead(places, url, lease, chosen, wanted)
        except LeaseLostError as error:
            print_line(str(error))
        places, chosen, wanted = _as_found(places), {}, (0, 0)


def _check_clock(ahead: float) -> None:
    """Raises a DataError if this machine's clock is so many seconds ahead of the database's that it would spoil rounds.

    Each process ends the stages of a round by its own clock.
    """
    if abs(ahead) > _MOST_AHEAD:
        raise DataError(
            f"the clock of this machine is {abs(ahead):,.0f} seconds {'ahead of' if ahead > 0 else 'behind'} that of the "
            "database's machine, so stages of rounds would end at the wrong time: set both clocks, then start it again"
        )


def _as_found(places: Places) -> Places:
    """Returns the places of a process that goes on with the model that the federation has."""
    return replace(places, model=None, take_over=False)


def _lead(
    places: Places, url: str, lease: Lease, chosen: Mapping[str, Value], wanted: tuple[int | None, int | None]
) -> dict[str, Any]:
    """Serves and leads until it is stopped. Raises a LeaseLostError if another process leads by then."""
    lease.keep(url)
    host, address = listening_host(places.host), reachable_host(places.address, places.host)
    with ExitStack() as opened:
        devices = listen(host, places.port, "--port", shared=True)
        try:
            control = listen(LOOPBACK, places.control_port, "--control-port")
        except OSError as error:  # by a leader that hangs
            print_line(f"{error}; the dashboard is at another port")
            control = listen(LOOPBACK, 0, "--control-port")
        for listening in (*devices, *control):
            opened.enter_context(listening)
        opened.callback(_end, lease, url)

        def begin(settings: CoordinatorSettings) -> Coordinator:
            return ClusterLeader(places.folder, places.model or PRETRAINED, settings, steady_time(), url, lease)

        print_line("this process leads the federation")
        return lead(places, address, (devices, control), chosen, wanted, begin)


def _end(lease: Lease, url: str) -> None:
    try:
        with closing(CoordinatorStore.connect(url)) as store:
            lease.end(store.database)
    except UserFacingError as error:
        print_line(f"another process leads in {lease.seconds:g} seconds: {error}")


def _serve_until_leading(places: Places, url: str) -> Lease | None:
    """Answers devices until this process may lead, and returns its lease; None if it is stopped."""
    folder, told = places.folder, False
    while True:
        try:
            if not (folder / _CERTIFICATE).exists():
                raise DataError(f"the federation in {folder} has not begun yet")
            member = ClusterMember(folder, lambda: _settings_of(places), steady_time(), url)
            break
        except DataError as error:  # the first leader is about to begin the federation
            if not told:
                print_line(f"waiting: {error}")
            told = True
            time.sleep(_TAKE_SECONDS)
            with closing(CoordinatorStore.of(folder, url)) as store:
                lease = Lease.take(store.database)
            if lease is not None:
                return lease
    with closing(member):
        member.store.events.listener = print_event
        return asyncio.run(_serve(places, member))


async def _serve(places: Places, member: ClusterMember) -> Lease | None:
    stopped = asyncio.Event()
    stop_on_signals(stopped.set)
    address = reachable_host(places.address, places.host)
    shown = certificate(places.folder / _CERTIFICATE, address)
    api = DeviceApi(member)
    host = listening_host(places.host)
    devices = listen(host, places.port, "--port", shared=True)
    server = server_for_devices(api.app, host, places.port, shown, limits_of_system())
    driver = _MemberDriver(member, api)
    log_in_one_line()

    def ready() -> None:
        print_line(f"answering devices on port {places.port}; another process leads the federation")

    try:
        await serve(driver, [(server, devices)], ready, stopped, api.close)
    finally:
        for opened in devices:
            opened.close()
    return driver.lease


class _MemberDriver:
    """Follows the leader, and takes its place when the lease ends."""

    def __init__(self, member: ClusterMember, api: DeviceApi) -> None:
        self._member, self._api = member, api
        self.lease: Lease | None = None

    async def run(self, stopped: asyncio.Event) -> None:
        """Works until it is stopped, or has the lease."""
        pause, asked = _TICK_SECONDS, time.monotonic()
        while not stopped.is_set() and self.lease is None:
            try:
                # First, so that a round that this process cannot read does not keep it from leading.
                if time.monotonic() - asked >= _TAKE_SECONDS:
                    asked = time.monotonic()
                    self.lease = Lease.take(self._member.store.database)
                self._member.tick(steady_time())
                pause = _TICK_SECONDS
            except (UserFacingError, OSError) as error:
                print_line(" ".join(str(error).split()))
                pause = min(2 * max(pause, _TAKE_SECONDS), _LONGEST_PAUSE)
            self._api.wake()
            await asyncio.sleep(pause)


def _settings_of(places: Places) -> CoordinatorSettings:
    settings = FederationSettings.load(places.folder, SETTINGS)
    return CoordinatorSettings(settings.rules, settings.training, settings.privacy)


def _result(places: Places, url: str) -> dict[str, Any]:
    with closing(CoordinatorStore.of(places.folder, url)) as store:
        newest = store.newest_committed()
    return {"model": str(places.folder / "models" / f"{newest:06}"), "model_round": newest, "spent": None, "rounds": []}
