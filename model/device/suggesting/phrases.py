"""Phrases of public text: an n-gram model in a small file, mixed into the network's probabilities.

A network of a million weights generalizes, and forgets most of the rarer phrases that it was trained on. A table remembers them.
The table is an interpolated modified Kneser-Ney model (Chen and Goodman 1999, Section 3) over the words of a vocabulary. After a
context h of n tokens, of which h' are the last n - 1,

    P(w | h) = (c(h, w) - d_n(c(h, w))) / C(h) + e(h) P(w | h'),    C(h) = r(h) + sum of c(h, w) over the words that the file has

where c is a count, d_n a discount, and r(h) the count of all words that the file leaves out after h. e(h) is the share of C(h)
that is left, so that the probabilities add up to 1 whatever the counts are. The empty context interpolates with the uniform
distribution. A context that the file lacks changes nothing: the next shorter one decides. With the network and a weight m,

    P(w) = (1 - m) P_network(w) + m (1 - s) P(w | h)

where s is the probability that the network gives to the special tokens, which keep it: the table predicts words only.

The file `phrases.bin`, version 1, at most 2 MB, is in the safetensors format. Contexts are the nodes of a tree: a context of n
tokens is a child of the context of its last n - 1. They are in breadth-first order, the children of one node in the order of their
words. For C contexts, N n-grams, S sources, and n-grams of at most L tokens, the file holds

    context_words   U16 [C]     the first token of each context; 0 for the empty context, which comes first
    children        U16 [C]     the number of children of each context
    continuations   U16 [C]     the number of words that the file has after each context
    words           U16 [N]     these words, in ascending order for each context
    counts          U8 [S, N]   the count of each of them in each source, as an index of `COUNTS`
    rests           U8 [S, C]   the count of all other words after each context, likewise
    discounts       F32 [L, 3]  d_n of counts 1, 2 and more, for contexts of 0, 1, … tokens; between whole counts it is linear
    source_weights  F32 [S]     the weight at which the counts of each source are added

and the strings `format` ("phrases"), `version` ("1"), `vocabulary_sha256`, `weight` (m), `sources` and `license` for people, and
`sha256`, the digest of the file without this string. A second source, such as counts that keyboards sum up in private, is a second
row of counts: an n-gram that only one source has counts 0 in the other, and each source keeps a weight of its own.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.files import read_bounded, write_by_rename
from data.vocabulary import BOUNDARY, SPECIALS
from model.device.safetensors_format import SafetensorsError, deserialize, serialize

MAX_BYTES = 2_000_000
MOST_TOKENS = 6  # in an n-gram
MOST_SOURCES = 8

_EXACT = 32  # counts up to this one are exact
_STEPS = 12  # codes for each doubling of greater counts: they are off by at most 3%
COUNTS = np.concatenate([np.arange(_EXACT), _EXACT * 2 ** (np.arange(256 - _EXACT) / _STEPS)])  # float64 [256]

_AT_MOST = np.array([1, 2, 3], np.float32)  # discounts of counts 1, 2, and 3 and more: none may exceed its count

_FORMAT, _VERSION = "phrases", "1"
_AGAIN = "make it again with `federate phrases`"
_EXPECTED: dict[str, tuple[Any, int]] = {  # type and number of dimensions
    "context_words": (np.uint16, 1),
    "children": (np.uint16, 1),
    "continuations": (np.uint16, 1),
    "words": (np.uint16, 1),
    "counts": (np.uint8, 2),
    "rests": (np.uint8, 2),
    "discounts": (np.float32, 2),
    "source_weights": (np.float32, 1),
}


def codes_of(counts: NDArray[Any]) -> NDArray[np.uint8]:
    """Returns the index in `COUNTS` of the nearest value to each count; a count above 0 never becomes 0."""
    middles = (COUNTS[1:] + COUNTS[:-1]) / 2
    codes = np.searchsorted(middles, counts).astype(np.uint8)
    return np.where(np.asarray(counts) > 0, np.maximum(codes, 1), 0).astype(np.uint8)


@dataclass(frozen=True)
class Phrases:
    """The content of the file, which is described above.

    Raises:
      ValueError: the arrays contradict each other, so that they give no probabilities.
    """

    vocabulary_sha256: str
    vocabulary: int  # V, the number of words, special tokens included
    weight: float  # m, from 0 to 1
    context_words: NDArray[np.uint16]
    children: NDArray[np.uint16]
    continuations: NDArray[np.uint16]
    words: NDArray[np.uint16]
    counts: NDArray[np.uint8]
    rests: NDArray[np.uint8]
    discounts: NDArray[np.float32]
    source_weights: NDArray[np.float32]
    sources: str = ""
    license: str = ""

    def __post_init__(self) -> None:
        _check_tree(self)
        _check_counts(self)

    @cached_property
    def _first_child(self) -> NDArray[np.uint32]:
        return _starts(self.children, first=1)

    @cached_property
    def _first_word(self) -> NDArray[np.uint32]:
        return _starts(self.continuations)

    @cached_property
    def _of_single_words(self) -> NDArray[np.float32]:
        """The distribution after the empty context, float32 [V]."""
        found = np.zeros(self.vocabulary, np.float32)
        words, shares = self._continuing(0, 0)
        found[len(SPECIALS) :] = (1 - shares.sum()) / (self.vocabulary - len(SPECIALS))
        found[words] += shares
        return found

    def probabilities(self, context: Sequence[int]) -> NDArray[np.float32]:
        """Returns P(w | h) of each word after the ids of the message so far, without `<s>`: float32 [V], 0 for special tokens."""
        found = list(self._shares(context))
        left = 1.0
        for place in range(len(found) - 1, -1, -1):  # each share is multiplied by what the longer contexts leave
            words, shares = found[place]
            found[place] = words, left * shares
            left *= 1 - shares.sum()
        mixed = self._of_single_words * np.float32(left)
        for words, shares in found:
            mixed[words] += shares.astype(np.float32)
        return mixed

    def mixed_into(self, network: NDArray[np.float32], context: Sequence[int]) -> NDArray[np.float32]:
        """Returns the network's probabilities [V] with this model mixed in at its weight, [V], of the same sum."""
        mixed = np.float32(1 - self.weight) * network
        mixed += np.float32(self.weight) * network[len(SPECIALS) :].sum() * self.probabilities(context)
        mixed[: len(SPECIALS)] = network[: len(SPECIALS)]
        return mixed

    def _shares(self, context: Sequence[int]) -> Iterator[tuple[NDArray[np.uint16], NDArray[np.float64]]]:
        """Yields for contexts of one token, two, and so on: the words that the file has after it, and their shares of C(h)."""
        node, longest = 0, len(self.discounts) - 1  # tokens of the longest contexts
        newest = [BOUNDARY, *context[-longest - 1 :]][::-1][:longest]
        for depth, token in enumerate(newest, 1):
            start, end = self._first_child[node : node + 2]
            place = int(np.searchsorted(self.context_words[start:end], token)) + int(start)
            if place == end or self.context_words[place] != token:
                return
            node = place
            if self.continuations[node]:
                yield self._continuing(node, depth)

    def _continuing(self, node: int, depth: int) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
        start, end = self._first_word[node : node + 2]
        counts = self.source_weights @ COUNTS[self.counts[:, start:end]]
        total = counts.sum() + self.source_weights @ COUNTS[self.rests[:, node]]
        return self.words[start:end], (counts - self._discount(counts, depth)) / total

    def _discount(self, counts: NDArray[np.float64], depth: int) -> NDArray[np.float64]:
        discount: NDArray[np.float64] = np.interp(counts, range(4), [0.0, *self.discounts[depth]])
        return discount

    def to_bytes(self) -> bytes:
        """Returns the content of the file."""
        arrays = {name: getattr(self, name) for name in _EXPECTED}
        strings = {name: getattr(self, name) for name in ("vocabulary_sha256", "sources", "license")}
        strings |= {"format": _FORMAT, "version": _VERSION, "weight": repr(float(self.weight))}
        return serialize(arrays, strings | {"sha256": _digest(arrays, strings)})


