"""A whole secure round in one process, with every message as bytes: its sum, and its cost for devices, coordinator and network."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.protocol import api_messages
from federation.protocol.device_round import DeviceRound
from federation.protocol.secure_aggregation import server, unmasking
from federation.protocol.secure_aggregation.binary_messages import BinaryMessage
from federation.protocol.secure_aggregation.keys import device_id
from federation.protocol.secure_aggregation.messages import (
    Advert,
    Confirmation,
    MaskedInput,
    Reveal,
    SecureRound,
    Shares,
)
from federation.protocol.secure_aggregation.modular_vectors import Segment, UnsignedArray
from federation.protocol.secure_aggregation.neighbours import MIN_DEVICES, USUAL, Assumptions
from federation.protocol.secure_aggregation.states import SecureSum

SHARES, MASKED, CONFIRM, REVEAL = 1, 2, 3, 4  # the messages after its advert that a device may fail to send
_STAGES = {
    SHARES: api_messages.SHARES,
    MASKED: api_messages.REPORTING,
    CONFIRM: api_messages.CONSISTENCY,
    REVEAL: api_messages.UNMASKING,
}


@dataclass
class Cost:
    """The cost of one round, of all devices together: processor seconds, and bytes of messages."""

    devices: int
    dropped: int
    degree: int = 0
    threshold: int = 0
    device_seconds: float = 0.0
    server_seconds: float = 0.0
    up_bytes: int = 0
    down_bytes: int = 0

    @contextmanager
    def device(self) -> Iterator[None]:
        """Adds the processor time of the block to that of the devices."""
        start = time.process_time()
        yield
        self.device_seconds += time.process_time() - start

    @contextmanager
    def server(self) -> Iterator[None]:
        """Adds the processor time of the block to that of the coordinator."""
        start = time.process_time()
        yield
        self.server_seconds += time.process_time() - start


class _Devices:
    """The devices of a round, and their cost."""

    def __init__(
        self,
        secure_round: SecureRound,
        inputs: Mapping[Ed25519PrivateKey, Sequence[UnsignedArray]],
        silent: Mapping[Ed25519PrivateKey, int],
    ) -> None:
        self.cost = Cost(len(inputs), len(silent))
        self._rounds = {device_id(identity): DeviceRound(secure_round, identity) for identity in inputs}
        self._vectors = {device_id(identity): values for identity, values in inputs.items()}
        self._silent = {device_id(identity): step for identity, step in silent.items()}

    @property
    def names(self) -> list[bytes]:
        return list(self._rounds)

    def adverts(self) -> Iterator[bytes]:
        """Yields the adverts."""
        for device in self._rounds:
            yield self._give(device, api_messages.KEYS, b"")

    def answers(self, step: int, messages: Mapping[bytes, BinaryMessage]) -> Iterator[bytes]:
        """Hands each device its message, and yields the answers of those that have not fallen silent."""
        for device, message in messages.items():
            needed = message.to_bytes()
            self.cost.down_bytes += len(needed)
            if self._silent.get(device, REVEAL + 1) > step:
                yield self._give(device, _STAGES[step], needed)

    def _give(self, device: bytes, stage: str, needed: bytes) -> bytes:
        with self.cost.device():
            given = self._rounds[device].message(stage, needed, lambda: self._vectors[device])
        self.cost.up_bytes += len(given)
        return given


def run_round(
    secure_round: SecureRound,
    inputs: Mapping[Ed25519PrivateKey, Sequence[UnsignedArray]],
    silent: Mapping[Ed25519PrivateKey, int] | None = None,
    minimum: int = MIN_DEVICES,
    assumptions: Assumptions = USUAL,
    seed: int = 0,
) -> tuple[SecureSum, Cost]:
    """Runs a round over devices, given by their identity keys.

    Args:
      secure_round: the round's name and the layout of its vectors.
      inputs: each device's vectors, in the round's layout.
      silent: by device, the first message that it fails to send: SHARES, MASKED, CONFIRM or REVEAL. It sends no later message
        either.
      minimum: the minimum number of devices in the sum.
      assumptions: the fractions of dropouts and of corrupt devices that the graph must withstand.
      seed: the seed of the graph.

    Returns:
      The sum, and the cost of the round.

    Raises:
      RoundAbortedError: too many devices fell silent.
      DataError: the vectors do not have the layout, or there are fewer devices than the minimum.
    """
    devices = _Devices(secure_round, inputs, silent or {})
    cost = devices.cost
    advertising = server.open_round(secure_round, devices.names, minimum)
    for data in devices.adverts():
        with cost.server():
            advertising = server.receive_advert(advertising, Advert.from_bytes(data))
    with cost.server():
        sharing, neighbourhoods = server.close_adverts(advertising, assumptions, seed)
    cost.degree, cost.threshold = sharing.topology.degree, sharing.topology.threshold

    for data in devices.answers(SHARES, neighbourhoods):
        with cost.server():
            sharing = server.receive_shares(sharing, Shares.from_bytes(data))
    with cost.server():
        collecting, deliveries = server.close_shares(sharing)

    for data in devices.answers(MASKED, deliveries):
        with cost.server():
            collecting = server.receive_masked(collecting, MaskedInput.from_bytes(data))
    with cost.server():
        confirming, survivors = server.close_masked(collecting)

    for data in devices.answers(CONFIRM, survivors):
        with cost.server():
            confirming = server.receive_confirmation(confirming, Confirmation.from_bytes(data))
    with cost.server():
        opening, confirmations = server.close_confirmations(confirming)

    for data in devices.answers(REVEAL, confirmations):
        with cost.server():
            opening = unmasking.receive_reveal(opening, Reveal.from_bytes(data))
    with cost.server():
        result = unmasking.finish(opening)
    return result, cost


def measure(
    devices: int, length: int, bits: int, dropout: float = 0.1, seed: int = 0, assumptions: Assumptions = USUAL
) -> Cost:
    """Returns the cost of a round over random vectors, in which a fraction of the devices drops out after sharing.

    Raises:
      RoundAbortedError: the round does not withstand that many dropouts.
      DataError: there are fewer than three devices, or no segment has this length and these bits.
      AssertionError: the sum is not exact.
    """
    rng, segment = np.random.default_rng(seed), Segment(length, bits)
    identities = [Ed25519PrivateKey.from_private_bytes(rng.bytes(32)) for _ in range(devices)]
    inputs = {i: [rng.integers(0, 2**bits, length, np.uint64).astype(segment.dtype)] for i in identities}
    silent = dict.fromkeys(identities[: int(dropout * devices)], MASKED)
    result, cost = run_round(
        SecureRound(f"cost-{devices}", "", (segment,)), inputs, silent, assumptions=assumptions, seed=seed
    )
    expected = np.zeros(length, segment.dtype)
    for identity in identities:
        if identity not in silent:
            expected += inputs[identity][0]
    if not np.array_equal(result.vectors[0], expected & segment.dtype.type(2**bits - 1)):
        raise AssertionError("the secure sum is not the sum of the inputs")
    return cost
