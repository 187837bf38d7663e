"""The messages between devices and coordinator in a secure round, in the order of the protocol's steps.

The steps are those of Bonawitz et al. 2017, Figure 4. A device is named by the 32 bytes of its public Ed25519 identity key. Every
message names its round by `SecureRound.context`, and its sender or receiver. The transport has to check who the sender is, except
for keys and confirmations: these are signed, because other devices must trust them.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from federation.protocol.secure_aggregation.binary_messages import (
    BinaryMessage,
    Record,
    number,
    octets,
    payload,
    records,
)
from federation.protocol.secure_aggregation.modular_vectors import VectorLayout

MAX_NEIGHBOURS = 1024
MAX_DEVICES = 2**15  # in a round
MAX_PAYLOAD = 2**28  # bytes of a masked input; a round's layout gives the exact number


@dataclass(frozen=True)
class SecureRound:
    """The values that all devices of a round must agree on for their masks to cancel."""

    round_id: str
    model_sha256: str  # SHA-256 of the weights that the deltas start from
    layout: VectorLayout  # layout of the vectors to sum
    terms: str = ""  # the rest of the plan that the devices receive, as text: training, encoding, metrics

    @cached_property
    def context(self) -> bytes:
        """32 bytes that depend on everything above. Keys, ciphertexts, signatures and messages are bound to them."""
        layout = [[segment.length, segment.bits] for segment in self.layout]
        text = json.dumps([self.round_id, self.model_sha256, layout, self.terms])
        return hashlib.sha256(b"federated keyboard, secure round 2\n" + text.encode()).digest()


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
    """A neighbour's advert without the context, which all adverts have in common."""

    device: bytes = octets(32)
    cipher_key: bytes = octets(32)
    mask_key: bytes = octets(32)
    signature: bytes = octets(64)


@dataclass(frozen=True)
class Neighbourhood(BinaryMessage):
    """Step 1, coordinator to a device: its neighbours, and the number of them that can recover a secret together."""

    KIND: ClassVar[int] = 2
    context: bytes = octets(32)
    device: bytes = octets(32)
    threshold: int = number()
    neighbours: tuple[Neighbour, ...] = records(Neighbour, MAX_NEIGHBOURS)


@dataclass(frozen=True)
class SealedShares(Record):
    """A neighbour's shares of a device's two secrets, encrypted for the neighbour, and a digest of each to check it by."""

    device: bytes = octets(32)  # the holder in `Shares`, the owner in `Delivery`
    sealed: bytes = octets(48)
    key_digest: bytes = octets(16)
    self_digest: bytes = octets(16)


@dataclass(frozen=True)
class Shares(BinaryMessage):
    """Step 1, device: shares of the seeds of its mask key and its self mask, for each neighbour."""

    KIND: ClassVar[int] = 3
    context: bytes = octets(32)
    device: bytes = octets(32)
    commitment: bytes = octets(32)  # to the self mask's seed
    shares: tuple[SealedShares, ...] = records(SealedShares, MAX_NEIGHBOURS)


@dataclass(frozen=True)
class Delivery(BinaryMessage):
    """Step 2, coordinator to a device: its neighbours' shares. The device masks only with these neighbours."""

    KIND: ClassVar[int] = 4
    context: bytes = octets(32)
    device: bytes = octets(32)
    shares: tuple[SealedShares, ...] = records(SealedShares, MAX_NEIGHBOURS)


@dataclass(frozen=True)
class MaskedInput(BinaryMessage):
    """Step 2, device: its vectors under all masks, packed by the round's layout."""

    KIND: ClassVar[int] = 5
    context: bytes = octets(32)
    device: bytes = octets(32)
    packed: bytes = payload(MAX_PAYLOAD)


@dataclass(frozen=True)
class Survivor(Record):
    """A device whose masked input is in the sum."""

    device: bytes = octets(32)


@dataclass(frozen=True)
class Survivors(BinaryMessage):
    """Step 3, coordinator to a device: all devices whose masked inputs are in the sum, neighbours or not."""

    KIND: ClassVar[int] = 6
    context: bytes = octets(32)
    device: bytes = octets(32)
    survivors: tuple[Survivor, ...] = records(Survivor, MAX_DEVICES)


@dataclass(frozen=True)
class Confirmation(BinaryMessage):
    """Step 3, device: its signature over the survivors that it was told."""

    KIND: ClassVar[int] = 8
    context: bytes = octets(32)
    device: bytes = octets(32)
    signature: bytes = octets(64)  # Ed25519, by the device's identity key


@dataclass(frozen=True)
class Confirmer(Record):
    """A neighbour's confirmation without the context, which all confirmations have in common."""

    device: bytes = octets(32)
    signature: bytes = octets(64)


@dataclass(frozen=True)
class Confirmations(BinaryMessage):
    """Step 4, coordinator to a device: confirmations of as many of its neighbours as the threshold."""

    KIND: ClassVar[int] = 9
    context: bytes = octets(32)
    device: bytes = octets(32)
    confirmers: tuple[Confirmer, ...] = records(Confirmer, MAX_NEIGHBOURS)


@dataclass(frozen=True)
class OpenShare(Record):
    """A share in the clear: of its owner's self mask if the owner's input is in the sum, else of its mask key."""

    device: bytes = octets(32)  # the owner of the secret
    kind: bytes = octets(1)  # `sharing.KEY` or `sharing.SELF`
    share: bytes = octets(16)


@dataclass(frozen=True)
class Reveal(BinaryMessage):
    """Step 4, device: one share for each neighbour."""

    KIND: ClassVar[int] = 7
    context: bytes = octets(32)
    device: bytes = octets(32)
    shares: tuple[OpenShare, ...] = records(OpenShare, MAX_NEIGHBOURS)