def save_phrases(path: Path, phrases: Phrases) -> None:
    """Writes phrases by rename.

    Raises:
      DataError: the file would exceed the size limit.
    """
    content = phrases.to_bytes()
    if len(content) > MAX_BYTES:
        raise DataError(
            f"{path}: the phrases have {len(content):,} bytes, more than the {MAX_BYTES:,} that they may have"
        )
    write_by_rename(path, content)


def load_phrases(path: Path, vocabulary_sha256: str, size: int) -> Phrases:
    """Reads a file that `save_phrases` wrote for the vocabulary with this digest and this number of entries.

    Raises:
      DataError: the file cannot be read, is damaged, is of another version, or belongs to another vocabulary.
    """
    content = read_bounded(path, MAX_BYTES, "the phrases", _AGAIN)
    return read_phrases(content, vocabulary_sha256, size, str(path))


def read_phrases(content: bytes, vocabulary_sha256: str, size: int, name: str = "the file of phrases") -> Phrases:
    """Reads the content of a file, as `load_phrases` does; `name` is what messages call it.

    Raises:
      DataError: the content is too large, damaged, or of another version, or belongs to another vocabulary.
    """
    if len(content) > MAX_BYTES:
        raise DataError(f"{name} is too large for phrases: {_AGAIN}")
    try:
        arrays, strings = deserialize(content)
    except SafetensorsError as error:
        raise DataError(f"{name} is damaged ({error}): {_AGAIN}") from error
    if strings.get("format") != _FORMAT or strings.get("version") != _VERSION:
        raise DataError(f"{name} does not hold phrases of version {_VERSION}: {_AGAIN}")
    if strings.pop("sha256", "") != _digest(arrays, strings):
        raise DataError(f"{name} is damaged (its content does not have its digest): {_AGAIN}")
    if strings.get("vocabulary_sha256") != vocabulary_sha256:
        raise DataError(f"{name} belongs to another vocabulary: {_AGAIN}")
    if arrays.keys() != _EXPECTED.keys():
        raise DataError(f"{name} lacks a part of the phrases: {_AGAIN}")
    try:
        parts: dict[str, Any] = {**arrays, **{key: strings.get(key, "") for key in ("sources", "license")}}
        return Phrases(vocabulary_sha256, size, float(strings.get("weight", "")), **parts)
    except ValueError as error:
        raise DataError(f"{name} is damaged ({error}): {_AGAIN}") from error


