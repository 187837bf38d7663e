"""The states that the coordinator's side of a secure round goes through, and what a message must be to change one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from data.errors import DataError, UserFacingError
from federation.protocol.secure_aggregation import modular_vectors
from federation.protocol.secure_aggregation.messages import Advert, MaskedInput, Reveal, SecureRound, Shares
from federation.protocol.secure_aggregation.neighbours import Topology

Neighbours = dict[bytes, tuple[bytes, ...]]


class RoundAbortedError(UserFacingError):
    """The round is over without a sum."""


class RunningSum:
    """A sum of masked inputs that is added to in place, since they are megabytes each; modulo the types' width.

    Of the states that share it only the newest can be gone on from.
    """

    def __init__(self, layout: modular_vectors.Layout) -> None:
        """Over nothing yet."""
        self.vectors: tuple[modular_vectors.Vector, ...] = tuple(np.zeros(s.length, s.dtype) for s in layout)
        self.devices = 0

    def add(self, vectors: Sequence[modular_vectors.Vector], devices: int) -> None:
        """Adds one more to a sum that is of so many.

        Raises:
          DataError: it is of more by now.
        """
        if devices != self.devices:
            raise DataError(
                f"this state of the round is past: its sum was of {devices} devices, and is of {self.devices}"
            )
        for total, vector in zip(self.vectors, vectors, strict=True):
            np.add(total, vector, out=total)
        self.devices += 1


@dataclass(frozen=True)
class Advertising:
    """Step 0: devices announce their keys."""

    round: SecureRound
    invited: frozenset[bytes]
    minimum: int  # devices in the sum
    adverts: Mapping[bytes, Advert]
    keys: frozenset[bytes]  # of all of them


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
    neighbours: Neighbours  # as the secrets were split: the order numbers the shares
    mask_keys: Mapping[bytes, bytes]  # by device that has shared: these are masked with
    commitments: Mapping[bytes, bytes]
    digests: Mapping[tuple[bytes, bytes, bytes], bytes]  # by owner, holder and kind
    devices: frozenset[bytes]  # whose masked inputs are in the sum
    masked: RunningSum  # of their inputs


@dataclass(frozen=True)
class Unmasking:
    """Step 4: the surviving devices reveal shares."""

    collected: Collecting
    needed: tuple[tuple[bytes, bytes], ...]  # owner and kind of the secrets that take the masks off
    missing: int  # of these, how many have fewer shares revealed than recover them
    answered: frozenset[bytes]
    revealed: Mapping[tuple[bytes, bytes], Mapping[bytes, bytes]] = field(repr=False)  # by owner and kind, by holder

    @property
    def round(self) -> SecureRound:
        """What is summed."""
        return self.collected.round


AnyState = Advertising | Sharing | Collecting | Unmasking


@dataclass(frozen=True)
class SecureSum:
    """What a round comes to."""

    vectors: tuple[modular_vectors.Vector, ...]  # by the round's layout, modulo 2^bits
    devices: frozenset[bytes]  # that are in it


def holders(state: Collecting, device: bytes) -> list[bytes]:
    """The device's neighbours that are in the sum: who can reveal shares of its secrets."""
    return [n for n in state.neighbours[device] if n in state.devices]


def expect(state: AnyState, expected: type, what: str) -> None:
    """Lets the right state pass; another raises a DataError that says where the round is."""
    if not isinstance(state, expected):
        raise DataError(f"{what} while the round is {type(state).__name__.lower()}")


def check(state: AnyState, expected: type, message: Advert | Shares | MaskedInput | Reveal) -> None:
    """Lets a message pass that is for this state and round; another raises a DataError."""
    expect(state, expected, type(message).__name__)
    if message.context != state.round.context:
        raise DataError("the message belongs to another round, model or layout")


def once(device: bytes, allowed: Collection[bytes], had: Collection[bytes], what: str) -> None:
    """Lets a device pass that may send something and has not; another raises a DataError."""
    if device not in allowed:
        raise DataError(f"device {device.hex()[:8]} takes no part in this step of the round")
    if device in had:
        raise DataError(f"device {device.hex()[:8]} has sent its {what} before")


def check_number(devices: int, minimum: int, did: str) -> None:
    """Lets a round pass that has devices enough; another raises RoundAbortedError."""
    if devices < minimum:
        raise RoundAbortedError(f"{devices} devices {did}, fewer than the {minimum} that the round needs")
