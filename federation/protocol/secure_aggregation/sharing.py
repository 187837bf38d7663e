"""Secrets of 16 bytes split among neighbours (`shamir`), each share encrypted for its holder and checked by its digest.

Altered shares also combine to 16 bytes, which do not show that they are wrong. The owner therefore publishes a digest of
every share, so that an altered one is refused before it is used, and a commitment or public key for each secret, against which the
recovered secret is checked. The digests reveal nothing: each is of 16 bytes that nobody can guess.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from data.errors import DataError
from federation.protocol.secure_aggregation import shamir
from federation.protocol.secure_aggregation.keys import SEED_SIZE, derive
from federation.protocol.secure_aggregation.messages import SealedShares

KEY, SELF = b"k", b"s"  # kinds of secret: the seed of the mask key, the seed of the self mask


def split(
    secret: bytes, threshold: int, devices: Sequence[bytes], random: Callable[[int], bytes]
) -> dict[bytes, bytes]:
    """Returns a share of 16 bytes for each device, numbered in the devices' order. Any `threshold` shares recover the secret."""
    return dict(zip(devices, shamir.split(secret, threshold, len(devices), random), strict=True))


def combine(shares: Mapping[bytes, bytes], threshold: int, devices: Sequence[bytes]) -> bytes:
    """Recovers a secret from at least `threshold` of its shares; `devices` are in the order in which it was split.

    Raises:
      DataError: there are fewer shares than the threshold, or one belongs to a device that is not in `devices`.
    """
    numbers = {device: number for number, device in enumerate(devices, 1)}
    if len(shares) < threshold or shares.keys() - numbers.keys():
        raise DataError(f"{threshold} shares recover a secret, and {len(shares.keys() & numbers.keys())} are known")
    return shamir.combine([(numbers[device], shares[device]) for device in sorted(shares)[:threshold]])


def digest(context: bytes, owner: bytes, holder: bytes, kind: bytes, share: bytes) -> bytes:
    """Returns the 16 bytes against which a share of an owner's secret, held by another device, is checked."""
    return hashlib.sha256(b"share\n" + context + owner + holder + kind + share).digest()[:16]


def commitment(context: bytes, owner: bytes, seed: bytes) -> bytes:
    """Returns the 32 bytes against which the seed of a device's self mask is checked."""
    return hashlib.sha256(b"self mask\n" + context + owner + seed).digest()


def seal(
    agreed: bytes, context: bytes, owner: bytes, holder: bytes, key_share: bytes, self_share: bytes
) -> SealedShares:
    """Encrypts both shares for their holder, under the secret that owner and holder agreed on."""
    digests = digest(context, owner, holder, KEY, key_share), digest(context, owner, holder, SELF, self_share)
    cipher = ChaCha20Poly1305(derive(agreed, "shares", context, owner, holder))
    sealed = cipher.encrypt(_nonce(*digests), key_share + self_share, context + owner + holder)
    return SealedShares(holder, sealed, *digests)


def unseal(agreed: bytes, context: bytes, owner: bytes, holder: bytes, shares: SealedShares) -> dict[bytes, bytes]:
    """Decrypts the holder's shares; returns them by KEY and SELF.

    Raises:
      DataError: they were altered, are for another device or round, or do not match the digests.
    """
    cipher = ChaCha20Poly1305(derive(agreed, "shares", context, owner, holder))
    try:
        nonce = _nonce(shares.key_digest, shares.self_digest)
        clear = cipher.decrypt(nonce, shares.sealed, context + owner + holder)
    except InvalidTag as error:
        raise DataError(f"the shares from device {owner.hex()[:8]} are not for this device and round") from error
    opened = {KEY: clear[:SEED_SIZE], SELF: clear[SEED_SIZE:]}
    for kind, known in ((KEY, shares.key_digest), (SELF, shares.self_digest)):
        if digest(context, owner, holder, kind, opened[kind]) != known:
            raise DataError(f"the shares from device {owner.hex()[:8]} do not match the digests that it published")
    return opened


def _nonce(key_digest: bytes, self_digest: bytes) -> bytes:
    """Returns a nonce that differs between shares, although a key (of one round, owner and holder) seals one message only."""
    return hashlib.sha256(b"nonce\n" + key_digest + self_digest).digest()[:12]
