"""The API against its own description: anything that is sent, signed or not, is answered as described and never with a 5xx."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from federation.coordinator.round_machine import Stage
from federation.coordinator.web.device_api import DeviceApi
from federation.protocol import api_messages
from federation.protocol.signed_requests import sign

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


class Served(threading.Thread):
    """A coordinator in the middle of a round's reporting, in a thread of its own."""

    def __init__(self, new_world) -> None:
        super().__init__(daemon=True)
        self._new_world, self._ready, self._stopped = new_world, threading.Event(), threading.Event()
        self.start()
        assert self._ready.wait(60)

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.world = world = self._new_world()
        world.enrol(6)
        world.coordinator.rounds.schedule(1)
        world.advance(Stage.REPORTING)
        api = DeviceApi(world.coordinator, body_seconds=2.0, clock=lambda: world.now)
        self.description = api.app.openapi()
        server = uvicorn.Server(uvicorn.Config(api.app, "127.0.0.1", 0, log_config=None))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        self.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        self._ready.set()
        while not self._stopped.is_set():
            await asyncio.sleep(0.05)
        server.should_exit = True
        await serving
        self.stage = world.coordinator.rounds.current.stage
        world.finish()
        world.close()

    def stop(self) -> None:
        self._stopped.set()
        self.join(60)


class Signed(requests.auth.AuthBase):
    """Signs the bytes that are actually sent, as a device of the round."""

    def __init__(self, served: Served) -> None:
        self._device = served.world.devices[-1]
        self._session, self._numbers = served.world.coordinator.session, itertools.count(1)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        sent = request.body or b""
        body = sent.encode() if isinstance(sent, str) else sent
        assert isinstance(body, bytes) and request.url and request.method
        parts = urlsplit(request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = sign(self._device.key, self._session, next(self._numbers), request.method, path, body).to_headers()
        request.headers.update(headers)
        return request


@pytest.fixture
def served(new_world) -> Iterator[Served]:
    made = Served(new_world)
    yield made
    made.stop()
    assert not made.is_alive()
    assert made.stage == Stage.REPORTING  # the round is unharmed, and `finish` committed it


@pytest.mark.parametrize("signed", [True, False])
def test_any_request_is_answered_as_described(signed: bool, served: Served) -> None:
    schema = schemathesis.openapi.from_dict(served.description)
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) == 12
    statuses: set[int] = set()
    with requests.Session() as session:
        session.auth = Signed(served) if signed else None
        session.headers[api_messages.VERSION_HEADER] = str(api_messages.VERSION)
        for operation in operations:
            if operation.label.endswith(("departure", "withdrawal")) and signed:
                continue  # they take effect, and no device is left to sign further requests

            @given(case=operation.as_strategy(), inside=st.booleans())
            @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            def answered(case: schemathesis.Case, inside: bool) -> None:
                if inside and "round_name" in (case.path_parameters or {}):
                    case.path_parameters["round_name"] = served.world.coordinator.rounds.current.name
                if "wait" in (case.query or {}):
                    case.query["wait"] = 0
                response = case.call(base_url=served.address, session=session)
                case.validate_response(response, checks=CHECKS)
                statuses.add(response.status_code)

            answered()
    assert statuses >= ({200, 400, 410} if signed else {200, 400, 401})
