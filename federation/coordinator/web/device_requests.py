"""Authentication and reading of requests to the devices' API: signatures, replays, bodies within limits of size and time."""

import asyncio
import hashlib

from fastapi import Request
from starlette.requests import ClientDisconnect

from data.errors import DataError, UserFacingError
from federation.coordinator.coordinator import FederationInView
from federation.coordinator.store import StoreError
from federation.coordinator.web.memory_budget import MemoryBudget
from federation.protocol import api_messages
from federation.protocol.signed_requests import SignedHeaders, check

_LARGEST_JSON = 4_096  # bytes
_MEMORY = 2**27  # bytes that masked updates may take while they are read
_TIMES_LONGER = 4  # time limit of a masked update, in multiples of that of other bodies


class RequestRefusedError(Exception):
    """A request that is answered with a status of `api_messages.REFUSALS`."""

    def __init__(self, status: int, reason: str, **more: str | int) -> None:
        super().__init__(reason)
        self.status, self.content = status, {"error": reason, **more}


class DeviceRequests:
    """Authenticates requests and reads their bodies; remembers each device's newest request number and unfinished update."""

    def __init__(self, coordinator: FederationInView, body_seconds: float) -> None:
        """Reads for a coordinator; a body may take `body_seconds`, and a masked update four times as long."""
        self._coordinator, self.body_seconds = coordinator, body_seconds
        self._numbers: dict[str, int] = {}  # highest request number of each device in this session
        self.memory = MemoryBudget(_MEMORY)  # shared by masked updates
        # Time limits of the masked updates that are being read, by device.
        self._uploads: dict[str, asyncio.Timeout] = {}

    async def authenticate(self, request: Request) -> SignedHeaders:
        """Returns the headers of a request that a device of the federation signed and did not send before.

        Raises:
          RequestRefusedError: no device of the federation signed it, the device was removed or speaks another version of the
            protocol, or the request is a replay.
          StoreError: the store cannot be read.
        """
        try:
            headers = SignedHeaders.from_headers(request.headers)
            self.check_version(request)
            removed = self._was_removed(headers.device)
            path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1")
            query = request.scope["query_string"].decode("latin-1")
            check(headers, request.method, f"{path}?{query}" if query else path)
        except StoreError:
            raise
        except UserFacingError as error:
            raise RequestRefusedError(api_messages.UNKNOWN_DEVICE, str(error)) from error
        if removed:
            raise _removed()
        newest, session = self._numbers.get(headers.device, 0), self._coordinator.session
        if headers.session != session or headers.number <= newest:
            raise RequestRefusedError(
                api_messages.REPLAYED,
                "this request is from another session, or not newer than the last: it may be a replay",
                session=session,
                number=newest,
            )
        self._numbers[headers.device] = headers.number
        return headers

    def check_membership(self, device: str) -> None:
        """Raises a RequestRefusedError if a device does not belong to the federation any more."""
        try:
            removed = self._was_removed(device)
        except DataError as error:
            raise RequestRefusedError(api_messages.UNKNOWN_DEVICE, str(error)) from error
        if removed:
            raise _removed()

    def _was_removed(self, device: str) -> bool:
        """Returns whether a device was removed from the federation. Raises a DataError if it never was a member, or has left."""
        if self._coordinator.devices.belongs(device):
            return False
        if not self._coordinator.devices.was_removed(device):
            raise DataError("this device does not belong to the federation: join with a link from the coordinator")
        return True

    def check_version(self, request: Request) -> None:
        """Raises a RequestRefusedError unless the request is of this version of the protocol."""
        version = api_messages.version_in(request.headers.get(api_messages.VERSION_HEADER))
        if version != api_messages.VERSION:
            refusal = api_messages.other_version(version, api_messages.VERSION)
            raise RequestRefusedError(api_messages.OTHER_VERSION, refusal)

    async def body(self, request: Request, limit: int, digest: str | None, within: asyncio.Timeout) -> bytes:
        """Returns a request's body.

        Raises:
          RequestRefusedError: the body is longer than `limit` bytes, ends early, takes longer than `within`, or has another
            SHA-256 than `digest`.
        """
        too_large = RequestRefusedError(
            api_messages.TOO_LARGE, f"the body is larger than the {limit:,} bytes that this call accepts"
        )
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > limit:
            raise too_large
        chunks: list[bytes] = []
        size, hashed = 0, hashlib.sha256()
        try:
            async with within:
                async for chunk in request.stream():
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > limit:
                        raise too_large
                    hashed.update(chunk)
        except TimeoutError as error:
            reason = "the body took too long, or the device started another upload"
            raise RequestRefusedError(api_messages.SLOW, reason) from error
        except ClientDisconnect as error:
            raise RequestRefusedError(api_messages.BAD, "the connection ended before the body did") from error
        if digest is not None and hashed.hexdigest() != digest:
            raise RequestRefusedError(api_messages.BAD, "the body is not the one that was signed")
        return b"".join(chunks)

    async def json(self, request: Request, signed: SignedHeaders | None) -> str:
        """Returns the body of a small JSON message.

        Raises:
          RequestRefusedError: as `body`, or the body is not UTF-8.
        """
        content = await self.message(request, _LARGEST_JSON, signed)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise RequestRefusedError(api_messages.BAD, "the body is not UTF-8 text") from error

    async def message(self, request: Request, limit: int, signed: SignedHeaders | None) -> bytes:
        """Returns the body of any message but a masked update.

        Raises:
          RequestRefusedError: as `body`.
        """
        content = await self.body(request, limit, signed.digest if signed else None, asyncio.timeout(self.body_seconds))
        if signed is not None:
            self._coordinator.devices.book.count(signed.device, sent=len(content))
        return content

    async def masked_update(self, request: Request, limit: int, signed: SignedHeaders) -> bytes:
        """Returns the body of a masked update; abandons an earlier upload of the same device.

        Raises:
          RequestRefusedError: as `body`.
        """
        within = asyncio.timeout(_TIMES_LONGER * self.body_seconds)
        if (before := self._uploads.get(signed.device)) is not None and not before.expired():
            before.reschedule(0)  # now
        self._uploads[signed.device] = within
        try:
            content = await self.body(request, limit, signed.digest, within)
            self._coordinator.devices.book.count(signed.device, sent=len(content))
            return content
        finally:
            if self._uploads.get(signed.device) is within:
                del self._uploads[signed.device]


def _removed() -> RequestRefusedError:
    reason = "this federation removed this device: ask its owner for a new link to join again"
    return RequestRefusedError(api_messages.REMOVED, reason)
