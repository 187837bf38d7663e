"""The second sum of word discovery: a table from whose sum the words and the number of their devices can be read.

The table is an invertible Bloom look-up table (Goodrich and Mitzenmacher 2011, arXiv 1101.2245), equal cell by cell to the one of
`tff.analytics.heavy_hitters.iblt` of TFF 0.87 with values of shape [1], in NumPy because devices have no TensorFlow. All numbers
are below the prime p = 2^31 - 1. With R repetitions and T rows, a word w with the bytes b_0, b_1, … has R rows

    h_r = Fingerprint64("<seed + r>;" + w) mod T        r = 0 … R - 1

to which it adds these columns, modulo p:

    chunks    b_0 + 2^8 b_1 + 2^16 b_2, and so on for each three bytes, the last ones padded with zeros
    count     1
    check     Fingerprint64("hash_check_<seed>" + w) mod p

and its value, 1, to a second table. The vector of a device is the first table [R, T, chunks + 2], then the second one [R, T].

Vectors are summed as whole numbers, without wrapping, and taken modulo p by the decoder (`federation.discovery.decoding`). A sum
over n devices needs `bits_of_sum` bits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from federation.protocol.discovery.fingerprint import fingerprint64
from federation.protocol.json_messages import Between, JsonMessage

PRIME = 2**31 - 1
LONGEST_BYTES = 42  # of a word, in UTF-8: 20 letters of alphabets with two bytes a letter, and 14 whole chunks

_CHUNK = 3  # bytes of a word in one number below the prime
# Rows of a table for one word at which decoding begins to succeed, by repetitions (arXiv 1101.2245, Table 1).
_ROWS = {3: 1.222, 4: 1.295, 5: 1.425, 6: 1.570}


@dataclass(frozen=True)
class TableTerms(JsonMessage):
    """The terms of the second sum: public, and the same for all its devices.

    From a capacity of 100,000 on, TFF would choose rows in another way.

    Raises:
      DataError: a number is not within its bounds.
    """

    capacity: Annotated[int, Between(1, 99_999)]  # greatest number of different words of all devices together
    longest_bytes: Annotated[int, Between(1, 256)] = LONGEST_BYTES  # of a word, in UTF-8
    repetitions: Annotated[int, Between(min(_ROWS), max(_ROWS))] = 4  # rows of each word
    seed: Annotated[int, Between(0, 2**32 - 1)] = 0

    @property
    def rows(self) -> int:
        """The number T of rows of each repetition."""
        return int(1.1 * (_ROWS[self.repetitions] * self.capacity) / self.repetitions + 10)

    @property
    def chunks(self) -> int:
        """The number of columns that hold the bytes of words."""
        return -(-self.longest_bytes // _CHUNK)


def table_size(terms: TableTerms) -> int:
    """Returns the length of a device's vector."""
    return terms.repetitions * terms.rows * (terms.chunks + 3)


def bits_of_sum(devices: int) -> int:
    """Returns the bits of an entry of the sum of `table_vector` over at most this many devices.

    An entry of one device is below the prime, whatever its words are.
    """
    return (devices * (PRIME - 1)).bit_length()


def table_vector(words: Iterable[str], terms: TableTerms) -> NDArray[np.uint64]:
    """Returns a device's vector [table_size]; each word counts once.

    Raises:
      DataError: a word is empty, too long, or contains a zero byte, so that it would be read as another word.
    """
    encoded = [word.encode() for word in dict.fromkeys(words)]
    if any(not word or len(word) > terms.longest_bytes or 0 in word for word in encoded):
        raise DataError(f"a word of the table must have 1 to {terms.longest_bytes} bytes, none of them zero")
    cells = np.zeros((terms.repetitions, terms.rows, terms.chunks + 2), np.uint64)
    values = np.zeros((terms.repetitions, terms.rows), np.uint64)
    padded = b"".join(word.ljust(terms.chunks * _CHUNK, b"\0") for word in encoded)
    octets = np.frombuffer(padded, np.uint8).reshape(len(encoded), terms.chunks, _CHUNK)
    columns = np.ones((len(encoded), terms.chunks + 2), np.uint64)
    columns[:, :-2] = octets @ np.array([1, 2**8, 2**16], np.uint64)
    columns[:, -1] = [fingerprint64(b"hash_check_%d%s" % (terms.seed, word)) % PRIME for word in encoded]
    for repetition in range(terms.repetitions):
        salt = b"%d;" % (terms.seed + repetition)
        rows = [fingerprint64(salt + word) % terms.rows for word in encoded]
        np.add.at(cells[repetition], rows, columns)
        np.add.at(values[repetition], rows, 1)
    return np.concatenate([(cells % np.uint64(PRIME)).ravel(), values.ravel()])
