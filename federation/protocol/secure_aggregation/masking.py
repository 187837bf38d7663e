"""Masks: vectors of uniform numbers expanded from 32-byte keys, and added to a device's vectors. Bonawitz et al. 2017, Section 4.

Two devices derive the same mask. The one with the smaller name adds it and the other subtracts it, so that it cancels in a sum
over both. The keystream of ChaCha20 (RFC 8439) under the key fills the vectors of the layout in order. Each number takes the bytes
of its segment's type, little-endian, of which only the segment's low bits count.
"""

from collections.abc import Sequence

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from federation.protocol.secure_aggregation.keys import agree, derive
from federation.protocol.secure_aggregation.modular_vectors import Vector, VectorLayout

_CHUNK = 2**18  # bytes of keystream at a time, so that they and the numbers they are added to stay in the cache
_ZEROS = memoryview(bytes(_CHUNK))


def self_mask_key(seed: bytes, context: bytes, device: bytes) -> bytes:
    """Returns the key of a device's self mask. Its neighbours' shares of the seed recover it."""
    return derive(seed, "self mask", context, device)


def pairwise_mask_key(mine: X25519PrivateKey, theirs: bytes, context: bytes, me: bytes, other: bytes) -> bytes:
    """Returns the key of the mask that two devices share, the same from either side.

    Raises:
      DataError: the other device's public key cannot be agreed with.
    """
    return derive(agree(mine, theirs), "pairwise mask", context, *sorted((me, other)))


def pairwise_sign(me: bytes, other: bytes) -> int:
    """Returns 1 if the first device adds the mask that the two share, -1 if it subtracts it."""
    return 1 if me < other else -1


def add_mask(layout: VectorLayout, vectors: Sequence[Vector], key: bytes, sign: int) -> None:
    """Adds a key's mask to the vectors in place, or subtracts it.

    The numbers wrap at the width of their type. Call `modular_vectors.reduce` after the last mask.
    """
    stream = Cipher(ChaCha20(key, bytes(16)), None).encryptor()
    for segment, vector in zip(layout, vectors, strict=True):
        step = _CHUNK // segment.dtype.itemsize
        for start in range(0, segment.length, step):
            part = vector[start : start + step]
            mask = np.frombuffer(stream.update(_ZEROS[: part.nbytes]), segment.dtype)
            (np.add if sign > 0 else np.subtract)(part, mask, out=part)
