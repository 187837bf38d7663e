"""The devices' HTTP API (`federation.protocol.api_messages` lists its calls).

A request is checked in this order: the signature in its headers, before a byte of its body is read; its number, against replays;
then its body, against the largest size of its kind, a time limit, and the digest that was signed. Masked updates are read within a
budget of memory, one per device at a time, added to the sum, and dropped. A refusal is a JSON object.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from http import HTTPStatus
from pathlib import Path as FolderPath
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.errors import UserFacingError
from federation.coordinator.coordinator import FederationInView
from federation.coordinator.enrolled_devices import OtherVocabularyError
from federation.coordinator.round_machine import MessageRefusedError, RefusalKind, Stage
from federation.coordinator.steady_clock import steady_time
from federation.coordinator.store import StoreError
from federation.coordinator.web.device_requests import DeviceRequests, RequestRefusedError
from federation.coordinator.web.pace_steering import PaceSteering
from federation.protocol import api_messages
from federation.protocol.discovery.round_plans import RoundPlan
from federation.protocol.signed_requests import SignedHeaders
from model.device.folder import LEXICON, PHRASES, VOCABULARY, WEIGHTS

_LONGEST_WAIT = 120.0  # seconds that a check-in may wait for a task

_Responses = dict[int | str, dict[str, Any]]  # of an OpenAPI description


class DeviceApi:
    """The application that devices talk to. `clock` returns seconds since 1970."""

    def __init__(
        self, coordinator: FederationInView, body_seconds: float = 30.0, clock: Callable[[], float] = steady_time
    ) -> None:
        """Serves a coordinator; a body may take `body_seconds`, and a masked update four times as long."""
        self.coordinator, self.clock = coordinator, clock
        self.requests = DeviceRequests(coordinator, body_seconds)
        self._pace = PaceSteering(coordinator.store.members.count)
        self._changed = asyncio.Event()
        self._closed = False
        self._changes_seen = coordinator.in_view.changed
        self.app = FastAPI(
            title="Coordinator of a federated keyboard",
            version="1",
            description=api_messages.__doc__ or "",
            docs_url=None,  # its page would load scripts from elsewhere
            redoc_url=None,
            openapi_url="/v1/openapi.json",
            exception_handlers={RequestRefusedError: _answer_request_refused, UserFacingError: _answer_error},
        )
        self.app.state.requests = self.requests
        self.app.add_middleware(_Versioned)
        for add_routes in (_add_check_in, _add_membership, _add_models, _add_reads_of_round, _add_writes_to_round):
            add_routes(self.app, self)

    def wake(self) -> None:
        """Wakes waiting check-ins if they may have a task; call it after anything that changes the coordinator."""
        if self._changes_seen != self.coordinator.in_view.changed:
            self._changes_seen = self.coordinator.in_view.changed
            self._changed.set()
            self._changed = asyncio.Event()

    def close(self) -> None:
        """Answers the check-ins that wait, and lets no other wait: the coordinator is about to end."""
        self._closed = True
        self._changed.set()

    async def check_in(self, device: str, check_in: api_messages.CheckIn, wait: float) -> api_messages.Call:
        """Returns a device's next task; waits up to `wait` seconds for one, unless so many devices ask that none may wait.

        Raises:
          OtherVocabularyError: the device's vocabulary is not the federation's.
          RequestRefusedError: the device has left or was removed while it waited.
        """
        until = time.monotonic() + wait
        while True:
            changed = self._changed
            call = self.coordinator.devices.check_in(device, check_in, self.clock())
            self.wake()
            if call.task == api_messages.REST and not call.outcome and (pause := self._pace.pause(self.clock())):
                return replace(call, pause=pause)
            left = until - time.monotonic()
            if call.task not in (api_messages.REST, api_messages.WAIT) or call.outcome or left <= 0 or self._closed:
                return call
            if changed is self._changed:
                await _wait(changed, left)
                self.requests.check_membership(device)


class _Versioned:
    """Names the protocol's version in the header of every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version = (api_messages.VERSION_HEADER.encode(), str(api_messages.VERSION).encode())

        async def send_with_version(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), version]}
            await send(message)

        await self._app(scope, receive, send_with_version)


