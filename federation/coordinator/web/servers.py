"""The coordinator's servers: its API over TLS for devices, within bounds, and on this machine alone what steers it."""

import asyncio
import signal
import socket
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from federation.coordinator.round_driver import Serving
from federation.coordinator.web.certificate import Certificate
from federation.coordinator.web.connection_limits import HANDSHAKE_SECONDS, BoundedProtocol, Bounds, connections_allowed

# asyncio gives each TLS connection a buffer of 256 KiB to read into: for a thousand that wait, 256 MiB. A record has at most 16.
SSLProtocol.max_size = 2**15


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, bounds: Bounds | None) -> None:
        super().__init__(config)
        self._bounds = bounds

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to whoever runs several of these in one loop."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens; within bounds where there are any."""
        if self._bounds is None:
            await super().startup(sockets)
            return
        config, bounds = self.config, self._bounds
        await self.lifespan.startup()

        def connected() -> BoundedProtocol:
            state = {"server_state": self.server_state, "app_state": self.lifespan.state}
            return BoundedProtocol(bounds, config=config, **state)

        loop = asyncio.get_running_loop()
        listening = await loop.create_server(
            connected,
            config.host,
            config.port,
            ssl=config.ssl,
            backlog=config.backlog,
            ssl_handshake_timeout=None if config.ssl is None else HANDSHAKE_SECONDS,
        )
        self.servers = [listening]
        self.started = True


def _config(app: Any, host: str, port: int, **more: Any) -> uvicorn.Config:
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
        **more,
    )


def for_devices(app: Any, host: str, port: int, certificate: Certificate, bounds: Bounds) -> uvicorn.Server:
    """A server of the API over TLS, within bounds."""
    return _Server(_config(app, host, port, ssl_certfile=certificate.path, ssl_keyfile=certificate.path), bounds)


async def serve(
    serving: Serving,
    host: str,
    port: int,
    certificate: Certificate,
    control: tuple[Any, int] | None,
    ready: Callable[[], None],
    bounds: Bounds | None = None,
) -> None:
    """Serves the API on `host`:`port`, and what whoever runs it sees (an application and its port) on this machine alone.

    Connections of devices stay within `bounds`, by default as many as the system allows.

    Raises:
      OSError: a port is taken.
      DataError: the system allows next to no connections.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    servers = [for_devices(serving.api.app, host, port, certificate, bounds or Bounds(connections_allowed()))]
    if control is not None:
        servers.append(_Server(_config(control[0], "127.0.0.1", control[1]), None))
    for server in servers:
        server.config.load()
    tasks = [asyncio.create_task(_run(server, stopped)) for server in servers]
    working = asyncio.create_task(serving.run(stopped))
    while not all(server.started for server in servers) and not stopped.is_set():
        await asyncio.sleep(0.02)
    if not stopped.is_set():
        ready()
    await stopped.wait()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks, working)


async def _run(server: uvicorn.Server, stopped: asyncio.Event) -> None:
    try:
        await server.serve()
    except (SystemExit, OSError) as error:  # the first is uvicorn's way to say that the port is taken
        raise OSError(
            f"cannot listen on {server.config.host}:{server.config.port}: is another coordinator running?"
        ) from error
    finally:
        stopped.set()
