"""Adds counts of phrases by devices to the phrases of a model folder (`model.device.suggesting.phrases`).

Devices sum up in private how many of them wrote a phrase of one to three words, and each counts once. Their counts become the
second source beside the public text: c(h, w) = c_public(h, w) + weight * devices(h, w). Kneser-Ney smoothing counts the contexts
of a shorter n-gram in place of its uses, so that an n-gram of a single phrase counts little. Counting people has the same effect.

Only phrases of enough people are known, so that the counts after a context lack the rest. At least devices(h) less the sum of the
known devices(h, w) of them is missing, because every device that wrote h went on in some way; that much is added to the rest r(h).

The file keeps its size. An n-gram is worth its count times the logarithm of its probability over that of the shorter n-grams, as
in `federation.phrases`. Those of the least worth give way, public or private, and their counts join the rest of their context. The
file lacks the occurrences of shorter n-grams. They are at least those of the longer n-grams that end in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.vocabulary import BOUNDARY, SPECIALS, Vocabulary
from federation.growing.chosen_words import LEAST_DEVICES
from federation.growing.counts_files import Counts
from model.device.suggesting.phrases import COUNTS, MAX_BYTES, Phrases, codes_of

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_WORDS = 3  # in a counted phrase
# Of a device beside an occurrence in public text. 0.3, 1 and 3 were worse on validation users (`federation/records/README.md`).
DEVICES_WEIGHT = 10.0
_HEADER_BYTES = 4_096  # more than it takes
_BISECTIONS = 20
_IDS = 1 << 16  # more than a vocabulary's


@dataclass(frozen=True)
class _Tree:
    """N n-grams after C contexts, each context after the one that is a token shorter; counts of P public sources and devices."""

    parents: Integers  # [C]: the context without its first token; 0 for the empty one
    tokens: Integers  # [C]: the first token
    depths: Integers  # [C]: tokens
    keys: Integers  # [N], ascending: the context's number * 2^16 + the word
    counts: Floats  # [P + 1, N]
    rests: Floats  # [P + 1, C]

    @property
    def nodes(self) -> Integers:
        """The context of each n-gram, [N]."""
        return self.keys // _IDS

    def places(self, nodes: Integers, words: Integers) -> Integers:
        """Returns the number of the n-gram of each context and word, -1 where there is none."""
        wanted = nodes * _IDS + words
        found = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[found] == wanted, found, -1)


def add_counts(
    phrases: Phrases, counts: Counts, vocabulary: Vocabulary, weight: float, max_bytes: int = MAX_BYTES
) -> Phrases:
    """Returns phrases with the counts of devices as their last source, in at most `max_bytes` bytes.

    Counts of devices that the phrases have already are replaced.

    Args:
      phrases: the phrases of the vocabulary.
      counts: phrases of one to three words with the devices that wrote them. Those of fewer than three devices are left out, and
        so are those with a word that the vocabulary lacks.
      vocabulary: the vocabulary.
      weight: of a device beside an occurrence in public text, above 0.
      max_bytes: the greatest size of the file.

    Raises:
      DataError: no counted phrase is of the vocabulary.
    """
    longest = min(MOST_WORDS, len(phrases.discounts))
    ngrams = _ids_of(counts, vocabulary, longest)
    if not ngrams:
        raise DataError(
            "no counted phrase consists of words of the vocabulary: check that they are in the same language"
        )
    public = max(len(phrases.source_weights) - 1, 1)
    weights = np.append(phrases.source_weights[:public], np.float32(weight))
    tree = _with_devices(_read(phrases, public), ngrams, counts.devices)
    kept = _kept(tree, weights, phrases, max_bytes - _HEADER_BYTES)
    sources = f"{phrases.sources.partition('; phrases of')[0]}; phrases of {counts.devices:,} devices"
    changes: dict[str, Any] = _arrays(tree, kept)
    return replace(phrases, source_weights=weights, sources=sources, **changes)


def _ids_of(counts: Counts, vocabulary: Vocabulary, longest: int) -> dict[tuple[int, ...], int]:
    """Returns the number of devices by the ids of a phrase; `<s>` may be its first."""
    found: dict[tuple[int, ...], int] = {}
    for phrase in counts.found:
        words = phrase.text.split(" ")
        ids = tuple(BOUNDARY if place == 0 and w == "<s>" else vocabulary.id(w) for place, w in enumerate(words))
        known = all(i >= len(SPECIALS) for i in ids[1:]) and (ids[0] == BOUNDARY or ids[0] >= len(SPECIALS))
        enough = phrase.devices >= LEAST_DEVICES
        if len(ids) <= longest and known and enough and ids != (BOUNDARY,):
            found[ids] = phrase.devices
    return found


def _read(phrases: Phrases, public: int) -> _Tree:
    """Returns the n-grams of the public sources, without counts of devices."""
    size = len(phrases.context_words)
    parents = np.concatenate([[0], np.repeat(np.arange(size), phrases.children)]).astype(np.int64)
    depths = np.zeros(size, np.int64)
    for _ in range(len(phrases.discounts) - 1):  # parents come first, so that each turn is right one token further
        depths[1:] = depths[parents[1:]] + 1
    keys = np.repeat(np.arange(size, dtype=np.int64), phrases.continuations) * _IDS + phrases.words
    counts = np.vstack([COUNTS[phrases.counts[:public]], np.zeros(len(keys))])
    rests = np.vstack([COUNTS[phrases.rests[:public]], np.zeros(size)])
    some = counts.any(axis=0)
    return _Tree(parents, phrases.context_words.astype(np.int64), depths, keys[some], counts[:, some], rests)


def _with_devices(tree: _Tree, ngrams: dict[tuple[int, ...], int], devices: int) -> _Tree:
    """Returns the tree with the counts of devices by the ids of each n-gram."""
    parents, tokens, depths = list(tree.parents), list(tree.tokens), list(tree.depths)
    children = dict(zip(zip(parents[1:], tokens[1:], strict=True), range(1, len(parents)), strict=True))

    def node_of(context: Sequence[int]) -> int:
        node = 0
        for token in reversed(context):
            if (child := children.get((node, token))) is None:
                child = children[node, token] = len(parents)
                parents.append(node)
                tokens.append(token)
                depths.append(depths[node] + 1)
            node = child
        return node

    keys = np.array([node_of(ids[:-1]) * _IDS + ids[-1] for ids in ngrams], np.int64)
    numbers = np.array(list(ngrams.values()), np.float64)
    everything = np.union1d(tree.keys, keys)
    counts = np.zeros((len(tree.counts), len(everything)))
    counts[:, np.searchsorted(everything, tree.keys)] = tree.counts
    counts[-1, np.searchsorted(everything, keys)] = numbers
    rests = np.zeros((len(tree.rests), len(parents)))
    rests[:, : len(tree.parents)] = tree.rests
    written = np.zeros(len(parents))  # devices that wrote each context
    for ids, number in [*ngrams.items(), ((BOUNDARY,), devices)]:
        node = 0
        for token in reversed(ids):
            node = children.get((node, token), -1)
            if node < 0:
                break
        else:
            written[node] = number
    known = np.bincount(everything // _IDS, counts[-1], len(parents))
    rests[-1] = np.where(known > 0, np.maximum(written - known, 0), 0)
    contexts = [np.array(part, np.int64) for part in (parents, tokens, depths)]
    return _Tree(contexts[0], contexts[1], contexts[2], everything, counts, rests)


def _kept(tree: _Tree, weights: NDArray[np.float32], phrases: Phrases, max_bytes: int) -> Flags:
    """Returns which n-grams stay so that the arrays have at most `max_bytes` bytes; single words all do."""
    worth = _worth(tree, weights, phrases)
    single: Flags = tree.nodes == 0
    sources = len(weights)

    def size(least: float) -> int:
        kept = single | (worth > least)
        return (6 + sources) * int(_needed(tree, kept).sum()) + (2 + sources) * int(kept.sum())

    if size(-np.inf) <= max_bytes:
        return np.ones(len(worth), bool)
    if size(0.0) <= max_bytes:
        return np.logical_or(single, worth > 0)
    low, high = 0.0, float(worth.max())
    for _ in range(_BISECTIONS):
        middle = (low * high) ** 0.5 if low else high / 1_000
        low, high = (middle, high) if size(middle) > max_bytes else (low, middle)
    return np.logical_or(single, worth > high)


def _needed(tree: _Tree, kept: Flags) -> Flags:
    """Returns which contexts the kept n-grams need: their own and those that are shorter."""
    needed = np.zeros(len(tree.parents), bool)
    needed[tree.nodes[kept]] = needed[0] = True
    for depth in range(int(tree.depths.max()), 0, -1):
        needed[tree.parents[needed & (tree.depths == depth)]] = True
    return needed


def _worth(tree: _Tree, weights: NDArray[np.float32], phrases: Phrases) -> Floats:
    """Returns what each n-gram is worth in nats, [N]."""
    nodes, words = tree.nodes, tree.keys % _IDS
    counts, taken = weights @ tree.counts, np.zeros(len(tree.keys))
    for depth, discount in enumerate(phrases.discounts):
        of_depth = tree.depths[nodes] == depth
        taken[of_depth] = np.interp(counts[of_depth], range(4), [0.0, *discount])
    totals = np.maximum(np.bincount(nodes, counts, len(tree.parents)) + weights @ tree.rests, 1e-9)
    shares = (counts - taken) / totals[nodes]
    left = 1 - np.bincount(nodes, shares, len(tree.parents))
    shorter, factor, context = np.zeros(len(nodes)), np.ones(len(nodes)), nodes
    for _ in range(int(tree.depths.max())):
        deep = context > 0
        context = np.where(deep, tree.parents[context], context)
        place = tree.places(context, words)
        shorter += np.where(deep & (place >= 0), factor * shares[place], 0.0)
        factor = np.where(deep, factor * left[context], factor)
    shorter += factor / (phrases.vocabulary - len(SPECIALS))
    uses = counts.copy()
    for depth in range(int(tree.depths.max()), 0, -1):
        longer = np.flatnonzero(tree.depths[nodes] == depth)
        place = tree.places(tree.parents[nodes[longer]], words[longer])
        sums = np.bincount(place[place >= 0], uses[longer][place >= 0], len(nodes))
        uses = np.maximum(uses, sums)
    least = np.finfo(float).tiny
    worth: Floats = uses * np.log((shares + left[nodes] * shorter + least) / (shorter + least))
    return worth


def _arrays(tree: _Tree, kept: Flags) -> dict[str, NDArray[Any]]:
    """Returns the arrays of the file with the kept n-grams; the counts of the others join the rest of their context."""
    nodes, size = tree.nodes, len(tree.parents)
    rests = tree.rests + np.stack([np.bincount(nodes, np.where(kept, 0, row), size) for row in tree.counts])
    needed = _needed(tree, kept)
    order = np.zeros(1, np.int64)  # the contexts in the order of the file
    place = np.full(size, -1)
    place[0] = 0
    for depth in range(1, int(tree.depths.max()) + 1):
        level = np.flatnonzero(needed & (tree.depths == depth))
        level = level[np.lexsort((tree.tokens[level], place[tree.parents[level]]))]
        place[level] = len(order) + np.arange(len(level))
        order = np.concatenate([order, level])
    which = np.flatnonzero(kept)
    at, words = place[nodes[which]], tree.keys[which] % _IDS
    sorted_ = np.lexsort((words, at))
    return {
        "context_words": tree.tokens[order].astype(np.uint16),
        "children": np.bincount(place[tree.parents[order[1:]]], minlength=len(order)).astype(np.uint16),
        "continuations": np.bincount(at, minlength=len(order)).astype(np.uint16),
        "words": words[sorted_].astype(np.uint16),
        "counts": codes_of(tree.counts[:, which[sorted_]]),
        "rests": codes_of(rests[:, order]),
    }