async def _signed_headers(request: Request) -> SignedHeaders:
    requests: DeviceRequests = request.app.state.requests
    return await requests.authenticate(request)


_Signed = Annotated[SignedHeaders, Depends(_signed_headers)]
_Wait = Annotated[float, Query(ge=0, le=_LONGEST_WAIT)]
_WAIT: TypeAdapter[float] = TypeAdapter(_Wait)
_RoundName = Annotated[str, Path(pattern="^[0-9a-f]{1,32}$")]
_ModelDigest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
_PARTS = {api_messages.VOCABULARY: VOCABULARY, api_messages.LEXICON: LEXICON, api_messages.PHRASES: PHRASES}
_Part = Literal["vocabulary", "lexicon", "phrases"]  # of `_PARTS`
_GivingStage = Literal["keys", "shares", "reporting", "consistency", "unmasking"]  # `GIVING` of `round_machine`

_BYTES: dict[str, Any] = {
    "description": "bytes of federation.protocol",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}

# The refusals that calls have in common.
_OF_SIGNED = (api_messages.UNKNOWN_DEVICE, api_messages.REMOVED, api_messages.REPLAYED, api_messages.OTHER_VERSION)
_OF_BODY = (api_messages.BAD, api_messages.SLOW, api_messages.TOO_LARGE)
_OF_ROUND = (api_messages.BAD, api_messages.LATE, api_messages.REPEATED, api_messages.EARLY)
_STATUSES = {
    RefusalKind.INVALID: api_messages.BAD,
    RefusalKind.LATE: api_messages.LATE,
    RefusalKind.REPEATED: api_messages.REPEATED,
    RefusalKind.EARLY: api_messages.EARLY,
}


def _add_membership(app: FastAPI, api: DeviceApi) -> None:
    """Adds the calls with which a device joins and leaves."""
    coordinator, requests = api.coordinator, api.requests

    @app.get("/v1/federation", operation_id="federation")
    async def federation() -> api_messages.FederationInfo:
        """Returns the public information about the federation."""
        model, session = coordinator.in_view.model, coordinator.session
        return api_messages.FederationInfo(
            session, coordinator.in_view.model_digest, model.provenance.round, model.vocabulary.sha256
        )

    @app.post(
        "/v1/devices",
        operation_id="enrol",
        status_code=HTTPStatus.NO_CONTENT,
        responses=_refusals(*_OF_BODY, api_messages.OTHER_VERSION),
        openapi_extra=_json_body(api_messages.Enrolment),
    )
    async def enrol(request: Request) -> None:
        """Enrols a device with a code that is valid once."""
        requests.check_version(request)
        enrolment = api_messages.Enrolment.from_json(await requests.json(request, None))
        coordinator.devices.enrol(enrolment, api.clock())

    @app.post(
        "/v1/departure",
        operation_id="leave",
        status_code=HTTPStatus.NO_CONTENT,
        responses=_refusals(*_OF_SIGNED, *_OF_BODY),
    )
    async def leave(request: Request, signed: _Signed) -> None:
        """Removes a device from the federation."""
        await requests.json(request, signed)
        coordinator.devices.leave(signed.device, api.clock())
        api.wake()


