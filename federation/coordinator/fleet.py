"""Simulated devices for the coordinator: the real protocol with numbers in place of what a keyboard learned.

For tests, and to measure what a round of a thousand devices costs (`federate benchmark --fleet`); each device is its key and the
state of its round.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from federation.protocol import calls, secure_client
from federation.protocol.calls import Enrolment, Plan, secure_round
from federation.protocol.secure_messages import Delivery, Neighbourhood, Survivors
from federation.protocol.signed_requests import device_name, sign_enrolment

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
        if stage == calls.KEYS:
            return secure_client.advertise(secure_round(self._plan), self.key, secrets.token_bytes)
        if stage == calls.SHARES:
            return secure_client.share(self._state, Neighbourhood.from_bytes(needed), secrets.token_bytes)
        if stage == calls.REPORTING:
            return secure_client.mask(self._state, Delivery.from_bytes(needed), self._vectors(self._plan))
        return secure_client.reveal(self._state, Survivors.from_bytes(needed))
