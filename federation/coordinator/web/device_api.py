"""The coordinator's HTTP API for devices (`federation.protocol.api_messages` lists it): who may call, how much, how fast.

A request is checked in this order: its headers' signature, before a byte of its body is read; that it is new; then the body, up
to the most that its kind may have, within a time, against the digest that was signed. Masked updates are read as many at a time as
a budget of memory has room for, one of each device, added up and let go. Whatever is refused is answered in one line of JSON.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import TypeAdapter
from starlette.requests import ClientDisconnect

from data.errors import DataError, UserFacingError
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.round_machine import MessageRefusedError, Stage
from federation.coordinator.store import StoreError
from federation.coordinator.web.memory_budget import MemoryBudget
from federation.protocol import api_messages
from federation.protocol.signed_requests import SignedHeaders, check
from model.device.folder import WEIGHTS

_SMALL_BODY = 4_096  # bytes of a JSON message
_MEMORY = 2**27  # bytes of masked updates that are being read
_TIMES_LONGER = 4  # than another body a masked update may take
_LONGEST_WAIT = 120.0  # seconds that a check-in may wait for something to do

GivingStage = Literal["keys", "shares", "reporting", "unmasking"]
RoundName = Annotated[str, Path(pattern="^[0-9a-f]{1,32}$")]


class RequestRefusedError(Exception):
    """A request that is answered with a status of `api_messages.REFUSALS`."""

    def __init__(self, status: int, reason: str, **more: Any) -> None:
        super().__init__(reason)
        self.status, self.content = status, {"error": reason, **more}


class DeviceApi:
    """The application and what it remembers of requests. `clock` is seconds since 1970."""

    def __init__(
        self, coordinator: Coordinator, body_seconds: float = 30.0, clock: Callable[[], float] = time.time
    ) -> None:
        """Serves a coordinator; a body may take `body_seconds`, and of a masked update four times that."""
        self.coordinator, self.clock = coordinator, clock
        self.app = self._build()
        self._body_seconds = body_seconds
        self._numbers: dict[str, int] = {}  # the highest number of each device's requests in this session
        self._memory = MemoryBudget(_MEMORY)
        self._uploads: dict[str, asyncio.Timeout] = {}  # the masked update that is being read, by device
        self._changed = asyncio.Event()
        self._seen_change = coordinator.changed

    def tell(self) -> None:
        """Wakes those who wait if there may be something for them; to be called after whatever changes the coordinator."""
        if self._seen_change != self.coordinator.changed:
            self._seen_change = self.coordinator.changed
            self._changed.set()
            self._changed = asyncio.Event()

    async def authenticate(self, request: Request) -> SignedHeaders:
        """The headers of a request that a device of the federation has signed, and that was not there before.

        Raises:
          RequestRefusedError: it is nobody's, or is replayed.
        """
        try:
            headers = SignedHeaders.from_headers(request.headers)
            if not self.coordinator.store.belongs(headers.device):
                raise DataError("this device does not belong to the federation: join with a link of the coordinator's")
            path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1")
            query = request.scope["query_string"].decode("latin-1")
            check(headers, request.method, f"{path}?{query}" if query else path)
        except StoreError:
            raise
        except UserFacingError as error:
            raise RequestRefusedError(api_messages.UNKNOWN_DEVICE, str(error)) from error
        newest = self._numbers.get(headers.device, 0)
        if headers.session != self.coordinator.session or headers.number <= newest:
            raise RequestRefusedError(
                api_messages.REPLAYED,
                "this request is not of this session, or not newer than the last: it may be a replay",
                session=self.coordinator.session,
                number=newest,
            )
        self._numbers[headers.device] = headers.number
        return headers

    async def body(self, request: Request, limit: int, digest: str | None, within: asyncio.Timeout) -> bytes:
        """A request's body.

        Raises:
          RequestRefusedError: it is longer than `limit` bytes, ends early, takes longer than `within`, or is not what was signed.
        """
        too_large = RequestRefusedError(
            api_messages.TOO_LARGE, f"the body is larger than the {limit:,} bytes that this call takes"
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
            raise RequestRefusedError(api_messages.SLOW, "the body took too long, or the device began anew") from error
        except ClientDisconnect as error:
            raise RequestRefusedError(api_messages.BAD, "the connection ended within the body") from error
        if digest is not None and hashed.hexdigest() != digest:
            raise RequestRefusedError(api_messages.BAD, "the body is not the one that was signed")
        return b"".join(chunks)

    async def _masked_update(self, request: Request, limit: int, signed: SignedHeaders) -> bytes:
        """The body of a masked update; one that the device began before is given up."""
        within = asyncio.timeout(_TIMES_LONGER * self._body_seconds)
        if (before := self._uploads.get(signed.device)) is not None and not before.expired():
            before.reschedule(0)  # now
        self._uploads[signed.device] = within
        try:
            return await self.body(request, limit, signed.digest, within)
        finally:
            if self._uploads.get(signed.device) is within:
                del self._uploads[signed.device]

    async def _small(self, request: Request, signed: SignedHeaders | None) -> str:
        within = asyncio.timeout(self._body_seconds)
        content = await self.body(request, _SMALL_BODY, signed.digest if signed else None, within)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise RequestRefusedError(api_messages.BAD, "the body is not UTF-8 text") from error

    def _build(self) -> FastAPI:
        app = FastAPI(
            title="Coordinator of a federated keyboard",
            version="1",
            description=api_messages.__doc__,
            docs_url=None,  # its page loads scripts from elsewhere
            redoc_url=None,
            openapi_url="/v1/openapi.json",
            exception_handlers={RequestRefusedError: _refused_call, DataError: _refused},
        )
        Signed = Annotated[SignedHeaders, Depends(self.authenticate)]  # noqa: N806 (a type)
        coordinator, now = self.coordinator, self.clock

        def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
            schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
            return {
                s: {"description": api_messages.REFUSALS[s], "content": {"application/json": {"schema": schema}}}
                for s in statuses
            }

        signed = (api_messages.UNKNOWN_DEVICE, api_messages.REPLAYED)
        body = (api_messages.BAD, api_messages.SLOW, api_messages.TOO_LARGE)
        in_round = (api_messages.BAD, api_messages.LATE, api_messages.REPEATED, api_messages.EARLY)

        @app.get("/v1/federation", operation_id="federation")
        async def federation() -> api_messages.FederationInfo:
            """What anybody may know of the federation."""
            model = coordinator.model
            return api_messages.FederationInfo(
                coordinator.session, coordinator.model_digest, model.provenance.round, model.vocabulary.sha256
            )

        @app.post(
            "/v1/devices",
            operation_id="enrol",
            status_code=204,
            responses=refusals(*body),
            openapi_extra=_json_body(api_messages.Enrolment),
        )
        async def enrol(request: Request) -> None:
            """A device joins with a code that is good once."""
            coordinator.enrol(api_messages.Enrolment.from_json(await self._small(request, None)), now())

        @app.post(
            "/v1/check-in",
            operation_id="check_in",
            responses=refusals(*signed, *body),
            openapi_extra=_json_body(api_messages.CheckIn),
        )
        async def check_in(
            request: Request, who: Signed, wait: Annotated[float, Query(ge=0, le=_LONGEST_WAIT)] = 0
        ) -> api_messages.Call:
            """A device asks what to do; the answer waits for so many seconds where there is nothing."""
            asked = api_messages.CheckIn.from_json(await self._small(request, who))
            until = time.monotonic() + wait
            while True:
                changed = self._changed
                call = coordinator.check_in(who.device, asked, now())
                self.tell()
                left = until - time.monotonic()
                if call.task not in (api_messages.REST, api_messages.WAIT) or call.outcome or left <= 0:
                    return call
                if changed is self._changed:
                    await _wait(changed, left)

        @app.get(
            "/v1/rounds/{round_name}/plan",
            operation_id="plan",
            responses=refusals(*signed, api_messages.BAD, api_messages.LATE),
        )
        async def plan(round_name: RoundName, who: Signed) -> api_messages.Plan:
            """How a round trains, encodes and masks."""
            return coordinator.plan(who.device, round_name, now())

        @app.get(
            "/v1/rounds/{round_name}/{stage}",
            operation_id="needs",
            responses=refusals(*signed, *in_round) | {200: _BYTES},
            response_class=Response,
        )
        async def needs(round_name: RoundName, stage: GivingStage, who: Signed) -> Response:
            """What a device needs of the others for a stage."""
            message = coordinator.needs(who.device, round_name, Stage(stage), now())
            return Response(message, media_type="application/octet-stream")

        @app.post(
            "/v1/rounds/{round_name}/withdrawal",
            operation_id="withdraw",
            status_code=204,
            responses=refusals(*signed, *body, api_messages.LATE),
        )
        async def withdraw(request: Request, round_name: RoundName, who: Signed) -> None:
            """A device cannot go on with a round."""
            await self._small(request, who)
            coordinator.withdraw(who.device, round_name, now())
            self.tell()

        @app.post(
            "/v1/rounds/{round_name}/{stage}",
            operation_id="give",
            status_code=204,
            responses=refusals(*signed, *body, *in_round),
            openapi_extra={"requestBody": {"required": True} | _BYTES},
        )
        async def give(request: Request, round_name: RoundName, stage: GivingStage, who: Signed) -> None:
            """What a device gives in a stage. In `reporting` it is the masked update."""
            limit = coordinator.largest(round_name, Stage(stage))
            if stage == Stage.REPORTING:
                async with self._memory.take(limit):
                    message = await self._masked_update(request, limit, who)
                    coordinator.give(who.device, round_name, Stage(stage), message, now())
            else:
                message = await self.body(request, limit, who.digest, asyncio.timeout(self._body_seconds))
                coordinator.give(who.device, round_name, Stage(stage), message, now())
            self.tell()

        @app.get(
            "/v1/models/{digest}",
            operation_id="model",
            responses=refusals(*signed, api_messages.NOT_FOUND) | {200: _BYTES},
            response_class=Response,
        )
        async def model(digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], who: Signed) -> Response:
            """The newest global model's weights, a safetensors file."""
            if digest != coordinator.model_digest:
                raise RequestRefusedError(
                    api_messages.NOT_FOUND, "there is no such model here any more: take the newest"
                )
            folder = coordinator.newest_folder
            return FileResponse(folder / WEIGHTS, media_type="application/octet-stream")

        @app.post("/v1/departure", operation_id="leave", status_code=204, responses=refusals(*signed, *body))
        async def leave(request: Request, who: Signed) -> None:
            """A device leaves the federation."""
            await self._small(request, who)
            coordinator.leave(who.device, now())
            self.tell()

        return app


_BYTES: dict[str, Any] = {
    "description": "bytes of federation.protocol",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


def _json_body(kind: type) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


async def _refused_call(_: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, RequestRefusedError)  # noqa: S101
    return JSONResponse(refusal.content, refusal.status)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, StoreError):
        return JSONResponse({"error": str(error)}, 503)
    status = api_messages.BAD
    if isinstance(error, MessageRefusedError):
        status = (
            api_messages.LATE
            if error.late
            else api_messages.REPEATED
            if error.repeated
            else api_messages.EARLY
            if error.early
            else api_messages.BAD
        )
    return JSONResponse({"error": str(error)}, status)
