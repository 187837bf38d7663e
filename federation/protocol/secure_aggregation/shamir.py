"""Secrets of 16 bytes in shares, any `threshold` of which recover it: Shamir 1979 (CACM 22), over GF(2^128).

Field and format are those of `Crypto.Protocol.SecretSharing` in pycryptodome (a test holds the two to each other), which makes
one share at a time and multiplies bit by bit: there a hundred devices that each share two secrets among all others took minutes.
Here the arithmetic is done on many elements at once, in large whole numbers of Python:

- **Lanes.** To split, elements stand side by side in one number, one lane of 144 bits for each share. Their sum is one XOR; to
  multiply every lane by the number of its share, a polynomial of few bits, takes a shift for each of these bits, and the bits
  that it carries beyond the 128th are folded back by x^128 = x^7 + x^2 + x + 1.
- **Digits.** To recover, an element is spread out, a bit in each byte. The product of two such numbers counts in every byte how
  often its bit comes up (at most 128 times, so that nothing carries over), and is the product over GF(2) where the counts are odd.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from data.errors import DataError

SIZE = 16  # bytes of a secret, and of a share
MOST_SHARES = 2**15

_LANE = 144  # bits: of an element, and of what its product with the number of a share has more
_ELEMENT = 2**128 - 1
_OVER = 2 ** (_LANE - 128) - 1
_ONES = int.from_bytes(b"\1" * 128)  # the lowest bit of each byte, of an element spread out
_PRODUCT = int.from_bytes(b"\1" * 256)
_CHARACTERS = int.from_bytes(b"0" * 128)


def split(secret: bytes, threshold: int, count: int, random: Callable[[int], bytes]) -> list[bytes]:
    """The shares of a secret, numbered from 1; fewer than `threshold` of them tell nothing about it.

    Args:
      secret: 16 bytes.
      threshold: how many recover it.
      count: how many there are.
      random: so many bytes that nobody can foretell.

    Raises:
      DataError: the secret is not of 16 bytes, or so many shares of so many there cannot be.
    """
    if len(secret) != SIZE or not 1 <= threshold <= count <= MOST_SHARES:
        raise DataError(f"{SIZE} bytes are split, and recovered by {threshold} of {count} shares")
    ones, values = _lanes(count), 0
    number_bits = _number_bits(tuple(range(1, count + 1)))
    for coefficient in [*(random(SIZE) for _ in range(threshold - 1)), secret]:  # Horner's method
        values = _times_numbers(values, number_bits, ones) ^ int.from_bytes(coefficient) * ones
    octets = values.to_bytes(count * _LANE // 8, "little")
    return [octets[at : at + SIZE][::-1] for at in range(0, len(octets), _LANE // 8)]


def combine(shares: Sequence[tuple[int, bytes]]) -> bytes:
    """The secret, from as many shares as the threshold says, with their numbers: the polynomial at 0, by Lagrange's formula.

    Raises:
      DataError: there is none, one is there twice, or one is not of 16 bytes.
    """
    numbers = tuple(number for number, _ in shares)
    if not shares or len(set(numbers)) < len(shares) or not all(0 < n <= MOST_SHARES for n in numbers):
        raise DataError("shares that recover a secret have different numbers")
    if any(len(share) != SIZE for _, share in shares):
        raise DataError(f"a share has {SIZE} bytes")
    # secret = (product of all x) * sum of y_j / d_j,  d_j = x_j * product of (x_j + x_m) over the others
    ones, values = _lanes(len(shares)), _lanes(len(shares))
    number_bits = _number_bits(numbers)
    for place, number in enumerate(numbers):
        # This share's own lane would be multiplied by x_j + x_j = 0: it takes its x_j there.
        own = _ELEMENT << _LANE * place
        differences = [bits ^ ones * _ELEMENT * (number >> b & 1) for b, bits in enumerate(number_bits)]
        factors = [d & ~own | bits & own for d, bits in zip(differences, number_bits, strict=True)]
        values = _times_numbers(values, factors, ones)
    octets = values.to_bytes(len(shares) * _LANE // 8, "little")
    below = [_spread(octets[at : at + SIZE][::-1]) for at in range(0, len(octets), _LANE // 8)]
    # One inverse serves all: that of d_1 ... d_t, from which the others are taken off one by one.
    products = [1]
    for d in below:
        products.append(_times(products[-1], d))
    inverse, total = _inverse(products[-1]), 0
    for place in range(len(shares) - 1, -1, -1):
        total ^= _times(_spread(shares[place][1]), _times(inverse, products[place]))
        inverse = _times(inverse, below[place])
    for number in numbers:
        total = _times(total, _spread(number.to_bytes(SIZE)))
    return int((total | _CHARACTERS).to_bytes(128), 2).to_bytes(SIZE)


@lru_cache(maxsize=64)
def _lanes(count: int) -> int:
    """A 1 in each lane."""
    return int.from_bytes(b"".join((1).to_bytes(_LANE // 8, "little") for _ in range(count)), "little")


@lru_cache(maxsize=256)
def _number_bits(numbers: tuple[int, ...]) -> list[int]:
    """For each bit that a number may have, the lanes whose number has it, as masks of elements."""
    element, none = _ELEMENT.to_bytes(_LANE // 8, "little"), bytes(_LANE // 8)
    most = max(numbers).bit_length()
    lanes = (b"".join(element if n >> b & 1 else none for n in numbers) for b in range(most))
    return [int.from_bytes(octets, "little") for octets in lanes]


def _times_numbers(values: int, number_bits: Sequence[int], ones: int) -> int:
    """Each lane times its number."""
    product = 0
    for b, lanes in enumerate(number_bits):
        product ^= (values & lanes) << b
    over = product >> 128 & ones * _OVER
    return product & ones * _ELEMENT ^ over ^ over << 1 ^ over << 2 ^ over << 7


def _spread(element: bytes) -> int:
    """An element with one bit in each byte."""
    return int.from_bytes(f"{int.from_bytes(element):0128b}".encode()) & _ONES


def _times(left: int, right: int) -> int:
    """The product of two elements that are spread out."""
    product = left * right & _PRODUCT
    for _ in range(2):  # the first fold carries up to 7 bits beyond the 128th again
        over = product >> 8 * 128
        product = product & _ONES ^ over ^ over << 8 ^ over << 16 ^ over << 56
    return product


def _inverse(element: int) -> int:
    """The inverse of an element that is spread out and not 0: its power of 2^128 - 2 (Fermat)."""
    result = 1
    for _ in range(127):
        element = _times(element, element)
        result = _times(result, element)
    return result
