"""The coordinator's two servers: the devices' API over TLS, within limits, and the control API for this machine alone."""

import asyncio
import functools
import signal
import socket
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import uvicorn
from fastapi import FastAPI

from federation.coordinator.web.certificate import Certificate
from federation.coordinator.web.connection_limits import ConnectionLimits, LimitedProtocol
from federation.coordinator.web.handshakes import Doorway, Handshakes

LOOPBACK = "127.0.0.1"
_CONTROL_CONNECTIONS = 64


class _SmallBufferTls(SSLProtocol):
    """TLS with a small read buffer.

    asyncio's default is 256 KiB for each connection: 256 MiB for a thousand devices that wait. A TLS record has at most 16 KiB.
    """

    max_size = 2**15  # bytes

    def __init__(self, door: Doorway, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._door = door

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stops counting a connection that is lost during its handshake."""
        self._door.leave()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """A server that leaves signals to its caller, which runs several servers in one event loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves all signals to the caller."""
        yield


class _LimitedServer(_Server):
    """A server over TLS whose connections stay within limits."""

    def __init__(self, config: uvicorn.Config, limits: ConnectionLimits) -> None:
        super().__init__(config)
        self._limits = limits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens. TLS is part of the protocol here, not of asyncio's server, which has no option for the buffer's size."""
        await self.lifespan.startup()
        config, context, loop, limits = self.config, self.config.ssl, asyncio.get_running_loop(), self._limits
        if context is None:
            raise RuntimeError("this server needs a certificate")

        handshakes = Handshakes(limits.most_handshakes)

        def tls(door: Doorway) -> SSLProtocol:
            state = {"server_state": self.server_state, "app_state": self.lifespan.state}
            http = LimitedProtocol(limits, door.leave, config=config, **state)
            options: dict[str, Any] = {"server_side": True, "ssl_handshake_timeout": limits.handshake_seconds}
            options["waiter"] = None  # nobody waits for the handshake
            return _SmallBufferTls(door, loop, http, context, **options)

        def protocol() -> asyncio.BaseProtocol:
            return Doorway(handshakes, tls, limits.handshake_seconds)

        if sockets is None:
            self.servers = [await loop.create_server(protocol, config.host, config.port, backlog=config.backlog)]
        else:
            self.servers = [
                await loop.create_server(protocol, sock=opened, backlog=config.backlog) for opened in sockets
            ]
        self.started = True


def server_for_devices(
    app: FastAPI, host: str, port: int, certificate: Certificate, limits: ConnectionLimits
) -> uvicorn.Server:
    """Returns a server of the devices' API over TLS, within limits."""
    config = _config(app, host, port, ssl_certfile=certificate.path, ssl_keyfile=certificate.path)
    return _LimitedServer(config, limits)


def server_for_control(app: FastAPI, port: int) -> uvicorn.Server:
    """Returns a server of the control API."""
    limited = functools.partial(LimitedProtocol, ConnectionLimits(_CONTROL_CONNECTIONS))
    return _Server(_config(app, LOOPBACK, port, http=limited))


def stop_on_signals(on_signal: Callable[[], None]) -> None:
    """Calls `on_signal` in the running event loop at SIGINT and SIGTERM, in place of what they do otherwise."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)


class Driver(Protocol):
    """The work of a coordinator beside its requests."""

    async def run(self, stopped: asyncio.Event) -> None:
        """Works until it is stopped."""


async def serve(
    driver: Driver,
    servers: Sequence[tuple[uvicorn.Server, list[socket.socket]]],
    ready: Callable[[], None],
    stopped: asyncio.Event,
    stopping: Callable[[], None],
) -> None:
    """Runs servers, each on its sockets, and drives rounds until `stopped` is set.

    Calls `ready` once all servers run, and `stopping` before they are stopped.

    Raises:
      OSError: a server failed.
    """
    for server, _ in servers:
        server.config.load()
    tasks = [asyncio.create_task(_run(server, sockets, stopped)) for server, sockets in servers]
    driving = asyncio.create_task(driver.run(stopped))
    driving.add_done_callback(lambda _: stopped.set())
    while not all(server.started for server, _ in servers) and not stopped.is_set():
        await asyncio.sleep(0.02)
    if not stopped.is_set():
        ready()
    await stopped.wait()
    stopping()
    for server, _ in servers:
        server.should_exit = True
    driving.cancel()  # TensorFlow may take a minute to answer; what it makes is made again at the next start
    await asyncio.gather(*tasks)
    with suppress(asyncio.CancelledError):
        await driving


async def _run(server: uvicorn.Server, sockets: list[socket.socket], stopped: asyncio.Event) -> None:
    try:
        await server.serve(sockets)
    except SystemExit as error:  # how uvicorn ends when it cannot start
        raise OSError(f"the server on {server.config.host}:{server.config.port} could not start") from error
    finally:
        stopped.set()


def _config(app: FastAPI, host: str, port: int, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host,
        port,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        server_header=False,
        **options,
    )