def _add_models(app: FastAPI, api: DeviceApi) -> None:
    """Adds the calls for the newest model."""
    rounds = api.coordinator.in_view

    def folder_of(digest: str) -> FolderPath:
        if digest != rounds.model_digest:
            raise RequestRefusedError(api_messages.NOT_FOUND, "this model is no longer available: fetch the newest")
        return rounds.newest_folder

    def served(path: FolderPath, device: str) -> Response:
        api.coordinator.devices.book.count(device, received=path.stat().st_size)
        return FileResponse(path, media_type="application/octet-stream")

    @app.get(
        "/v1/models/{digest}",
        operation_id="model",
        responses=_refusals(*_OF_SIGNED, api_messages.NOT_FOUND) | {int(HTTPStatus.OK): _BYTES},
        response_class=Response,
    )
    async def model(digest: _ModelDigest, signed: _Signed) -> Response:
        """Returns the newest global model's weights, a safetensors file."""
        return served(folder_of(digest) / WEIGHTS, signed.device)

    @app.get(
        "/v1/models/{digest}/description",
        operation_id="description",
        responses=_refusals(*_OF_SIGNED, api_messages.NOT_FOUND),
    )
    async def description(digest: _ModelDigest, signed: _Signed) -> api_messages.ModelDescription:
        """Returns the sizes and files of the newest global model, for a device with another vocabulary."""
        folder, provenance = folder_of(digest), rounds.model.provenance
        lexicon, phrases = (_sha256_of(folder / name) for name in (LEXICON, PHRASES))
        sizes = asdict(provenance.config)
        return api_messages.ModelDescription(digest, provenance.vocabulary_sha256, lexicon, phrases, **sizes)

    @app.get(
        "/v1/models/{digest}/{part}",
        operation_id="part",
        responses=_refusals(*_OF_SIGNED, api_messages.NOT_FOUND) | {int(HTTPStatus.OK): _BYTES},
        response_class=Response,
    )
    async def part(digest: _ModelDigest, part: _Part, signed: _Signed) -> Response:
        """Returns a file of the newest global model beside its weights."""
        path = folder_of(digest) / _PARTS[part]
        if not path.exists():
            raise RequestRefusedError(api_messages.NOT_FOUND, f"this model has no {part}")
        return served(path, signed.device)


def _sha256_of(path: FolderPath) -> str:
    """Returns the digest of a file, or an empty text if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _add_check_in(app: FastAPI, api: DeviceApi) -> None:
    """Adds the call for a device's next task."""

    async def check_in(request: Request, signed: _Signed, wait: _Wait = 0) -> api_messages.Call:
        """Returns a device's next task; waits up to `wait` seconds for one."""
        asked = api_messages.CheckIn.from_json(await api.requests.json(request, signed))
        return await api.check_in(signed.device, asked, wait)

    async def handle(request: Request) -> Response:
        call = await check_in(request, await _signed_headers(request), _wait_of(request))
        return Response(call.to_json(), media_type="application/json")

    class Direct(APIRoute):
        """Calls `handle`: FastAPI's own way from a request to the arguments, and to an answer, takes as long as all the rest."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            return handle

    app.router.add_api_route(
        "/v1/check-in",
        check_in,
        methods=["POST"],
        operation_id="check_in",
        responses=_refusals(*_OF_SIGNED, *_OF_BODY, api_messages.OTHER_VOCABULARY),
        openapi_extra=_json_body(api_messages.CheckIn),
        route_class_override=Direct,
    )


def _wait_of(request: Request) -> float:
    try:
        return _WAIT.validate_strings(request.query_params.get("wait", "0"))
    except ValidationError as error:
        raise RequestValidationError([e | {"loc": ("query", "wait")} for e in error.errors()]) from error


def _add_reads_of_round(app: FastAPI, api: DeviceApi) -> None:
    """Adds the calls that a device reads a round's data with."""
    devices = api.coordinator.devices

    @app.get(
        "/v1/rounds/{round_name}/plan",
        operation_id="plan",
        responses=_refusals(*_OF_SIGNED, api_messages.BAD, api_messages.LATE),
    )
    async def plan(round_name: _RoundName, signed: _Signed) -> RoundPlan:
        """Returns the plan of a round: how it trains, encodes and masks; of a word discovery, what is counted or revealed."""
        return devices.plan(signed.device, round_name, api.clock())

    @app.get("/v1/rounds/{round_name}/outcome", operation_id="outcome", responses=_refusals(*_OF_SIGNED))
    async def outcome(round_name: _RoundName, signed: _Signed) -> api_messages.UpdateOutcome:
        """Returns whether the device's update is in the model that a round made; empty until the round is over."""
        return api_messages.UpdateOutcome(devices.outcome(signed.device, round_name, api.clock()))

    @app.get(
        "/v1/rounds/{round_name}/{stage}",
        operation_id="needs",
        responses=_refusals(*_OF_SIGNED, *_OF_ROUND) | {int(HTTPStatus.OK): _BYTES},
        response_class=Response,
    )
    async def needs(round_name: _RoundName, stage: _GivingStage, signed: _Signed) -> Response:
        """Returns the coordinator's message to a device for a stage."""
        message = devices.needs(signed.device, round_name, Stage(stage), api.clock())
        devices.book.count(signed.device, received=len(message))
        return Response(message, media_type="application/octet-stream")


