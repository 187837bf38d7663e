"""The lexicon of a vocabulary: which entries are words, and in which case they are usually written.

A vocabulary holds everything that enough people wrote, typos included. A lexicon gives each of its entries

- a protection in nats: by how much a correction has to score better than the typed word. It is the log-odds that the person meant
  the typed letters, from their frequency in public text and that of the words that one typing error turns into them. An entry with
  a protection of -inf is not a word: it is never suggested, and it is corrected like letters that the vocabulary lacks;
- a second protection, against the same letters with an apostrophe: people leave it out of "I'll", but may also mean "ill";
- its usual case: "Monday", "I'm", "McKinley".

Two Bloom filters (Bloom 1970, "Space/Time Trade-offs in Hash Coding with Allowable Errors") represent the words that the
vocabulary lacks: one says whether a text is such a word, the other whether it is usually capitalized. About one in two thousand
other texts passes a filter by mistake. The file does not contain the words themselves.

The file `lexicon.safetensors`, version 1, holds for a vocabulary of V entries

    protection  F16 [V]   nats, at most `MOST_PROTECTION`; -inf for an entry that is not a word
    apostrophe  F16 [V]   nats, likewise; applies to letters with an apostrophe where it is lower than the protection
    capitals    U32 [V]   bit i is set if letter i is a capital in the usual case; 0 for lower case
    words       U8 [any]  the Bloom filter of the other words, in lower case; `_places` gives the bits of a word
    names       U8 [any]  the Bloom filter of those among them with a capital first letter

and the strings `format` ("lexicon"), `version` ("1"), `vocabulary_sha256`, and `sources` and `license` for people.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.files import read_bounded, write_by_rename
from model.device.safetensors_format import SafetensorsError, deserialize, serialize

MOST_PROTECTION = 5.0  # nats
LONGEST = 32  # letters; the usual case of longer words is not stored

_FORMAT, _VERSION = "lexicon", "1"
_EXPECTED = {  # the type of each array, and whether it has an entry for each of the vocabulary
    "protection": (np.float16, True),
    "apostrophe": (np.float16, True),
    "capitals": (np.uint32, True),
    "words": (np.uint8, False),
    "names": (np.uint8, False),
}
_MAX_BYTES = 1 << 20
_BITS = 16  # bits of a filter per word, for an error rate of one in two thousand
_HASHES = 11


@dataclass(frozen=True)
class Lexicon:
    """The content of the file; the arrays are described above."""

    vocabulary_sha256: str
    protection: NDArray[np.float16]
    apostrophe: NDArray[np.float16]
    capitals: NDArray[np.uint32]
    words: NDArray[np.uint8]
    names: NDArray[np.uint8]
    sources: str = ""
    license: str = ""

    def is_word(self, word: int) -> bool:
        """Returns whether the vocabulary's entry with this id is a word."""
        return bool(self.protection[word] > -np.inf)

    def knows(self, word: str) -> bool:
        """Returns whether a lower-case word that the vocabulary lacks is a word."""
        return in_filter(self.words, word)

    def usual_case(self, word: str, known: int | None) -> str:
        """Returns a lower-case word in its usual case; `known` is its id in the vocabulary, None if it has none."""
        if known is None:
            return word[:1].upper() + word[1:] if self.knows(word) and in_filter(self.names, word) else word
        capitals = int(self.capitals[known])
        return "".join(c.upper() if capitals >> i & 1 else c for i, c in enumerate(word)) if capitals else word

    def to_bytes(self) -> bytes:
        """Returns the content of the file."""
        arrays = {name: getattr(self, name) for name in _EXPECTED}
        strings = {name: getattr(self, name) for name in ("vocabulary_sha256", "sources", "license")}
        return serialize(arrays, strings | {"format": _FORMAT, "version": _VERSION})


def save_lexicon(path: Path, lexicon: Lexicon) -> None:
    """Writes a lexicon by rename.

    Raises:
      DataError: the file would exceed the size limit.
    """
    content = lexicon.to_bytes()
    if len(content) > _MAX_BYTES:
        raise DataError(
            f"{path}: the lexicon has {len(content):,} bytes, more than the {_MAX_BYTES:,} that it may have"
        )
    write_by_rename(path, content)


def load_lexicon(path: Path, vocabulary_sha256: str, size: int) -> Lexicon:
    """Reads a file that `save_lexicon` wrote for the vocabulary with this digest and this number of entries.

    Raises:
      DataError: the file cannot be read, is damaged, is of another version, or belongs to another vocabulary.
    """
    content = read_bounded(path, _MAX_BYTES, "the lexicon", "make it again with `federate lexicon`")
    try:
        arrays, strings = deserialize(content)
    except SafetensorsError as error:
        raise DataError(f"{path} is damaged ({error}): make it again with `federate lexicon`") from error
    if strings.get("format") != _FORMAT or strings.get("version") != _VERSION:
        raise DataError(f"{path} is not a lexicon of version {_VERSION}: make it again with `federate lexicon`")
    if strings.get("vocabulary_sha256") != vocabulary_sha256:
        raise DataError(f"{path} belongs to another vocabulary: make it again with `federate lexicon`")
    if arrays.keys() != _EXPECTED.keys():
        raise DataError(f"{path} lacks a part of a lexicon: make it again with `federate lexicon`")
    for name, (kind, of_vocabulary) in _EXPECTED.items():
        array = arrays[name]
        if array.dtype != kind or array.ndim != 1 or (of_vocabulary and len(array) != size):
            raise DataError(f"{path}: {name} has the wrong type or shape: make it again with `federate lexicon`")
    if not all((arrays[name] <= MOST_PROTECTION).all() for name in ("protection", "apostrophe")):  # also false of NaN
        raise DataError(
            f"{path} protects a word by more than {MOST_PROTECTION} nats: make it again with `federate lexicon`"
        )
    return Lexicon(vocabulary_sha256, **arrays, sources=strings.get("sources", ""), license=strings.get("license", ""))


def capitals_of(written: str) -> int:
    """Returns the bits of the capital letters of a word as it is written, as `Lexicon.capitals` has them.

    The result is 0 if lower case and bits cannot restore the word: it is too long, or lower-casing changes its number of letters.
    """
    bits = sum(1 << i for i, c in enumerate(written[:LONGEST]) if c != c.lower())
    back = "".join(c.upper() if bits >> i & 1 else c for i, c in enumerate(written.lower()))
    return bits if back == written else 0


def make_filter(words: Iterable[str]) -> NDArray[np.uint8]:
    """Returns the Bloom filter of some words, at least one byte."""
    kept = set(words)
    bits = np.zeros(8 * math.ceil(max(_BITS * len(kept), 8) / 8), np.uint8)
    for word in kept:
        bits[_places(word, len(bits))] = 1
    return np.packbits(bits, bitorder="little")


def in_filter(filter_: NDArray[np.uint8], word: str) -> bool:
    """Returns whether a word is in a Bloom filter; about one in two thousand other words passes by mistake."""
    return all(filter_[place >> 3] >> (place & 7) & 1 for place in _places(word, 8 * len(filter_)))


def _places(word: str, size: int) -> list[int]:
    """Returns the bits of a word in a filter of `size` bits, by double hashing (Kirsch and Mitzenmacher 2006)."""
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    first, step = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
    return [(first + number * step) % size for number in range(_HASHES)]
