"""A whole secure round in one process, every message as bytes: its sum, and what it costs devices, coordinator and wire."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from federation.protocol.binary_messages import BinaryMessage
from federation.protocol.secure_aggregation import client, server, unmasking
from federation.protocol.secure_aggregation.keys import device_id
from federation.protocol.secure_aggregation.messages import (
    Advert,
    Delivery,
    MaskedInput,
    Neighbourhood,
    Reveal,
    SecureRound,
    Shares,
    Survivors,
)
from federation.protocol.secure_aggregation.modular_vectors import Segment
from federation.protocol.secure_aggregation.neighbours import MIN_DEVICES, USUAL, Assumptions
from federation.protocol.secure_aggregation.states import SecureSum

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
) -> tuple[SecureSum, Cost]:
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
    states: dict[bytes, Any] = {}
    state: Any = server.open_round(secure_round, list(vectors), minimum)
    for identity in inputs:
        with cost.device():
            advertised, advert = client.advertise(secure_round, identity, secrets.token_bytes)
            data = cost.up(advert.to_bytes())
        states[advert.device] = advertised
        with cost.server():
            state = server.receive_advert(state, Advert.from_bytes(data))
    messages: Mapping[bytes, BinaryMessage]
    with cost.server():
        state, messages = server.close_adverts(state, assumptions, seed)
    cost.degree, cost.threshold = state.topology.degree, state.topology.threshold

    def exchange(
        step: int,
        answer: Callable[[bytes, bytes], tuple[Any, BinaryMessage]],
        receive: Callable[[Any, Any], Any],
        kind: type[BinaryMessage],
    ) -> None:
        """Hands each device its message, and the coordinator the answers of those that have not fallen silent."""
        nonlocal state
        for device, message in messages.items():
            data = cost.down(message.to_bytes())
            if absent.get(device, REVEAL + 1) > step:
                with cost.device():
                    states[device], given = answer(device, data)
                    data = cost.up(given.to_bytes())
                with cost.server():
                    state = receive(state, kind.from_bytes(data))

    exchange(
        SHARES,
        lambda device, data: client.share(states[device], Neighbourhood.from_bytes(data), secrets.token_bytes),
        server.receive_shares,
        Shares,
    )
    with cost.server():
        state, messages = server.close_shares(state)
    exchange(
        MASKED,
        lambda device, data: client.mask(states[device], Delivery.from_bytes(data), vectors[device]),
        server.receive_masked,
        MaskedInput,
    )
    with cost.server():
        state, messages = server.close_masked(state)
    exchange(
        REVEAL,
        lambda device, data: client.reveal(states[device], Survivors.from_bytes(data)),
        unmasking.receive_reveal,
        Reveal,
    )
    with cost.server():
        result = unmasking.finish(state)
    return result, cost


def measure(
    devices: int, length: int, bits: int, dropout: float = 0.1, seed: int = 0, assumptions: Assumptions = USUAL
) -> Cost:
    """The cost of a round over random vectors, checked to be exact, in which a share of the devices drops out once it has shared.

    Raises:
      AbortedError: that share is more than the round withstands.
      DataError: there are fewer than three devices, or the vectors are no segment.
    """
    rng, segment = np.random.default_rng(seed), Segment(length, bits)
    identities = [Ed25519PrivateKey.from_private_bytes(rng.bytes(32)) for _ in range(devices)]
    inputs = {i: [rng.integers(0, 2**bits, length, np.uint64).astype(segment.dtype)] for i in identities}
    silent = dict.fromkeys(identities[: int(dropout * devices)], MASKED)
    result, cost = run_round(
        SecureRound(f"cost-{devices}", "", (segment,)), inputs, silent, assumptions=assumptions, seed=seed
    )
    expected = sum(inputs[i][0] for i in identities if i not in silent).astype(segment.dtype)  # type: ignore[union-attr]
    if not np.array_equal(result.vectors[0], expected & segment.dtype.type(2**bits - 1)):
        raise AssertionError("the secure sum is not the sum")
    return cost
