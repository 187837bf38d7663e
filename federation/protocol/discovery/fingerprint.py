"""FarmHash's Fingerprint64: a hash of bytes that is the same on every machine, as TensorFlow's `to_hash_bucket_fast` uses it.

FarmHash (Google, 2014) treats inputs of up to 16, 32, 64, and more than 64 bytes differently. All arithmetic is modulo 2^64, and
all numbers are read little-endian. The hash is not cryptographic: whoever has the hash of a guessable text finds the text.
"""

_MASK = 2**64 - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_BLOCK = 64  # bytes

Pair = tuple[int, int]


def fingerprint64(data: bytes) -> int:
    """Returns the 64-bit fingerprint of bytes of any length."""
    size = len(data)
    if size <= 16:
        return _up_to_16(data)
    multiplier = _K2 + 2 * size
    if size <= 32:
        first = _number(data, 0) * _K1
        second = _number(data, 8)
        last = _number(data, size - 8) * multiplier
        before_last = _number(data, size - 16) * _K2
        return _mix(
            _rotate(first + second, 43) + _rotate(last, 30) + before_last,
            first + _rotate(second + _K2, 18) + last,
            multiplier,
        )
    if size <= _BLOCK:
        return _up_to_64(data, multiplier)
    return _longer(data)


def _up_to_16(data: bytes) -> int:
    size = len(data)
    multiplier = _K2 + 2 * size
    if size >= 8:
        first, last = _number(data, 0) + _K2, _number(data, size - 8)
        return _mix(_rotate(last, 37) * multiplier + first, (_rotate(first, 25) + last) * multiplier, multiplier)
    if size >= 4:
        return _mix(size + (_number(data, 0, 4) << 3), _number(data, size - 4, 4), multiplier)
    if size:
        letters, length = data[0] + (data[size // 2] << 8), size + (data[-1] << 2)
        return _shift((letters * _K2) ^ (length * _K0)) * _K2 & _MASK
    return _K2


def _up_to_64(data: bytes, multiplier: int) -> int:
    size = len(data)
    a = _number(data, 0) * _K2
    b = _number(data, 8)
    c = _number(data, size - 8) * multiplier
    d = _number(data, size - 16) * _K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _mix(y, a + _rotate(b + _K2, 18) + c, multiplier)
    e = _number(data, 16) * multiplier
    f = _number(data, 24)
    g = (y + _number(data, size - 32)) * multiplier
    h = (z + _number(data, size - 24)) * multiplier
    return _mix(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, multiplier)


def _longer(data: bytes) -> int:
    """Hashes more than 64 bytes: whole blocks of 64, then the last 64 bytes again, with another multiplier."""
    rest = (len(data) - 1) % _BLOCK
    x = (81 * _K2 + _number(data, 0)) & _MASK
    y = (81 * _K1 + 113) & _MASK
    z = _shift(y * _K2 + 113) * _K2 & _MASK
    v, w = (0, 0), (0, 0)
    for start in range(0, len(data) - 1 - rest, _BLOCK):
        x, y, z, v, w = _block(data, start, (x, y, z), v, w, _K1, 1)
    multiplier = _K1 + ((z & 0xFF) << 1)
    w = (w[0] + rest & _MASK, w[1])
    v = (v[0] + w[0] & _MASK, v[1])
    w = (w[0] + v[0] & _MASK, w[1])
    x, y, z, v, w = _block(data, len(data) - _BLOCK, (x, y, z), v, w, multiplier, 9)
    return _mix(
        _mix(v[0], w[0], multiplier) + _shift(y) * _K0 + z,
        _mix(v[1], w[1], multiplier) + x,
        multiplier,
    )


def _block(
    data: bytes, at: int, state: tuple[int, int, int], v: Pair, w: Pair, multiplier: int, weight: int
) -> tuple[int, int, int, Pair, Pair]:
    """Mixes 64 bytes into the state x, y, z, v, w and returns the new one. The final block weighs v and w by 9, others by 1."""
    x, y, z = state
    x = _rotate(x + y + v[0] + _number(data, at + 8), 37) * multiplier & _MASK
    y = _rotate(y + v[1] + _number(data, at + 48), 42) * multiplier & _MASK
    x ^= w[1] * weight & _MASK
    y = (y + v[0] * weight + _number(data, at + 40)) & _MASK
    z = _rotate(z + w[0], 33) * multiplier & _MASK
    v = _half_block(data, at, v[1] * multiplier, x + w[0])
    w = _half_block(data, at + 32, z + w[1], y + _number(data, at + 16))
    return z, y, x, v, w


def _half_block(data: bytes, at: int, a: int, b: int) -> Pair:
    """Mixes 32 bytes into two numbers."""
    first, last = _number(data, at), _number(data, at + 24)
    a += first
    b = _rotate(b + a + last, 21)
    total = a + _number(data, at + 8) + _number(data, at + 16)
    return (total + last) & _MASK, (b + _rotate(total, 44) + a) & _MASK


def _number(data: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _rotate(value: int, bits: int) -> int:
    value &= _MASK
    return (value >> bits) | (value << (64 - bits) & _MASK)


def _shift(value: int) -> int:
    value &= _MASK
    return value ^ (value >> 47)


def _mix(first: int, second: int, multiplier: int) -> int:
    mixed = _shift((first ^ second) * multiplier)
    return _shift(((second & _MASK) ^ mixed) * multiplier) * multiplier & _MASK
