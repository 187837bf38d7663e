"""Counts the phrases of a model folder (`model.device.suggesting.phrases`) in public text.

1. All n-grams of the corpus are counted as modified Kneser-Ney smoothing needs them (`federation.evaluation.kneser_ney`).
2. An n-gram is worth its count times the logarithm of its probability over the one that the shorter n-grams give it: the nats that
   the corpus would lose without it (Seymore and Rosenfeld 1996, "Scalable backoff language models"). The n-grams of the least
   worth are left out, as many as it takes to fit the file's size. The counts of what is left out stay in its context's total.
3. The weight of the phrases beside the network is the one with the highest likelihood on held-out users. Both models predict each
   word, and expectation maximization finds the weight, a concave problem with one solution.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.vocabulary import SPECIALS, Vocabulary
from federation.evaluation.kneser_ney import Ngrams, count_ngrams, discounts
from model.device.folder import Model
from model.device.suggesting.phrases import MAX_BYTES, Phrases, codes_of
from model.device.suggesting.reading import Reader, softmax

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_CONTEXT_BYTES, _WORD_BYTES = 7, 3  # in the file, for one source
_HEADER_BYTES = 4_096  # more than it takes
_BISECTIONS = 20
_ITERATIONS = 100


@dataclass(frozen=True)
class _Level:
    """The n-grams of one length that end in a word; N of them, with contexts among the C n-grams that are one token shorter."""

    context: Integers  # [N]
    words: Integers  # [N]
    counts: Integers  # [N]
    totals: Integers  # [C]: the counts after each context
    discounts: Floats  # [3]
    worth: Floats  # [N]: in nats


def make_phrases(
    messages: Iterable[Sequence[int]], vocabulary: Vocabulary, order: int, sources: str, max_bytes: int = MAX_BYTES
) -> Phrases:
    """Counts and prunes n-grams; the weight of the result is 0 until it is chosen (`choose_weight`).

    Args:
      messages: encoded messages, without boundaries.
      vocabulary: the vocabulary of the ids, at most 65,536 words.
      order: length of the longest n-grams.
      sources: what the messages are, for people.
      max_bytes: the greatest size of the file.

    Raises:
      DataError: no word of the messages is in the vocabulary.
    """
    counted = count_ngrams(messages, len(vocabulary), order)
    if not counted[0].occurrences[len(SPECIALS) :].any():
        raise DataError("no word of the corpus is in the model's vocabulary: check that they are in the same language")
    levels = _levels(counted, len(vocabulary))
    least = _threshold(levels, counted, max_bytes - _HEADER_BYTES)
    kept = [level.worth > least if depth else level.counts > 0 for depth, level in enumerate(levels)]
    return _tree(levels, counted, kept, vocabulary, sources)


def _levels(counted: Sequence[Ngrams], size: int) -> list[_Level]:
    levels: list[_Level] = []
    shorter = np.zeros(size)
    shorter[len(SPECIALS) :] = 1 / (size - len(SPECIALS))
    for depth, ngrams in enumerate(counted):
        context, words = (ngrams.keys // size, ngrams.keys % size) if depth else (np.zeros(size, int), np.arange(size))
        counts = np.where(words >= len(SPECIALS), ngrams.counts, 0)
        contexts = len(counted[depth - 1].keys) if depth else 1
        discount = discounts(counts[counts > 0])
        taken = np.concatenate([[0.0], discount])[np.minimum(counts, 3)]
        totals = np.bincount(context, counts, contexts)
        divisor = np.maximum(totals, 1)  # no word of a context without any is looked up
        left = np.bincount(context, taken, contexts) / divisor
        without = left[context] * (shorter[ngrams.endings] if depth else shorter)
        probabilities = np.where(counts > 0, (counts - taken) / divisor[context] + without, without)
        least = np.finfo(float).tiny  # without a discount, nothing is left for the shorter n-grams
        likelier = np.log(np.maximum(probabilities, least)) - np.log(np.maximum(without, least))
        worth = np.where(counts > 0, ngrams.occurrences * likelier, 0.0)
        levels.append(_Level(context, words, counts, totals, discount, worth))
        shorter = probabilities
    return levels


def _threshold(levels: Sequence[_Level], counted: Sequence[Ngrams], max_bytes: int) -> float:
    """Returns the worth in nats that an n-gram has to exceed, so that the arrays have at most `max_bytes` bytes."""

    def size(least: float) -> int:
        kept = [level.worth > least if depth else level.counts > 0 for depth, level in enumerate(levels)]
        contexts = sum(map(len, _contexts(levels, counted, kept)))
        return _CONTEXT_BYTES * contexts + _WORD_BYTES * sum(int(k.sum()) for k in kept)

    if size(0.0) <= max_bytes:
        return 0.0
    low, high = 0.0, max(float(level.worth.max(initial=0)) for level in levels)
    for _ in range(_BISECTIONS):
        middle = (low * high) ** 0.5 if low else high / 1_000
        low, high = (middle, high) if size(middle) > max_bytes else (low, middle)
    return high


def _contexts(levels: Sequence[_Level], counted: Sequence[Ngrams], kept: Sequence[Flags]) -> list[Integers]:
    """Returns for contexts of no token, one token, …: the numbers of those that the tree needs, in ascending order."""
    needed: list[Integers] = []
    longer = np.zeros(0, np.int64)  # endings of the longer contexts: their parents in the tree
    for depth in range(len(levels) - 1, 0, -1):
        own = np.unique(np.concatenate([levels[depth].context[kept[depth]], longer]))
        needed.insert(0, own)
        longer = counted[depth - 1].endings[own]
    return [np.zeros(1, np.int64), *needed]


def _tree(
    levels: Sequence[_Level],
    counted: Sequence[Ngrams],
    kept: Sequence[Flags],
    vocabulary: Vocabulary,
    sources: str,
) -> Phrases:
    contexts = _contexts(levels, counted, kept)
    first_tokens = _first_tokens(counted, len(vocabulary))
    tokens, children, continuations, words, counts, rests = [], [], [], [], [], []
    place = np.zeros(1, np.int64)  # of each context of the level before, in the order of the file
    for depth, (level, own) in enumerate(zip(levels, contexts, strict=True)):
        if depth == 0:
            order, parents = np.zeros(1, np.int64), np.zeros(0, np.int64)
            tokens.append(np.zeros(1, np.int64))
        else:
            above = contexts[depth - 1]
            ending = counted[depth - 1].endings[own] if depth > 1 else np.zeros(len(own), np.int64)
            parents = place[np.searchsorted(above, ending)]
            begin = first_tokens[depth - 1][own]
            order = np.lexsort((begin, parents))
            tokens.append(begin[order])
            children.append(np.bincount(parents, minlength=len(above)))
        place = np.empty(len(own), np.int64)
        place[order] = np.arange(len(own))
        which = np.flatnonzero(kept[depth])
        at = place[np.searchsorted(own, level.context[which])]
        which = which[np.lexsort((level.words[which], at))]
        continuations.append(np.bincount(at, minlength=len(own)))
        words.append(level.words[which])
        counts.append(level.counts[which])
        rests.append(level.totals[own[order]] - np.bincount(at, level.counts[np.flatnonzero(kept[depth])], len(own)))
    children.append(np.zeros(len(contexts[-1]), np.int64))
    ids = [np.concatenate(part).astype(np.uint16) for part in (tokens, children, continuations, words)]
    return Phrases(
        vocabulary.sha256,
        len(vocabulary),
        0.0,
        ids[0],
        ids[1],
        ids[2],
        ids[3],
        codes_of(np.concatenate(counts)[None]),
        codes_of(np.concatenate(rests)[None]),
        np.array([level.discounts for level in levels], np.float32),
        np.ones(1, np.float32),
        sources,
    )


def _first_tokens(counted: Sequence[Ngrams], size: int) -> list[Integers]:
    """Returns the first token of each n-gram of one token, two, and so on."""
    found = [np.arange(size)]
    for ngrams in counted[1:]:
        found.append(found[-1][ngrams.keys // size])
    return found


def choose_weight(phrases: Phrases, model: Model, messages: Iterable[Sequence[int]]) -> Phrases:
    """Returns the phrases with the weight that makes encoded messages likeliest, mixed into the model's network."""
    by_network, by_phrases = [], []
    reader = Reader(model.start())
    for message in messages:
        for place, logits in enumerate(reader.along(message)):
            if (word := message[place]) >= len(SPECIALS):
                network = softmax(logits)
                by_network.append(float(network[word]))
                by_phrases.append(float(network[len(SPECIALS) :].sum() * phrases.probabilities(message[:place])[word]))
    return replace(phrases, weight=best_weight(np.array(by_network), np.array(by_phrases)))


def best_weight(by_one: Floats, by_other: Floats) -> float:
    """Returns the weight of the second of two probabilities of the same N words that makes them likeliest; 0 without words."""
    seen = by_one + by_other > 0
    by_one, by_other, weight = by_one[seen], by_other[seen], 0.5
    if not len(by_one):
        return 0.0
    for _ in range(_ITERATIONS):
        weight = float(np.mean(weight * by_other / (weight * by_other + (1 - weight) * by_one)))
    return weight
