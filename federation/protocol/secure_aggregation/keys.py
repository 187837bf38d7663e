"""The keys of a secure round: signatures, and secrets that two devices agree on. X25519, Ed25519, HKDF with SHA-256."""

import hashlib
import hmac
from collections.abc import Collection

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from data.errors import DataError
from federation.protocol.secure_aggregation.messages import Advert

SEED_SIZE = 16  # bytes of a secret that is split among neighbours: the size that `shamir` takes, as strong as X25519

_ANY_KEY = X25519PrivateKey.from_private_bytes(bytes(32))  # no private key can agree with a public key of low order


def device_id(identity: Ed25519PrivateKey) -> bytes:
    """Returns the 32 bytes that name a device: its public identity key."""
    return identity.public_key().public_bytes_raw()


def derive(secret: bytes, purpose: str, *bound: bytes) -> bytes:
    """Returns 32 bytes derived from a secret, for one purpose and bound to a round and devices (values of fixed size)."""
    info = b"federated keyboard, " + purpose.encode() + b"\n" + b"".join(bound)
    # HKDF with SHA-256 and no salt (RFC 5869), of which 32 bytes are the first block. A round derives hundreds of keys.
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\1", "sha256")


def mask_key(seed: bytes, context: bytes, device: bytes) -> X25519PrivateKey:
    """Returns the private key of a device's pairwise masks. Its neighbours' shares of the seed recover it."""
    return X25519PrivateKey.from_private_bytes(derive(seed, "mask key", context, device))


def public(key: X25519PrivateKey) -> bytes:
    """Returns the 32 bytes of the public key that belongs to a private key."""
    return key.public_key().public_bytes_raw()


def agree(mine: X25519PrivateKey, theirs: bytes) -> bytes:
    """Returns the secret shared by the holder of a private key and the holder of another's public key.

    Raises:
      DataError: the public key is of low order, so that anyone would know the secret.
    """
    try:
        return mine.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError as error:
        raise DataError("a device's public key cannot be agreed with") from error


def check_agreeable(key: bytes) -> None:
    """Raises a DataError if a public key is of low order, so that nobody can agree on a secret with it."""
    agree(_ANY_KEY, key)


def sign(identity: Ed25519PrivateKey, context: bytes, cipher_key: bytes, mask_key: bytes) -> Advert:
    """Returns a device's advert of its public keys."""
    device = device_id(identity)
    signature = identity.sign(_signed(context, device, cipher_key, mask_key))
    return Advert(context, device, cipher_key, mask_key, signature)


def verify(advert: Advert) -> None:
    """Checks that an advert's device signed its keys for its round, and that the two keys differ.

    Raises:
      DataError: the signature is another device's, or over other keys or another round; or both keys are the same.
    """
    try:
        signed = _signed(advert.context, advert.device, advert.cipher_key, advert.mask_key)
        Ed25519PublicKey.from_public_bytes(advert.device).verify(advert.signature, signed)
    except (InvalidSignature, ValueError) as error:
        raise DataError(
            f"the keys of device {advert.device.hex()[:8]} are not signed by that device for this round"
        ) from error
    if advert.cipher_key == advert.mask_key:
        raise DataError(f"device {advert.device.hex()[:8]} has one key where it needs two")


def survivors_digest(survivors: Collection[bytes]) -> bytes:
    """Returns the SHA-256 of the devices in a sum, in the order of their names."""
    return hashlib.sha256(b"".join(sorted(survivors))).digest()


def sign_survivors(identity: Ed25519PrivateKey, context: bytes, digest: bytes) -> bytes:
    """Returns a device's signature over the survivors (`survivors_digest`) that it was told in a round."""
    return identity.sign(_told(context, device_id(identity), digest))


def verify_survivors(device: bytes, context: bytes, digest: bytes, signature: bytes) -> None:
    """Checks that a device signed these survivors in this round.

    Raises:
      DataError: the signature is another device's, or over other survivors or another round.
    """
    try:
        Ed25519PublicKey.from_public_bytes(device).verify(signature, _told(context, device, digest))
    except (InvalidSignature, ValueError) as error:
        raise DataError(
            f"device {device.hex()[:8]} has not signed the same list of survivors: nothing is revealed"
        ) from error


def _told(context: bytes, device: bytes, digest: bytes) -> bytes:
    return b"federated keyboard, survivors\n" + context + device + digest


def _signed(context: bytes, device: bytes, cipher_key: bytes, mask_key: bytes) -> bytes:
    return b"federated keyboard, round keys\n" + context + device + cipher_key + mask_key
