"""Limits on connections, below HTTP: their number, and the time that a slow or silent peer may take.

    the first byte, and a TLS handshake    `HANDSHAKE_SECONDS` each (`handshakes`)
    the head of a request                  `head_seconds` from its first byte, or from the start of the connection; 64 KiB at most
    its body                               the API's own limit, since the API knows which device sends it (`device_requests`)
    the rest of a body that the            `rest_seconds`
      response did not wait for
    a response                             `stuck_seconds` without the peer reading any of it
    between requests                       uvicorn's keep-alive time

A peer that takes longer is disconnected. When the number of connections is at its limit, a new one replaces the one that has
waited longest without a request in progress. Connections that are merely held open therefore keep nobody out.
"""

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from data.errors import DataError
from federation.coordinator.web.handshakes import HANDSHAKE_SECONDS, MOST_HANDSHAKES

_MOST = 4_096
_LEAST = 16
_LARGEST_HEAD = 2**16  # bytes
_LEAST_HANDSHAKES = 64
# That the process has open beside its connections: the store, models, the learner, the fewest handshakes, the control interface.
_OTHER_FILES = 200


@dataclass(frozen=True)
class ConnectionLimits:
    """The limits that one server's connections share. `idle` holds those without a request in progress, the oldest first."""

    most: int = _MOST  # connections
    most_handshakes: int = MOST_HANDSHAKES  # connections without a complete TLS handshake, which `most` does not count
    handshake_seconds: float = HANDSHAKE_SECONDS
    head_seconds: float = 20.0
    rest_seconds: float = 5.0
    stuck_seconds: float = 60.0
    idle: dict["LimitedProtocol", None] = field(default_factory=dict, repr=False, compare=False)


def connections_allowed(wanted: int = _MOST) -> int:
    """Returns how many connections, up to `wanted`, the system lets this process have; raises the limit of open files for them.

    Raises:
      DataError: the system allows too few to run a coordinator.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + MOST_HANDSHAKES + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft - _OTHER_FILES)
    if allowed < min(wanted, _LEAST):
        raise DataError(
            f"this system allows {soft} open files, too few for a coordinator: raise the limit (ulimit -Hn)"
        )
    return allowed


def limits_of_system() -> ConnectionLimits:
    """Returns the limits for as many connections and handshakes as the system allows.

    Raises:
      DataError: the system allows too few to run a coordinator.
    """
    most = connections_allowed()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = MOST_HANDSHAKES if soft == resource.RLIM_INFINITY else soft - most - _OTHER_FILES
    return ConnectionLimits(most, most_handshakes=max(_LEAST_HANDSHAKES, min(spare, MOST_HANDSHAKES)))


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, within limits."""

    def __init__(
        self, limits: ConnectionLimits, established: Callable[[], None] = lambda: None, **options: Any
    ) -> None:
        """Takes the limits, a function that is called once the connection is established, and uvicorn's options."""
        super().__init__(**options)
        self._limits, self._established = limits, established
        # Runs while a request, the rest of its head or the rest of its body is awaited.
        self._request_timer: asyncio.TimerHandle | None = None
        self._stuck_timer: asyncio.TimerHandle | None = None  # runs while the peer reads nothing
        self._in_body = False  # between the end of a request's head and the end of its body
        self._resting = False  # between requests
        self._head_size = 0  # bytes received of an unfinished head

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accepts the connection. At the limit it replaces the oldest idle one, or is closed if none is idle."""
        self._established()
        super().connection_made(transport)
        if len(self.connections) > self._limits.most:
            oldest = next(iter(self._limits.idle), None)
            (self if oldest is None else oldest).cut_off()
            if oldest is None:
                return
        self._limits.idle[self] = None
        self._await_request(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timers."""
        self._forget()
        super().connection_lost(exc)

    def cut_off(self) -> None:
        """Ends the connection at once."""
        self._forget()
        self.connections.discard(self)  # now, as a new connection may be counted next
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Starts the timer of a head at its first byte, and limits its size."""
        if self._resting:
            self._resting = False
            self._await_request(self._limits.head_seconds)
        if not self._in_body:
            self._head_size += len(data)
            if self._head_size > _LARGEST_HEAD:
                self.cut_off()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Passes the request to the application, which has its own time limits."""
        self._in_body, self._head_size = True, 0
        self._stop_request_timer()
        self._limits.idle.pop(self, None)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Notes that the whole request has arrived."""
        self._in_body = False
        if self in self._limits.idle:
            self._rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Limits the time for the rest of the request, or until the next one."""
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.cycle.response_complete:  # and no pipelined request follows
            self._limits.idle[self] = None
            if self._in_body:
                self._await_request(self._limits.rest_seconds)
            else:
                self._rest()

    def pause_writing(self) -> None:
        """Limits the time for which the peer may read nothing."""
        super().pause_writing()
        self._stuck_timer = self.loop.call_later(self._limits.stuck_seconds, self.cut_off)

    def resume_writing(self) -> None:
        """Stops the timer that `pause_writing` started."""
        self._stop_stuck_timer()
        super().resume_writing()

    def _rest(self) -> None:
        self._resting = True
        self._await_request(self.timeout_keep_alive)

    def _await_request(self, seconds: float) -> None:
        self._stop_request_timer()
        self._request_timer = self.loop.call_later(seconds, self.cut_off)

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _stop_stuck_timer(self) -> None:
        if self._stuck_timer is not None:
            self._stuck_timer.cancel()
            self._stuck_timer = None

    def _forget(self) -> None:
        self._limits.idle.pop(self, None)
        self._stop_request_timer()
        self._stop_stuck_timer()
