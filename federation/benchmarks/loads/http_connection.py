"""One HTTP connection of a simulated device. A general client takes longer for a request than the coordinator that is measured."""

import asyncio
import ssl
from typing import Protocol, Self

import httpx

_SECONDS = 600.0  # until a request is given up


class HttpClient(Protocol):
    """A client with which a simulated device makes its requests: this one, or httpx's."""

    async def request(self, method: str, url: str, *, content: bytes, headers: dict[str, str]) -> httpx.Response:
        """Makes a request."""


class HttpConnection:
    """A connection over TLS, opened with the first request and kept open. One request at a time."""

    def __init__(self, host: str, port: int, trusted: ssl.SSLContext) -> None:
        self._host, self._port, self._trusted = host, port, trusted
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def request(self, method: str, url: str, *, content: bytes, headers: dict[str, str]) -> httpx.Response:
        """Makes a request; `url` is the path with its query.

        Raises:
          httpx.TransportError: the connection failed or took too long.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._exchange(method, url, content, headers)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            await self.aclose()
            raise httpx.TransportError(f"{type(error).__name__}: {error}") from error
        except BaseException:  # an answer may be on its way: the next request must not read it
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Closes the connection."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()

    async def _exchange(self, method: str, url: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        if self._streams is None or self._streams[0].at_eof():
            await self.aclose()
            self._streams = await asyncio.open_connection(self._host, self._port, ssl=self._trusted)
        reader, writer = self._streams
        sent = {"host": f"{self._host}:{self._port}", "content-length": str(len(content)), **headers}
        head = "".join(
            [f"{method} {url} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in sent.items()), "\r\n"]
        )
        writer.write(head.encode("ascii") + content)
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        received = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        body = await reader.readexactly(int(received.get("content-length", "0")))
        answer = httpx.Response(int(first.split()[1]), content=body)
        if received.get("connection", "").lower() == "close":
            await self.aclose()
        return answer
