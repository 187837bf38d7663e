"""Simulated devices for the coordinator: the real protocol, with other numbers in place of a keyboard's delta.

Tests use them, and so does the benchmark of rounds of a thousand devices (`federate benchmark coordinator`). A device consists of
its key and its `DeviceRound`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.errors import DataError, UserFacingError
from federation.benchmarks.loads.http_connection import HttpClient
from federation.protocol import api_messages
from federation.protocol.api_messages import Call, CheckIn, Enrolment, Plan, secure_round
from federation.protocol.device_round import DeviceRound
from federation.protocol.discovery.round_plans import RoundPlan
from federation.protocol.secure_aggregation.modular_vectors import UnsignedArray
from federation.protocol.signed_requests import device_name, sign_enrolment
from federation.protocol.signed_session import SignedSession

_ATTEMPTS = 4  # attempts at a request whose connection fails

# A device's vectors for the sum of a round, in its layout, made from the plan of the kind of rounds that it takes part in.
Vectors = Callable[[Any], Sequence[UnsignedArray]]


class SimulatedDevice:
    """One device and the round that it is in. `vectors` is called once in a round, when the device reports."""

    def __init__(self, vectors: Vectors) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.name = device_name(self.key)
        self.round_name = ""  # empty outside of rounds
        self.called_to = ""  # the round that has selected it, which may not have begun; else empty
        self._vectors = vectors
        self._round: tuple[RoundPlan, DeviceRound] | None = None

    def enrolment(self, code: str) -> Enrolment:
        """Returns the message by which the device enrols with a code."""
        return Enrolment(code, self.name, sign_enrolment(self.key, code))

    def begin(self, plan: RoundPlan) -> None:
        """Enters the round of this plan, and leaves any other."""
        self.round_name, self._round = plan.round_name, (plan, DeviceRound(secure_round(plan), self.key))

    def forget(self) -> None:
        """Leaves the round, as a device that restarts does."""
        self.round_name, self.called_to, self._round = "", "", None

    def has(self, stage: str) -> bool:
        """Returns whether the message of a stage exists; if so, the coordinator's message is not needed again."""
        return self._round is not None and self._round[1].has(stage)

    def message(self, stage: str, needed: bytes) -> bytes:
        """Returns the device's message of a stage, the same bytes each time; `needed` is the coordinator's message for the stage.

        Raises:
          DataError: the device is in no round, or `needed` does not belong to its state.
        """
        if self._round is None:
            raise DataError("this device is in no round")
        plan, device_round = self._round
        return device_round.message(stage, needed, lambda: self._vectors(plan))


class FleetDevice:
    """A simulated device that reaches its coordinator over HTTP; many may share `http`.

    The semaphore `at_once` limits the number of devices that compute at the same time. Without it, a device in one process with
    many others waits for the arithmetic of all of them between two steps of sending a message.
    """

    def __init__(
        self,
        http: HttpClient,
        device: SimulatedDevice,
        vocabulary_sha256: str,
        at_once: asyncio.Semaphore | None = None,
    ) -> None:
        self._at_once = at_once or asyncio.Semaphore()
        self.device, self.sent, self.received = device, 0, 0  # sent and received: bytes of bodies
        self.session = SignedSession(device.key, _ATTEMPTS)
        self._http, self._vocabulary = http, vocabulary_sha256

    async def enrol(self, code: str) -> None:
        """Joins the federation.

        Raises:
          DataError: the coordinator refused.
        """
        body = self.device.enrolment(code).to_json()
        version = {api_messages.VERSION_HEADER: str(api_messages.VERSION)}
        _accepted(await self._http.request("POST", "/v1/devices", content=body.encode(), headers=version))

    async def call(self, method: str, path: str, body: bytes = b"") -> httpx.Response:
        """Makes a signed request, and repeats it if the connection fails, since the coordinator may have closed it or be busy.

        Raises:
          httpx.TransportError: the connection failed several times.
        """
        exchange = self.session.begin(method, path, body)
        while True:
            try:
                response = await self._http.request(method, path, content=body, headers=exchange.sign())
            except httpx.TransportError:
                if (pause := exchange.failed()) is None:
                    raise
                await asyncio.sleep(pause)
                continue
            self.sent, self.received = self.sent + len(body), self.received + len(response.content)
            if not exchange.must_repeat(response.status_code, response.content):
                return response

    async def turn(self, wait: float = 20.0) -> Call:
        """Waits up to `wait` seconds for a task of the coordinator, and performs it.

        Raises:
          DataError: the coordinator refused.
        """
        device = self.device
        asked = CheckIn(self._vocabulary, device.round_name).to_json().encode()
        call = Call.from_json(_accepted(await self.call("POST", f"/v1/check-in?wait={wait:g}", asked)).text)
        if call.outcome:
            device.forget()
        device.called_to = call.round_name
        if call.task in (api_messages.REST, api_messages.WAIT):
            return call
        with suppress(_OutOfStepError):
            async with self._at_once:
                await self._take_part(f"/v1/rounds/{call.round_name}", call.task)
        return call

    async def _take_part(self, path: str, stage: str) -> None:
        device = self.device
        if not device.has(api_messages.KEYS) and stage != api_messages.KEYS:
            # It was restarted, and says like a keyboard that nobody need wait for it.
            _accepted(await self.call("POST", f"{path}/withdrawal"))
            device.forget()
            return
        if not device.round_name:
            device.begin(Plan.from_json(_accepted(await self.call("GET", f"{path}/plan")).text))
        needed = b"" if device.has(stage) else _accepted(await self.call("GET", f"{path}/{stage}")).content
        given = await self.call("POST", f"{path}/{stage}", device.message(stage, needed))
        if given.status_code != api_messages.REPEATED:  # the message had arrived before, and only the answer was lost
            _accepted(given)


class _OutOfStepError(UserFacingError):
    """The round has reached another stage in the meantime."""


def _accepted(response: httpx.Response) -> httpx.Response:
    if response.status_code in (api_messages.LATE, api_messages.EARLY):
        raise _OutOfStepError(response.text)
    if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
        raise DataError(f"the coordinator says: {response.text}")
    return response