def _add_writes_to_round(app: FastAPI, api: DeviceApi) -> None:
    """Adds the calls that a device sends its messages of a round with."""
    devices, requests = api.coordinator.devices, api.requests

    @app.post(
        "/v1/rounds/{round_name}/withdrawal",
        operation_id="withdraw",
        status_code=HTTPStatus.NO_CONTENT,
        responses=_refusals(*_OF_SIGNED, *_OF_BODY, api_messages.LATE),
    )
    async def withdraw(request: Request, round_name: _RoundName, signed: _Signed) -> None:
        """Withdraws a device that cannot continue a round."""
        await requests.json(request, signed)
        devices.withdraw(signed.device, round_name, api.clock())
        api.wake()

    @app.post(
        "/v1/rounds/{round_name}/{stage}",
        operation_id="give",
        status_code=HTTPStatus.NO_CONTENT,
        responses=_refusals(*_OF_SIGNED, *_OF_BODY, *_OF_ROUND),
        openapi_extra={"requestBody": {"required": True} | _BYTES},
    )
    async def give(request: Request, round_name: _RoundName, stage: _GivingStage, signed: _Signed) -> None:
        """Accepts a device's message of a stage: in `reporting`, its masked update."""
        at = Stage(stage)
        limit = devices.largest(round_name, at)
        try:
            if at == Stage.REPORTING:
                async with requests.memory.take(limit):
                    message = await requests.masked_update(request, limit, signed)
                    devices.give(signed.device, round_name, at, message, api.clock())
            else:
                message = await requests.message(request, limit, signed)
                devices.give(signed.device, round_name, at, message, api.clock())
        except RequestRefusedError as refused:
            devices.book.note_error(signed.device, str(refused), api.clock())
            if refused.status == api_messages.TOO_LARGE:
                devices.found_invalid(signed.device, round_name, str(refused))
            raise
        api.wake()


def _refusals(*statuses: HTTPStatus) -> _Responses:
    """Returns the OpenAPI descriptions of refusals, by status."""
    return {
        int(status): {
            "description": api_messages.REFUSALS[status],
            "content": {"application/json": {"schema": _ERROR}},
        }
        for status in statuses
    }


def _json_body(kind: type) -> dict[str, Any]:
    """Returns the OpenAPI description of a request's JSON body."""
    schema = TypeAdapter(kind).json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


async def _answer_request_refused(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestRefusedError):
        raise error
    return JSONResponse(error.content, error.status)


async def _answer_error(_: Request, error: Exception) -> JSONResponse:
    status: int = api_messages.BAD
    if isinstance(error, OtherVocabularyError):
        status = api_messages.OTHER_VOCABULARY
    elif isinstance(error, StoreError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    elif isinstance(error, MessageRefusedError):
        status = _STATUSES[error.kind]
    return JSONResponse({"error": str(error)}, status)
