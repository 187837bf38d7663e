"""What devices and coordinator send each other in a secure round, in the order of the protocol's steps.

Steps as in Bonawitz et al. 2017, Figure 4; its step 3 is not needed here (`secure_client` says why). A device is named by the 32
bytes of its public Ed25519 identity key. Every message names its round by `SecureRound.context`, and the device that sent it or
that it is for; that the sender is who it says is for the transport to check, except for keys, which are signed, as other devices
must trust them.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from federation.protocol.binary_messages import BinaryMessage, Record, number, octets, payload, records
from federation.protocol.secure_aggregation.modular_vectors import Layout

MAX_NEIGHBOURS = 1024
MAX_PAYLOAD = 2**28  # bytes of a masked input; a round's own layout says exactly how many it has


@dataclass(frozen=True)
class SecureRound:
    """What all devices of a round must agree on, or their masks don't fit each other's."""

    round_id: str
    model_sha256: str  # of the weights that the deltas start from
    layout: Layout  # of the vectors to sum
    terms: str = ""  # all else that the devices were told, as text: training, encoding, metrics

    @cached_property
    def context(self) -> bytes:
        """32 bytes that name the round and everything about it: keys, ciphertexts, signatures and messages are bound to them."""
        layout = [[segment.length, segment.bits] for segment in self.layout]
        text = json.dumps([self.round_id, self.model_sha256, layout, self.terms])
        return hashlib.sha256(b"federated keyboard, secure round 1\n" + text.encode()).digest()


@dataclass(frozen=True)
class Advert(BinaryMessage):
    """Step 0, device: its public keys for this round, signed."""

    KIND: ClassVar[int] = 1
    context: bytes = octets(32)
    device: bytes = octets(32)
    cipher_key: bytes = octets(32)  # X25519, for the shares' encryption
    mask_key: bytes = octets(32)  # X25519, for the pairwise masks
    signature: bytes = octets(64)  # Ed25519, by the device's identity key


@dataclass(frozen=True)
class Neighbour(Record):
    """A neighbour's advert, less what is the same in all."""

    device: bytes = octets(32)
    cipher_key: bytes = octets(32)
    mask_key: bytes = octets(32)
    signature: bytes = octets(64)


@dataclass(frozen=True)
class Neighbourhood(BinaryMessage):
    """Step 1, coordinator to a device: with whom it masks, and of how many of them it takes shares to recover a secret."""

    KIND: ClassVar[int] = 2
    context: bytes = octets(32)
    device: bytes = octets(32)
    threshold: int = number()
    neighbours: tuple[Neighbour, ...] = records(Neighbour, MAX_NEIGHBOURS)


@dataclass(frozen=True)
class SealedShares(Record):
    """A neighbour's shares of a device's two secrets: encrypted for it, and a digest of each by which it is known."""

    device: bytes = octets(32)  # in `Shares` the neighbour they are for, in `Delivery` the one they are from
    sealed: bytes = octets(48)
    key_digest: bytes = octets(16)
    self_digest: bytes = octets(16)


@dataclass(frozen=True)
class Shares(BinaryMessage):
    """Step 1, device: shares of its mask key's seed and of its self mask's seed, for each neighbour."""

    KIND: ClassVar[int] = 3
    context: bytes = octets(32)
    device: bytes = octets(32)
    commitment: bytes = octets(32)  # to the self mask's seed
    shares: tuple[SealedShares, ...] = records(SealedShares, MAX_NEIGHBOURS)


@dataclass(frozen=True)
class Delivery(BinaryMessage):
    """Step 2, coordinator to a device: the shares that its neighbours made for it. Who sent none is masked with no more."""

    KIND: ClassVar[int] = 4
    context: bytes = octets(32)
    device: bytes = octets(32)
    shares: tuple[SealedShares, ...] = records(SealedShares, MAX_NEIGHBOURS)


@dataclass(frozen=True)
class MaskedInput(BinaryMessage):
    """Step 2, device: its vectors under all masks, packed as the round's layout says."""

    KIND: ClassVar[int] = 5
    context: bytes = octets(32)
    device: bytes = octets(32)
    packed: bytes = payload(MAX_PAYLOAD)


@dataclass(frozen=True)
class Survivor(Record):
    """A neighbour whose masked input is in the sum."""

    device: bytes = octets(32)


@dataclass(frozen=True)
class Survivors(BinaryMessage):
    """Step 4, coordinator to a device: which neighbours' masked inputs are in the sum."""

    KIND: ClassVar[int] = 6
    context: bytes = octets(32)
    device: bytes = octets(32)
    survivors: tuple[Survivor, ...] = records(Survivor, MAX_NEIGHBOURS)


@dataclass(frozen=True)
class OpenShare(Record):
    """A share in the clear: of its owner's self mask where the owner's input is in the sum, of its mask key where it is not."""

    device: bytes = octets(32)  # the owner of the secret
    kind: bytes = octets(1)  # KEY or SELF of `sharing`
    share: bytes = octets(16)


@dataclass(frozen=True)
class Reveal(BinaryMessage):
    """Step 4, device: one share for each neighbour."""

    KIND: ClassVar[int] = 7
    context: bytes = octets(32)
    device: bytes = octets(32)
    shares: tuple[OpenShare, ...] = records(OpenShare, MAX_NEIGHBOURS)
