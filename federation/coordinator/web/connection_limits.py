"""How many connections there may be, and how long a peer may take that is slow or silent on purpose, below HTTP.

    a handshake of TLS                     `HANDSHAKE_SECONDS`
    the head of a request                  `head_seconds` from its first byte, or from the connection's; 64 KiB at most
    its body                               the API's own time, as it knows whose it is (`coordinator_api`)
    what is left of a body that the        `rest_seconds`
      answer did not wait for
    an answer                              `stuck_seconds` in which the peer takes nothing of it
    between requests                       uvicorn's time for keep-alive

Whoever takes longer is cut off. Where there are as many connections as there may be, a new one takes the place of the one that has
waited longest without a request that is being answered, so that connections that are held open for nothing keep nobody out.
"""

import asyncio
import resource
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from data.errors import DataError

HANDSHAKE_SECONDS = 10.0
_MOST = 4_096
_LEAST = 16
_HEAD = 2**16  # bytes
_FILES_BESIDE = 200  # that the process has open beside its connections: the store, models, the learner, handshakes


@dataclass(frozen=True)
class Bounds:
    """What the connections of one server share. `idle` are those without a request being answered, the oldest first."""

    most: int = _MOST
    head_seconds: float = 20.0
    rest_seconds: float = 5.0
    stuck_seconds: float = 60.0
    idle: dict["BoundedProtocol", None] = field(default_factory=dict, repr=False, compare=False)


def connections_allowed(wanted: int = _MOST) -> int:
    """How many connections the system lets this process have, up to `wanted`; asks it for as many.

    Raises:
      DataError: it is next to none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _FILES_BESIDE
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft - _FILES_BESIDE)
    if allowed < min(wanted, _LEAST):
        raise DataError(f"this system allows {soft} open files, too few for a coordinator: see ulimit -Hn")
    return allowed


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, within bounds."""

    def __init__(self, bounds: Bounds, **options: Any) -> None:
        """Options are uvicorn's."""
        super().__init__(**options)
        self._bounds = bounds
        self._request: asyncio.TimerHandle | None = None  # while a request, its head or its rest is waited for
        self._stuck: asyncio.TimerHandle | None = None  # while the peer takes nothing
        self._in_message = False  # between the end of a request's head and that of its body
        self._resting = False  # between requests
        self._head = 0  # bytes of a head that is not whole

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes the connection, or makes room for it, or lets it go."""
        super().connection_made(transport)
        if len(self.connections) > self._bounds.most:
            oldest = next(iter(self._bounds.idle), None)
            (self if oldest is None else oldest).cut_off()
            if oldest is None:
                return
        self._bounds.idle[self] = None
        self._wait(self._bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets it."""
        self._forget()
        super().connection_lost(exc)

    def cut_off(self) -> None:
        """Ends the connection at once."""
        self._forget()
        self.connections.discard(self)  # what comes next may be a new one
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer: from the first of a request on, its head has its time."""
        if self._resting:
            self._resting = False
            self._wait(self._bounds.head_seconds)
        if not self._in_message:
            self._head += len(data)
            if self._head > _HEAD:
                self.cut_off()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The request goes to the application, whose time is its own."""
        self._in_message, self._head = True, 0
        self._end_wait()
        self._bounds.idle.pop(self, None)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of the request is there."""
        self._in_message = False
        if self in self._bounds.idle:
            self._rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is given; what is left of the request has its time."""
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.cycle.response_complete:  # and there was no other request behind it
            self._bounds.idle[self] = None
            if self._in_message:
                self._wait(self._bounds.rest_seconds)
            else:
                self._rest()

    def pause_writing(self) -> None:
        """The peer takes nothing for now."""
        super().pause_writing()
        self._stuck = self.loop.call_later(self._bounds.stuck_seconds, self.cut_off)

    def resume_writing(self) -> None:
        """It takes something again."""
        self._end_stuck()
        super().resume_writing()

    def _rest(self) -> None:
        self._resting = True
        self._wait(self.timeout_keep_alive)

    def _wait(self, seconds: float) -> None:
        self._end_wait()
        self._request = self.loop.call_later(seconds, self.cut_off)

    def _end_wait(self) -> None:
        if self._request is not None:
            self._request.cancel()
            self._request = None

    def _end_stuck(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _forget(self) -> None:
        self._bounds.idle.pop(self, None)
        self._end_wait()
        self._end_stuck()
