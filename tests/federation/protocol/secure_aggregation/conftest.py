"""A secure round step by step: the real devices and the real coordinator, with every message under the test's control."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.protocol.secure_aggregation import client, server, unmasking
from federation.protocol.secure_aggregation.keys import device_id
from federation.protocol.secure_aggregation.messages import (
    Advert,
    Confirmation,
    Confirmations,
    Delivery,
    MaskedInput,
    Neighbourhood,
    Reveal,
    SecureRound,
    Shares,
    Survivors,
)
from federation.protocol.secure_aggregation.modular_vectors import Segment, VectorLayout
from federation.protocol.secure_aggregation.neighbours import USUAL, Assumptions
from federation.protocol.secure_aggregation.states import SecureSum

LAYOUT = (Segment(5, 16), Segment(1, 21), Segment(3, 9))
Network = Callable[[str, bytes], bytes]  # maps a message's step and bytes to the bytes that arrive


def seeded(name: str) -> client.Random:
    """Returns random bytes that are the same in every run."""
    count = 0

    def random(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{name} {count}".encode()).digest(size)

    return random


class SlowRound:
    """A round over a few devices, step by step; `devices` are in the order of their creation."""

    def __init__(self, count: int, layout: VectorLayout = LAYOUT, round_id: str = "r", minimum: int = 3) -> None:
        self.round = SecureRound(round_id, "model", layout, "terms")
        self.identities = {}
        for number in range(count):
            identity = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"%d" % number).digest())
            self.identities[device_id(identity)] = identity
        self.devices = list(self.identities)
        rng = np.random.default_rng(count)
        self.inputs = {
            d: [rng.integers(0, 2**s.bits, s.length, np.uint64).astype(s.dtype) for s in layout] for d in self.devices
        }
        self.clients: dict[bytes, Any] = {}  # the states: each test hands them to the functions that it chooses
        self.server: Any = server.open_round(self.round, self.devices, minimum)
        self.random = {d: seeded(d.hex()) for d in self.devices}

    def advertise(
        self,
        silent: tuple[bytes, ...] = (),
        network: Network = lambda _, data: data,
        assumptions: Assumptions = USUAL,
    ) -> dict[bytes, Neighbourhood]:
        for device in [d for d in self.devices if d not in silent]:
            self.clients[device], advert = client.advertise(self.round, self.identities[device], self.random[device])
            self.server = server.receive_advert(self.server, Advert.from_bytes(network("advert", advert.to_bytes())))
        self.server, messages = server.close_adverts(self.server, assumptions, seed=1)
        return messages

    def share(
        self, to: Mapping[bytes, Neighbourhood], silent: tuple[bytes, ...] = (), network: Network = lambda _, data: data
    ) -> dict[bytes, Delivery]:
        for device in [d for d in to if d not in silent]:
            message = Neighbourhood.from_bytes(network("neighbourhood", to[device].to_bytes()))
            self.clients[device], shares = client.share(self.clients[device], message, self.random[device])
            self.server = server.receive_shares(self.server, Shares.from_bytes(network("shares", shares.to_bytes())))
        self.server, messages = server.close_shares(self.server)
        return messages

    def mask(
        self, to: Mapping[bytes, Delivery], silent: tuple[bytes, ...] = (), network: Network = lambda _, data: data
    ) -> dict[bytes, Survivors]:
        for device in [d for d in to if d not in silent]:
            message = Delivery.from_bytes(network("delivery", to[device].to_bytes()))
            self.clients[device], masked = client.mask(self.clients[device], message, self.inputs[device])
            self.server = server.receive_masked(
                self.server, MaskedInput.from_bytes(network("masked", masked.to_bytes()))
            )
        self.server, messages = server.close_masked(self.server)
        return messages

    def confirm(
        self, to: Mapping[bytes, Survivors], silent: tuple[bytes, ...] = (), network: Network = lambda _, data: data
    ) -> dict[bytes, Confirmations]:
        for device in [d for d in to if d not in silent]:
            message = Survivors.from_bytes(network("survivors", to[device].to_bytes()))
            self.clients[device], confirmation = client.confirm(self.clients[device], message, self.identities[device])
            self.server = server.receive_confirmation(
                self.server, Confirmation.from_bytes(network("confirmation", confirmation.to_bytes()))
            )
        self.server, messages = server.close_confirmations(self.server)
        return messages

    def reveal(
        self, to: Mapping[bytes, Confirmations], silent: tuple[bytes, ...] = (), network: Network = lambda _, data: data
    ) -> SecureSum:
        for device in [d for d in to if d not in silent]:
            message = Confirmations.from_bytes(network("confirmations", to[device].to_bytes()))
            self.clients[device], reveal = client.reveal(self.clients[device], message)
            self.server = unmasking.receive_reveal(self.server, Reveal.from_bytes(network("reveal", reveal.to_bytes())))
        return unmasking.finish(self.server)

    def is_the_sum(self, result: SecureSum) -> bool:
        """Returns whether a result is the sum over the devices that it names, computed in Python integers."""
        for number, segment in enumerate(self.round.layout):
            total = sum(self.inputs[d][number].astype(object) for d in result.devices) % 2**segment.bits
            if result.vectors[number].astype(object).tolist() != list(total):
                return False
        return True


@pytest.fixture(scope="session")
def slow_round() -> type[SlowRound]:
    return SlowRound
