"""Simulated devices for the coordinator: the real protocol with numbers in place of what a keyboard learned.

For tests, and to measure what a round of a thousand devices costs (`federate benchmark coordinator`); each device is its key and
the state of its round.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from data.errors import DataError, UserFacingError
from federation.protocol import api_messages
from federation.protocol.api_messages import Call, CheckIn, Enrolment, Plan, secure_round
from federation.protocol.secure_aggregation import client as secure_client
from federation.protocol.secure_aggregation.messages import Delivery, Neighbourhood, Survivors
from federation.protocol.signed_requests import device_name, sign, sign_enrolment

_ATTEMPTS = 4  # of a request whose connection fails

Vectors = Callable[[Plan], Sequence[NDArray]]  # what a device adds to the sum of a round: values of its layout


class SimulatedDevice:
    """One device. What it gives in a stage is made once and given again if it is asked again."""

    def __init__(self, vectors: Vectors) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.name = device_name(self.key)
        self.round_name = ""
        self._vectors = vectors
        self._plan: Plan | None = None
        self._state: Any = None
        self._made: dict[str, bytes] = {}

    def enrolment(self, code: str) -> Enrolment:
        """What it enrols with."""
        return Enrolment(code, self.name, sign_enrolment(self.key, code))

    def begin(self, plan: Plan) -> None:
        """Takes part in a round of this plan from now on, and in no other."""
        self._plan, self.round_name, self._state, self._made = plan, plan.round_name, None, {}

    def forget(self) -> None:
        """Is in no round, as a device that was started anew."""
        self._plan, self.round_name, self._state, self._made = None, "", None, {}

    def has(self, stage: str) -> bool:
        """Whether the message of a stage was made; what the stage needs is not asked for again then."""
        return stage in self._made

    def message(self, stage: str, needed: bytes) -> bytes:
        """What it gives in a stage, from what it needs of the others.

        Raises:
          DataError: what it was sent does not belong to its state.
        """
        if stage not in self._made:
            self._state, made = self._make(stage, needed)
            self._made[stage] = made.to_bytes()
        return self._made[stage]

    def _make(self, stage: str, needed: bytes) -> tuple[Any, Any]:
        assert self._plan is not None  # noqa: S101
        if stage == api_messages.KEYS:
            return secure_client.advertise(secure_round(self._plan), self.key, secrets.token_bytes)
        if stage == api_messages.SHARES:
            return secure_client.share(self._state, Neighbourhood.from_bytes(needed), secrets.token_bytes)
        if stage == api_messages.REPORTING:
            return secure_client.mask(self._state, Delivery.from_bytes(needed), self._vectors(self._plan))
        return secure_client.reveal(self._state, Survivors.from_bytes(needed))


class FleetDevice:
    """A simulated device that reaches its coordinator over HTTP; `http` may be shared by many.

    Of many in one process few should work at once: those that share `at_once` do so as it allows. A device that has begun to send
    something would else wait for all the others' arithmetic before it goes on.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        device: SimulatedDevice,
        vocabulary_sha256: str,
        at_once: asyncio.Semaphore | None = None,
    ) -> None:
        self._at_once = at_once or asyncio.Semaphore()
        self.device, self.sent, self.received = device, 0, 0  # bytes of bodies
        self._http, self._vocabulary = http, vocabulary_sha256
        self._session, self._number = "0" * 32, 0

    async def enrol(self, code: str) -> None:
        """Joins.

        Raises:
          DataError: it was refused.
        """
        body = self.device.enrolment(code).to_json()
        _accepted(await self._http.post("/v1/devices", content=body))

    async def call(self, method: str, path: str, body: bytes = b"") -> httpx.Response:
        """A signed request, of the session and with the number that the coordinator wants.

        Where the connection fails it is made again: the coordinator may have closed it, or be busy.

        Raises:
          httpx.TransportError: it failed several times.
        """
        failed = 0
        while True:
            self._number += 1
            signed = sign(self.device.key, self._session, self._number, method, path, body)
            try:
                response = await self._http.request(method, path, content=body, headers=signed.to_headers())
            except httpx.TransportError:
                failed += 1
                if failed == _ATTEMPTS:
                    raise
                await asyncio.sleep(2.0**failed)
                continue
            self.sent, self.received = self.sent + len(body), self.received + len(response.content)
            if response.status_code != api_messages.REPLAYED or response.json()["session"] == self._session:
                return response
            self._session = response.json()["session"]

    async def turn(self, wait: float = 20.0) -> Call:
        """Asks what there is to do, and does it.

        Raises:
          DataError: it was refused.
        """
        device = self.device
        asked = CheckIn(self._vocabulary, device.round_name).to_json().encode()
        call = Call.from_json(_accepted(await self.call("POST", f"/v1/check-in?wait={wait:g}", asked)).text)
        if call.outcome:
            device.forget()
        if call.task in (api_messages.REST, api_messages.WAIT):
            return call
        with suppress(_OutOfStepError):
            async with self._at_once:
                await self._take_part(f"/v1/rounds/{call.round_name}", call.task)
        return call

    async def _take_part(self, path: str, stage: str) -> None:
        device = self.device
        if not device.round_name:
            device.begin(Plan.from_json(_accepted(await self.call("GET", f"{path}/plan")).text))
        needed = b"" if device.has(stage) else _accepted(await self.call("GET", f"{path}/{stage}")).content
        given = await self.call("POST", f"{path}/{stage}", device.message(stage, needed))
        if given.status_code != api_messages.REPEATED:  # it had arrived, and only the answer had not
            _accepted(given)


class _OutOfStepError(UserFacingError):
    """The round went on in the meantime."""


def _accepted(response: httpx.Response) -> httpx.Response:
    if response.status_code in (api_messages.LATE, api_messages.EARLY):
        raise _OutOfStepError(response.text)
    if response.status_code >= 300:
        raise DataError(f"the coordinator says: {response.text}")
    return response