def _digest(arrays: Mapping[str, NDArray[Any]], strings: Mapping[str, str]) -> str:
    return hashlib.sha256(serialize(arrays, strings)).hexdigest()


def _starts(numbers: NDArray[np.uint16], first: int = 0) -> NDArray[np.uint32]:
    """Returns where each of several pieces of these lengths starts and the last one ends, [len(numbers) + 1]."""
    return np.concatenate([[first], first + np.cumsum(numbers, dtype=np.int64)]).astype(np.uint32)


def _check_tree(phrases: Phrases) -> None:
    for name, (kind, dimensions) in _EXPECTED.items():
        array = getattr(phrases, name)
        if array.dtype != kind or array.ndim != dimensions:
            raise ValueError(f"{name} has the wrong type or shape")
    size, (levels, columns) = len(phrases.context_words), phrases.discounts.shape
    if len(phrases.children) != size or len(phrases.continuations) != size:
        raise ValueError("the parts of its contexts differ in length")
    if int(phrases.children.sum(dtype=np.int64)) != size - 1:
        raise ValueError("its contexts are no tree")
    if int(phrases.continuations.sum(dtype=np.int64)) != len(phrases.words):
        raise ValueError("it has more or fewer words than its contexts have")
    if not 1 <= levels <= MOST_TOKENS or columns != len(_AT_MOST):
        raise ValueError("its discounts have the wrong shape")
    begin, end = 0, 1
    for _ in range(levels):  # each turn, one more token
        begin, end = end, end + int(phrases.children[begin:end].sum(dtype=np.int64))
    if begin != end or end != size:
        raise ValueError("a context is too long or belongs to no other")
    _check_order(phrases.context_words[1:], _starts(phrases.children), 0, phrases.vocabulary)
    _check_order(phrases.words, _starts(phrases.continuations), len(SPECIALS), phrases.vocabulary)


def _check_order(words: NDArray[np.uint16], starts: NDArray[np.uint32], least: int, size: int) -> None:
    """Checks that the words of each piece are ascending ids from `least` to below `size`."""
    if len(words) and not (least <= int(words.min()) and int(words.max()) < size):
        raise ValueError("a word is not in the vocabulary")
    rises = np.diff(words.astype(np.int64)) > 0
    within = np.ones(len(words) + 1, bool)
    within[starts] = False
    if not rises[within[1:-1]].all():
        raise ValueError("words are not in order")


def _check_counts(phrases: Phrases) -> None:
    weights = phrases.source_weights
    if not 1 <= len(weights) <= MOST_SOURCES or not ((weights > 0) & (weights <= 1e6)).all():
        raise ValueError("the weight of a source is not positive")
    if phrases.counts.shape != (len(weights), len(phrases.words)):
        raise ValueError("the counts have the wrong shape")
    if phrases.rests.shape != (len(weights), len(phrases.context_words)):
        raise ValueError("the counts of the rest have the wrong shape")
    if not phrases.counts.any(axis=0).all():
        raise ValueError("a word has no count")
    if not ((phrases.discounts >= 0) & (phrases.discounts <= _AT_MOST)).all():
        raise ValueError("a discount exceeds its count or is negative")
    if not 0 <= phrases.weight <= 1:
        raise ValueError("the weight is not between 0 and 1")
