"""A whole secure round in one process, every message as bytes: its sum, and what it costs devices, coordinator and wire."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from federation.protocol import secure_client as client
from federation.protocol import secure_server as server
from federation.protocol.graph import MIN_DEVICES, USUAL, Assumptions
from federation.protocol.keys import device_id
from federation.protocol.ring import Segment
from federation.protocol.secure_messages import (
    Advert,
    Delivery,
    MaskedInput,
    Neighbourhood,
    Reveal,
    SecureRound,
    Shares,
    Survivors,
)

SHARES, MASKED, REVEAL = 1, 2, 3  # the messages after its advert that a device may fail to send


@dataclass
class Cost:
    """Of one round: processor time and bytes as sent, of all devices together."""

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
        """Adds the time within to the devices'."""
        start = time.process_time()
        yield
        self.device_seconds += time.process_time() - start

    @contextmanager
    def server(self) -> Iterator[None]:
        """Adds the time within to the coordinator's."""
        start = time.process_time()
        yield
        self.server_seconds += time.process_time() - start

    def up(self, data: bytes) -> bytes:
        """Counts what a device sends."""
        self.up_bytes += len(data)
        return data

    def down(self, data: bytes) -> bytes:
        """Counts what a device is sent."""
        self.down_bytes += len(data)
        return data


def run_round(
    secure_round: SecureRound,
    inputs: Mapping[Ed25519PrivateKey, Sequence[NDArray]],
    silent: Mapping[Ed25519PrivateKey, int] | None = None,
    minimum: int = MIN_DEVICES,
    assumptions: Assumptions = USUAL,
    seed: int = 0,
) -> tuple[server.SecureSum, Cost]:
    """Runs a round over devices by their identity keys.

    Args:
      secure_round: what to sum.
      inputs: each device's vectors, as the round's layout says.
      silent: by device, the first message that it fails to send: SHARES, MASKED or REVEAL; it sends none after.
      minimum: devices in the sum.
      assumptions: what the graph must withstand.
      seed: of the graph.

    Returns:
      The sum, and what it cost.

    Raises:
      AbortedError: too many devices fell silent.
      DataError: the vectors are not what the layout says, or there are fewer devices than the minimum.
    """
    absent = {device_id(identity): step for identity, step in (silent or {}).items()}
    vectors = {device_id(identity): values for identity, values in inputs.items()}
    cost = Cost(len(inputs), len(absent))

    def sends(device: bytes, step: int) -> bool:
        return absent.get(device, REVEAL + 1) > step

    advertised, shared, masked = {}, {}, {}
    advertising = server.open_round(secure_round, list(vectors), minimum)
    for identity in inputs:
        with cost.device():
            state, advert = client.advertise(secure_round, identity, secrets.token_bytes)
            data = cost.up(advert.to_bytes())
        advertised[advert.device] = state
        with cost.server():
            advertising = server.receive_advert(advertising, Advert.from_bytes(data))
    with cost.server():
        sharing, neighbourhoods = server.close_adverts(advertising, assumptions, seed)
    cost.degree, cost.threshold = sharing.topology.degree, sharing.topology.threshold

    for device, neighbourhood in neighbourhoods.items():
        data = cost.down(neighbourhood.to_bytes())
        if sends(device, SHARES):
            with cost.device():
                message = Neighbourhood.from_bytes(data)
                shared[device], shares = client.share(advertised[device], message, secrets.token_bytes)
                data = cost.up(shares.to_bytes())
            with cost.server():
                sharing = server.receive_shares(sharing, Shares.from_bytes(data))
    with cost.server():
        collecting, deliveries = server.close_shares(sharing)

    for device, delivery in deliveries.items():
        data = cost.down(delivery.to_bytes())
        if sends(device, MASKED):
            with cost.device():
                masked[device], masked_input = client.mask(shared[device], Delivery.from_bytes(data), vectors[device])
                data = cost.up(masked_input.to_bytes())
            with cost.server():
                collecting = server.receive_masked(collecting, MaskedInput.from_bytes(data))
    with cost.server():
        unmasking, survivors = server.close_masked(collecting)

    for device, survivor in survivors.items():
        data = cost.down(survivor.to_bytes())
        if sends(device, REVEAL):
            with cost.device():
                _, reveal = client.reveal(masked[device], Survivors.from_bytes(data))
                data = cost.up(reveal.to_bytes())
            with cost.server():
                unmasking = server.receive_reveal(unmasking, Reveal.from_bytes(data))
    with cost.server():
        result = server.finish(unmasking)
    return result, cost


def measure(devices: int, length: int, bits: int, dropout: float = 0.1, seed: int = 0) -> Cost:
    """The cost of a round over random vectors, checked to be exact, in which a share of the devices drops out once it has shared.

    Raises:
      AbortedError: that share is more than the round withstands.
      DataError: there are fewer than three devices, or the vectors are no segment.
    """
    rng, segment = np.random.default_rng(seed), Segment(length, bits)
    identities = [Ed25519PrivateKey.from_private_bytes(rng.bytes(32)) for _ in range(devices)]
    inputs = {i: [rng.integers(0, 2**bits, length, np.uint64).astype(segment.dtype)] for i in identities}
    silent = dict.fromkeys(identities[: int(dropout * devices)], MASKED)
    result, cost = run_round(SecureRound(f"cost-{devices}", "", (segment,)), inputs, silent, seed=seed)
    expected = sum(inputs[i][0] for i in identities if i not in silent).astype(segment.dtype)  # type: ignore[union-attr]
    if not np.array_equal(result.vectors[0], expected & segment.dtype.type(2**bits - 1)):
        raise AssertionError("the secure sum is not the sum")
    return cost
