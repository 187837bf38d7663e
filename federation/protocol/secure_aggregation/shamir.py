"""Secrets of 16 bytes split into shares, any `threshold` of which recover the secret: Shamir 1979 (CACM 22), over GF(2^128).

Field and format are those of `Crypto.Protocol.SecretSharing` in pycryptodome (a test compares the two). That library makes one
share at a time and multiplies bit by bit: a hundred devices that each share two secrets among all others took minutes with it.
Here the arithmetic handles many elements at once, in large Python integers:

- **Lanes.** To split, elements stand side by side in one integer, one lane of 144 bits for each share. Their sum is one XOR.
  Multiplying every lane by the number of its share, a polynomial of few bits, takes one shift for each of those bits. Bits beyond
  the 128th are folded back by x^128 = x^7 + x^2 + x + 1.
- **Digits.** To recover, an element is spread out, one bit in each byte. The product of two such integers counts in every byte how
  often its bit occurs (at most 128 times, so that nothing carries over). It is the product over GF(2) if odd counts are read as 1.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from data.errors import DataError

SIZE = 16  # bytes of a secret, and of a share
MOST_SHARES = 2**15

_LANE = 144  # bits of a lane: an element, and the excess of its product with a share's number
_ELEMENT = 2**128 - 1
_OVER = (1 << _LANE - 128) - 1
_MODULUS = 1 << 128 | 0b10000111
_ONES = int.from_bytes(b"\1" * 128)  # the lowest bit of each byte of a spread element
_PRODUCT = int.from_bytes(b"\1" * 256)
_CHARACTERS = int.from_bytes(b"0" * 128)


def split(secret: bytes, threshold: int, count: int, random: Callable[[int], bytes]) -> list[bytes]:
    """Returns the shares of a secret, numbered from 1. Fewer than `threshold` of them reveal nothing about it.

    Args:
      secret: 16 bytes.
      threshold: number of shares that recover it.
      count: number of shares.
      random: takes a number and returns as many unpredictable bytes.

    Raises:
      DataError: the secret does not have 16 bytes, or not 1 <= threshold <= count <= MOST_SHARES.
    """
    if len(secret) != SIZE or not 1 <= threshold <= count <= MOST_SHARES:
        raise DataError(f"{len(secret)} bytes cannot be split so that {threshold} of {count} shares recover them")
    ones, values = _lanes(count), 0
    number_bits = _number_bits(tuple(range(1, count + 1)))
    for coefficient in [*(random(SIZE) for _ in range(threshold - 1)), secret]:  # Horner's method
        values = _times_numbers(values, number_bits, ones) ^ int.from_bytes(coefficient) * ones
    octets = values.to_bytes(count * _LANE // 8, "little")
    return [octets[at : at + SIZE][::-1] for at in range(0, len(octets), _LANE // 8)]


def combine(shares: Sequence[tuple[int, bytes]]) -> bytes:
    """Recovers a secret from as many numbered shares as its threshold: the polynomial at 0, by Lagrange's formula.

    Raises:
      DataError: there are no shares, two have the same number, a number is out of range, or a share does not have 16 bytes.
    """
    numbers = tuple(number for number, _ in shares)
    if not shares or len(set(numbers)) < len(shares) or not all(0 < n <= MOST_SHARES for n in numbers):
        raise DataError("the shares that recover a secret must have different numbers")
    if any(len(share) != SIZE for _, share in shares):
        raise DataError(f"a share must have {SIZE} bytes")
    total = 0
    for weight, (_, share) in zip(_weights(numbers), shares, strict=True):
        total ^= weight * _spread(share) & _PRODUCT
    return _element(_folded(total)).to_bytes(SIZE)


@lru_cache(maxsize=64)
def _weights(numbers: tuple[int, ...]) -> list[int]:
    """Returns the spread factors w_j of shares with these numbers, which recover a secret as the sum of w_j y_j."""
    # w_j = (product of all x) / d_j,  d_j = x_j * product of (x_j + x_m) over the others
    ones, values = _lanes(len(numbers)), _lanes(len(numbers))
    number_bits = _number_bits(numbers)
    for place, number in enumerate(numbers):
        # This share's own lane would be multiplied by x_j + x_j = 0, and takes x_j instead.
        own = _ELEMENT << _LANE * place
        differences = [bits ^ ones * _ELEMENT * (number >> b & 1) for b, bits in enumerate(number_bits)]
        factors = [d & ~own | bits & own for d, bits in zip(differences, number_bits, strict=True)]
        values = _times_numbers(values, factors, ones)
    octets = values.to_bytes(len(numbers) * _LANE // 8, "little")
    below = [_spread(octets[at : at + SIZE][::-1]) for at in range(0, len(octets), _LANE // 8)]
    # One inversion serves all shares: that of d_1 ... d_t, from which each inverse follows in turn.
    products = [1]
    for d in below:
        products.append(_times(products[-1], d))
    inverse = _spread(_inverse(_element(products[-1])).to_bytes(SIZE))
    for number in numbers:
        inverse = _times(inverse, _spread(number.to_bytes(SIZE)))
    found = [0] * len(numbers)
    for place in range(len(numbers) - 1, -1, -1):
        found[place] = _times(inverse, products[place])
        inverse = _times(inverse, below[place])
    return found


@lru_cache(maxsize=64)
def _lanes(count: int) -> int:
    """Returns a 1 in each lane."""
    return int.from_bytes(b"".join((1).to_bytes(_LANE // 8, "little") for _ in range(count)), "little")


@lru_cache(maxsize=256)
def _number_bits(numbers: tuple[int, ...]) -> list[int]:
    """Returns, for each bit of the numbers, a mask of the lanes whose number has that bit."""
    element, zeros = _ELEMENT.to_bytes(_LANE // 8, "little"), bytes(_LANE // 8)
    bits = max(numbers).bit_length()
    lanes = (b"".join(element if n >> b & 1 else zeros for n in numbers) for b in range(bits))
    return [int.from_bytes(octets, "little") for octets in lanes]


def _times_numbers(values: int, number_bits: Sequence[int], ones: int) -> int:
    """Multiplies each lane by its number."""
    product = 0
    for b, lanes in enumerate(number_bits):
        product ^= (values & lanes) << b
    over = product >> 128 & ones * _OVER
    return product & ones * _ELEMENT ^ over ^ over << 1 ^ over << 2 ^ over << 7


def _spread(element: bytes) -> int:
    """Spreads an element, one bit in each byte."""
    return int.from_bytes(f"{int.from_bytes(element):0128b}".encode()) & _ONES


def _element(spread: int) -> int:
    """Returns the element that was spread out."""
    return int((spread | _CHARACTERS).to_bytes(128), 2)


def _times(left: int, right: int) -> int:
    """Multiplies two spread elements."""
    return _folded(left * right & _PRODUCT)


def _folded(product: int) -> int:
    """Returns the spread element that a product of two, or a sum of products, is."""
    for _ in range(2):  # the first fold leaves up to 7 bits beyond the 128th
        over = product >> 8 * 128
        product = product & _ONES ^ over ^ over << 8 ^ over << 16 ^ over << 56
    return product


def _inverse(element: int) -> int:
    """Inverts an element other than 0 by Euclid's algorithm for polynomials."""
    left, right, of_left, of_right = _MODULUS, element, 0, 1
    while right != 1:
        shift = left.bit_length() - right.bit_length()
        if shift < 0:
            left, right, of_left, of_right, shift = right, left, of_right, of_left, -shift
        left ^= right << shift
        of_left ^= of_right << shift
        if left == 1:
            return of_left
    return of_right
