"""The states of the coordinator's side of a secure round, and the checks that a message must pass in each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from data.errors import DataError, UserFacingError
from federation.protocol.secure_aggregation import modular_vectors
from federation.protocol.secure_aggregation.messages import (
    Advert,
    Confirmation,
    MaskedInput,
    Reveal,
    SecureRound,
    Shares,
)
from federation.protocol.secure_aggregation.neighbours import Topology

_DeviceMessage = Advert | Shares | MaskedInput | Confirmation | Reveal
Neighbours = dict[bytes, tuple[bytes, ...]]


class RoundAbortedError(UserFacingError):
    """The round ended without a sum. `culprits` are the devices that are proven to have broken the protocol, if that was why."""

    def __init__(self, reason: str, culprits: Collection[bytes] = ()) -> None:
        super().__init__(reason)
        self.culprits = frozenset(culprits)


class RunningSum:
    """The sum of the masked inputs so far, modulo the width of its types. It changes in place, because an input has megabytes.

    Several states share it; only the newest of them can be continued.
    """

    def __init__(self, layout: modular_vectors.VectorLayout) -> None:
        """Starts with zeros."""
        self.vectors: tuple[modular_vectors.Vector, ...] = tuple(np.zeros(s.length, s.dtype) for s in layout)
        self.devices = 0

    def add(self, vectors: Sequence[modular_vectors.Vector], devices: int) -> None:
        """Adds an input to a sum over `devices` devices.

        Raises:
          DataError: the sum is over more devices by now.
        """
        if devices != self.devices:
            raise DataError(
                f"this state of the round is past: its sum was over {devices} devices and is now over {self.devices}"
            )
        for total, vector in zip(self.vectors, vectors, strict=True):
            np.add(total, vector, out=total)
        self.devices += 1


@dataclass(frozen=True)
class Advertising:
    """Step 0: devices announce their keys."""

    round: SecureRound
    invited: frozenset[bytes]
    minimum: int  # smallest number of devices in the sum
    adverts: Mapping[bytes, Advert]
    keys: frozenset[bytes]  # all public keys announced so far


@dataclass(frozen=True)
class Sharing:
    """Step 1: devices share their secrets with their neighbours."""

    round: SecureRound
    minimum: int
    topology: Topology
    neighbours: Neighbours
    adverts: Mapping[bytes, Advert]
    shares: Mapping[bytes, Shares]


@dataclass(frozen=True)
class Collecting:
    """Step 2: devices send their masked inputs."""

    round: SecureRound
    minimum: int
    topology: Topology
    neighbours: Neighbours  # in the order in which the secrets were split, which numbers the shares
    mask_keys: Mapping[bytes, bytes]  # public keys of the pairwise masks, by device that has shared
    commitments: Mapping[bytes, bytes]  # to the self masks' seeds, by device
    digests: Mapping[tuple[bytes, bytes, bytes], bytes]  # digests of the shares, by owner, holder and kind
    devices: frozenset[bytes]  # devices whose masked inputs are in the sum
    masked: RunningSum  # the sum of their masked inputs


@dataclass(frozen=True)
class Confirming:
    """Step 3: the devices in the sum confirm that they were told the same survivors."""

    collected: Collecting
    digest: bytes  # of the survivors
    signatures: Mapping[bytes, bytes]  # of the confirmations, by device

    @property
    def round(self) -> SecureRound:
        """The round that the sum belongs to."""
        return self.collected.round


@dataclass(frozen=True)
class Unmasking:
    """Step 4: the devices that know enough confirmations reveal shares."""

    collected: Collecting
    revealing: frozenset[bytes]  # devices that may reveal
    needed: tuple[tuple[bytes, bytes], ...]  # owner and kind of the secrets that unmask the sum
    missing: int  # number of these secrets with fewer revealed shares than the threshold
    answered: frozenset[bytes]  # devices that have revealed
    # Shares, by owner and kind, by holder.
    revealed: Mapping[tuple[bytes, bytes], Mapping[bytes, bytes]] = field(repr=False)

    @property
    def round(self) -> SecureRound:
        """The round that the sum belongs to."""
        return self.collected.round


ServerState = Advertising | Sharing | Collecting | Confirming | Unmasking


@dataclass(frozen=True)
class SecureSum:
    """The result of a round."""

    vectors: tuple[modular_vectors.Vector, ...]  # by the round's layout, modulo 2^bits
    devices: frozenset[bytes]  # the devices in the sum


def holders(state: Collecting, device: bytes) -> list[bytes]:
    """Returns the device's neighbours that are in the sum: only these can reveal shares of its secrets."""
    return [n for n in state.neighbours[device] if n in state.devices]


def expect(state: ServerState, expected: type[ServerState], what: str) -> None:
    """Raises a DataError that names the state of the round, unless it is the expected one."""
    if not isinstance(state, expected):
        raise DataError(f"{what} while the round is {type(state).__name__.lower()}")


def check(state: ServerState, expected: type[ServerState], message: _DeviceMessage) -> None:
    """Raises a DataError unless a message is for this state and round."""
    expect(state, expected, type(message).__name__)
    if message.context != state.round.context:
        raise DataError("the message belongs to another round, model or layout")


def check_sender(device: bytes, allowed: Collection[bytes], senders: Collection[bytes], what: str) -> None:
    """Raises a DataError unless a device may send something and has not sent it before."""
    if device not in allowed:
        raise DataError(f"device {device.hex()[:8]} takes no part in this step of the round")
    if device in senders:
        raise DataError(f"device {device.hex()[:8]} has sent its {what} before")


def check_number(devices: int, minimum: int, did: str) -> None:
    """Raises a RoundAbortedError unless a round has at least the minimum of devices."""
    if devices < minimum:
        raise RoundAbortedError(f"{devices} devices {did}, fewer than the {minimum} that the round needs")
