"""Connections whose TLS handshake is not complete: counted, timed, and without TLS's memory before their first byte.

A connection that sends nothing costs a socket and a timer. TLS takes about a hundred kilobytes, which is why it begins with the
first byte. When too many connections have not completed their handshake, a new one replaces the oldest of the address that has the
most. Whoever opens thousands thus replaces their own, and a device that completes its handshake gets in.
"""

import asyncio
from asyncio.sslproto import SSLProtocol
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

HANDSHAKE_SECONDS = 10.0  # until the first byte, and from there to the end of the handshake
MOST_HANDSHAKES = 1_024  # more than a thousand devices may connect at the same moment
_HOST_BITS = 64  # of an IPv6 address: one host can have all addresses that differ in these bits


class Handshakes:
    """The connections of one server that have not completed their handshake, by the network that they come from."""

    def __init__(self, most: int = MOST_HANDSHAKES) -> None:
        self._most = most
        self._open: dict[Doorway, str] = {}  # the oldest first
        self._by_network: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: "Doorway", address: str) -> None:
        """Counts a new connection. Over the limit, the oldest connection of the network that has the most is ended."""
        network = _network(address)
        self._open[connection] = network
        self._by_network[network] += 1
        if len(self._open) > self._most:
            ((most, _),) = self._by_network.most_common(1)
            next(other for other, of in self._open.items() if of == most).cut_off()

    def remove(self, connection: "Doorway") -> None:
        """Forgets a connection that is established or lost."""
        if (network := self._open.pop(connection, None)) is not None:
            self._by_network[network] -= 1
            if not self._by_network[network]:
                del self._by_network[network]


class Doorway(asyncio.Protocol):
    """A connection before its first byte, which starts TLS. `tls` makes TLS's protocol for it."""

    def __init__(self, handshakes: Handshakes, tls: Callable[["Doorway"], SSLProtocol], seconds: float) -> None:
        self._handshakes, self._tls, self._seconds = handshakes, tls, seconds
        self._timer: asyncio.TimerHandle | None = None  # runs until the first byte
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts the connection, and limits the time until its first byte."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"TLS needs a stream, not {type(transport).__name__}")
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.cut_off)
        self._handshakes.add(self, (transport.get_extra_info("peername") or ("",))[0])

    def data_received(self, data: bytes) -> None:
        """Starts TLS with the connection's first bytes."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._stop_timer()
        tls = self._tls(self)
        transport.set_protocol(tls)
        tls.connection_made(transport)
        while data:
            buffer = tls.get_buffer(len(data))
            part = data[: len(buffer)]
            buffer[: len(part)] = part
            tls.buffer_updated(len(part))
            data = data[len(part) :]

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self.leave()

    def leave(self) -> None:
        """Stops counting the connection: it is established or lost."""
        self._stop_timer()
        self._handshakes.remove(self)

    def cut_off(self) -> None:
        """Ends the connection at once."""
        self.leave()
        if self._transport is not None:
            self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _network(address: str) -> str:
    """Returns the address of a host, or the network in which an IPv6 host can choose its address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> _HOST_BITS << _HOST_BITS))
