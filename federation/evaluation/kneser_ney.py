"""Interpolated modified Kneser-Ney: the n-gram model that a network has to beat.

Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling" (Computer Speech and Language 13),
Section 3: an n-gram counted c times gives up a discount, one each for c = 1, 2 and more; what the n-grams of a context gave up
goes to the next shorter context. Only the longest n-grams count how often they were seen, the shorter ones behind how many
different tokens (Kneser and Ney 1995); the shortest of all share what they gave up equally among all tokens.

Written here because no library serves: KenLM needs a compiler, and NLTK's Kneser-Ney is not the modified one.

A message of n words is `<s> w1 … wn <s>`, as for the network: `<s>` is predicted as the end, and no context reaches across it.
Nothing stands before an n-gram that begins with `<s>`, so that one counts how often it was seen, whatever its length.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from data.vocabulary import BOUNDARY, PAD, SPECIALS

# For a corpus too small for the closed form: what KenLM's lmplz falls back to.
_FALLBACK = np.array([0.5, 1.0, 1.5])


def discounts(counts: np.ndarray) -> np.ndarray:
    """What n-grams counted once, twice and more often give up: float64 [3], by Chen and Goodman's closed form.

    0.5, 1 and 1.5 where no n-gram was counted so often, or the form asks for less than nothing.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == c)) for c in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = np.array([1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    return found if (found >= 0).all() else _FALLBACK


@dataclass(frozen=True)
class _Continuations:
    """What follows contexts of one length: C contexts, N n-grams sorted by context and then by word."""

    offsets: np.ndarray  # int64 [C + 1]: where the n-grams of each context begin
    words: np.ndarray  # int64 [N]
    shares: np.ndarray  # float64 [N]: the discounted count over the total of the context
    backoff: np.ndarray  # float64 [C]: what the discounts leave to the shorter context

    @classmethod
    def discounted(cls, contexts: int, context: np.ndarray, words: np.ndarray, counts: np.ndarray) -> "_Continuations":
        """Takes the number of the context, the last word, and the count of each n-gram."""
        given_up = np.concatenate([[0.0], discounts(counts)])[np.minimum(counts, 3)]
        # A context that nothing follows is never looked up; it only must not divide by zero.
        total = np.maximum(np.bincount(context, counts, contexts), 1)
        offsets = np.searchsorted(context, np.arange(contexts + 1))
        shares = (counts - given_up) / total[context]
        return cls(offsets, words, shares, np.bincount(context, given_up, contexts) / total)


class KneserNey:
    """The model, over the ids of a vocabulary of V words, the specials included; `<pad>` has probability zero.

    The n-grams of each length are numbered in the order of their keys: the number of the n-gram without its last word, times V,
    plus that word. A single token is numbered by its id. So a context of any length is found by a binary search per token.
    """

    def __init__(self, messages: Iterable[Sequence[int]], vocabulary: int, order: int) -> None:
        """Counts encoded messages, without boundaries.

        Args:
          messages: ids below `vocabulary`; an empty message counts nothing.
          vocabulary: V.
          order: the length of the longest n-grams, 1 or more.
        """
        stream = _stream(messages)
        behind = _tokens_behind(stream)
        number = stream  # of the n-gram that ends at each position, now of length 1
        counts = np.bincount(stream[1:], minlength=vocabulary)
        begins = np.arange(vocabulary) == BOUNDARY  # whether an n-gram is the beginning of a message
        self.vocabulary, self.order = vocabulary, order
        self._keys: list[np.ndarray] = []
        by_length = []
        for length in range(2, order + 1):
            ends = np.flatnonzero(behind >= length - 1)
            keys = number[ends - 1] * vocabulary + stream[ends]
            keys, first, numbers, seen = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
            followed = np.bincount(number[ends[first]], minlength=len(counts))  # by the n-gram without its first token
            # A single <s> that is predicted ends a message; it has tokens before it.
            by_length.append(np.where(begins, counts, followed) if length > 2 else followed)
            counts, begins = seen, begins[keys // vocabulary]
            number = np.full(len(stream), -1)
            number[ends] = numbers
            self._keys.append(keys)
        by_length.append(counts)
        self._unigram = _unigram(by_length[0])
        self._continuations = [
            _Continuations.discounted(len(shorter), keys // vocabulary, keys % vocabulary, longer)
            for keys, (shorter, longer) in zip(self._keys, pairwise(by_length), strict=True)
        ]

    def probabilities(self, context: Sequence[int]) -> np.ndarray:
        """The probability of each next token, float64 [V], after the tokens of the message so far (ids, without `<s>`)."""
        return self._after(self._contexts(_stream([context]))[len(context)])

    def score(self, messages: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
        """How the tokens of encoded messages were predicted, one message behind the other.

        Returns:
          How many words the model puts before each, specials aside and ties its own, int64 [N], as `model.cifg.ranks` counts;
          and its log-probability in nats, float64 [N].
        """
        stream = _stream(messages)
        targets = np.flatnonzero(stream != BOUNDARY)
        ranks, probabilities = np.zeros(len(targets), np.int64), np.zeros(len(targets))
        distinct, which, uses = np.unique(
            self._contexts(stream)[targets - 1], axis=0, return_inverse=True, return_counts=True
        )
        by_context = np.split(np.argsort(which.ravel(), kind="stable"), np.cumsum(uses)[:-1])
        for context, members in zip(distinct, by_context, strict=False):  # nothing splits into one empty part
            after = self._after(context)
            words = after[len(SPECIALS) :]
            for i in members:
                probabilities[i] = own = after[stream[targets[i]]]
                ranks[i] = np.count_nonzero(words > own)
        return ranks, np.log(probabilities)

    def _contexts(self, stream: np.ndarray) -> np.ndarray:
        """The numbers of the n-grams of length 1, 2, … that end at each position: [N, order - 1], -1 where never seen."""
        numbers = [stream]
        for keys in self._keys[:-1]:
            before = np.concatenate([[-1], numbers[-1][:-1]])
            wanted = before * self.vocabulary + stream
            place = np.searchsorted(keys, wanted)
            there = (before >= 0) & (np.searchsorted(keys, wanted, "right") > place)
            numbers.append(np.where(there, place, -1))
        return np.stack(numbers, axis=1)[:, : self.order - 1]

    def _after(self, contexts: np.ndarray) -> np.ndarray:
        """The probabilities [V] after a context, given the numbers of its last token, its last two, and so on."""
        mixed = self._unigram.copy()
        for number, level in zip(contexts, self._continuations, strict=True):
            start, stop = level.offsets[number : number + 2] if number >= 0 else (0, 0)
            if start == stop:  # never seen, nor was any longer one that ends so
                break
            mixed *= level.backoff[number]
            mixed[level.words[start:stop]] += level.shares[start:stop]
        return mixed


def _stream(messages: Iterable[Sequence[int]]) -> np.ndarray:
    """Messages behind one another, int64: `<s> w1 … wn <s> w1 …`; each `<s>` ends one and begins the next."""
    behind = chain.from_iterable((*message, BOUNDARY) for message in messages if len(message))
    return np.fromiter(chain((BOUNDARY,), behind), np.int64)


def _tokens_behind(stream: np.ndarray) -> np.ndarray:
    """How many tokens of its own message stand before each position, the `<s>` that begins it included."""
    places = np.arange(len(stream))
    begin = np.maximum.accumulate(np.where(stream == BOUNDARY, places, 0))
    return places - np.concatenate([[0], begin[:-1]])


def _unigram(counts: np.ndarray) -> np.ndarray:
    """The distribution behind all others, [V]: what the discounts leave is shared equally."""
    everything = _Continuations.discounted(1, np.zeros(len(counts), np.int64), np.arange(len(counts)), counts)
    shares = np.where(np.arange(len(counts)) == PAD, 0.0, 1 / (len(counts) - 1))
    return everything.shares + shares * (everything.backoff[0] if counts.any() else 1.0)
