"""Secrets of 16 bytes split among neighbours (`shamir`), encrypted for each, and known by their digests.

Shares that were changed recover some 16 bytes too, and nothing in these tells that they are wrong ones. So the owner publishes a
digest of every share, by which a changed one is refused before it is used, and of its secrets a commitment or a public key, by
which the reconstructed secret is checked. Digests tell nothing: each is of 16 bytes that nobody can guess.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from data.errors import DataError
from federation.protocol.secure_aggregation import shamir
from federation.protocol.secure_aggregation.keys import SEED_SIZE, derive
from federation.protocol.secure_aggregation.messages import SealedShares

KEY, SELF = b"k", b"s"  # of the mask key's seed; of the self mask's seed


def split(
    secret: bytes, threshold: int, devices: Sequence[bytes], random: Callable[[int], bytes]
) -> dict[bytes, bytes]:
    """A share of 16 bytes for each device, any `threshold` of which recover the secret; their order gives the shares' numbers."""
    return dict(zip(devices, shamir.split(secret, threshold, len(devices), random), strict=True))


def combine(shares: Mapping[bytes, bytes], threshold: int, devices: Sequence[bytes]) -> bytes:
    """Recovers a secret from `threshold` of the shares, or more; `devices` in the order in which it was split.

    Raises:
      DataError: there are fewer, or a share is another device's.
    """
    numbers = {device: number for number, device in enumerate(devices, 1)}
    if len(shares) < threshold or shares.keys() - numbers.keys():
        raise DataError(f"{threshold} shares recover a secret; here are {len(shares.keys() & numbers.keys())}")
    return shamir.combine([(numbers[device], shares[device]) for device in sorted(shares)[:threshold]])


def digest(context: bytes, owner: bytes, holder: bytes, kind: bytes, share: bytes) -> bytes:
    """16 bytes by which a share of an owner's secret, held by another device, is known."""
    return hashlib.sha256(b"share\n" + context + owner + holder + kind + share).digest()[:16]


def commitment(context: bytes, owner: bytes, seed: bytes) -> bytes:
    """32 bytes by which the seed of a device's self mask is known."""
    return hashlib.sha256(b"self mask\n" + context + owner + seed).digest()


def seal(
    agreed: bytes, context: bytes, owner: bytes, holder: bytes, key_share: bytes, self_share: bytes
) -> SealedShares:
    """Both shares, for the eyes of the holder, under what owner and holder agreed on."""
    digests = digest(context, owner, holder, KEY, key_share), digest(context, owner, holder, SELF, self_share)
    cipher = ChaCha20Poly1305(derive(agreed, "shares", context, owner, holder))
    sealed = cipher.encrypt(_nonce(*digests), key_share + self_share, context + owner + holder)
    return SealedShares(holder, sealed, *digests)


def unseal(agreed: bytes, context: bytes, owner: bytes, holder: bytes, shares: SealedShares) -> dict[bytes, bytes]:
    """The holder's shares by KEY and SELF.

    Raises:
      DataError: they were changed, are for another device or round, or are not the ones the digests are of.
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
            raise DataError(f"the shares from device {owner.hex()[:8]} are not those that it published digests of")
    return opened


def _nonce(key_digest: bytes, self_digest: bytes) -> bytes:
    """Another one for other shares: a key is of one round, owner and holder, and should seal one message only in any case."""
    return hashlib.sha256(b"nonce\n" + key_digest + self_digest).digest()[:12]
