"""Masks: uniform vectors of a ring from 32-byte keys, and vectors under them. Bonawitz et al. 2017, Section 4.

A pair of devices derive the same mask; the one with the smaller name adds it and the other subtracts it, so that it is gone from a
sum over both. The keystream of ChaCha20 (RFC 8439) under the key fills the vectors of the layout one after the other, each number
with as many low bits of the narrowest unsigned integer, little-endian, as its segment has.
"""

from collections.abc import Sequence

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from federation.protocol.secure_aggregation.keys import agree, derive
from federation.protocol.secure_aggregation.modular_vectors import Layout, Vector

_CHUNK = 2**18  # bytes of keystream at a time: they and what they are added to stay in the cache


def self_mask_key(seed: bytes, context: bytes, device: bytes) -> bytes:
    """The key of a device's self mask, which its neighbours' shares of the seed recover."""
    return derive(seed, "self mask", context, device)


def pairwise_mask_key(mine: X25519PrivateKey, theirs: bytes, context: bytes, me: bytes, other: bytes) -> bytes:
    """The key of two devices' mask, the same from either side.

    Raises:
      DataError: the other's public key can't be agreed with.
    """
    return derive(agree(mine, theirs), "pairwise mask", context, *sorted((me, other)))


def pairwise_sign(me: bytes, other: bytes) -> int:
    """1 where the first device adds the mask of the two, -1 where it subtracts it."""
    return 1 if me < other else -1


def add_mask(layout: Layout, vectors: Sequence[Vector], key: bytes, sign: int) -> None:
    """Adds a key's mask to the vectors in place, or subtracts it. They wrap at their types' width: `ring.reduce` them at last."""
    stream = Cipher(ChaCha20(key, bytes(16)), None).encryptor()
    zeros = bytes(_CHUNK)
    for segment, vector in zip(layout, vectors, strict=True):
        step = _CHUNK // segment.dtype.itemsize
        for start in range(0, segment.length, step):
            part = vector[start : start + step]
            mask = np.frombuffer(stream.update(memoryview(zeros)[: part.nbytes]), segment.dtype)
            (np.add if sign > 0 else np.subtract)(part, mask, out=part)
