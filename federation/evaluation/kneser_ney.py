"""Interpolated modified Kneser-Ney smoothing: the n-gram model that a network has to beat.

Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling" (Computer Speech and Language 13),
Section 3. The count c of an n-gram is reduced by a discount that depends on whether c is 1, 2 or more. The probability mass that
the discounts take from the n-grams of a context goes to the next shorter context. The longest n-grams have raw counts; a shorter
one counts the different tokens that it was seen after (Kneser and Ney 1995). Single tokens spread their discounted mass uniformly.

No library fits: KenLM needs a compiler, and NLTK's Kneser-Ney is not the modified one.

A message of n words is `<s> w1 … wn <s>`, as for the network: `<s>` is predicted as the end, and no context reaches across it.
No token stands before an n-gram that begins with `<s>`, so such an n-gram has its raw count at any length.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from data.vocabulary import BOUNDARY, PAD, SPECIALS

# For a corpus too small for the closed form; KenLM's lmplz falls back to the same values.
_FALLBACK = np.array([0.5, 1.0, 1.5])


def discounts(counts: np.ndarray) -> np.ndarray:
    """Returns the discounts of counts 1, 2 and more, float64 [3], by Chen and Goodman's closed form.

    Falls back to 0.5, 1 and 1.5 if one of the counts 1 to 4 does not occur or the closed form is negative.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == c)) for c in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = np.array([1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    return found if (found >= 0).all() else _FALLBACK


@dataclass(frozen=True)
class _Continuations:
    """The words that follow contexts of one length: C contexts, N n-grams sorted by context and then by word."""

    offsets: np.ndarray  # int64 [C + 1]: where the n-grams of each context begin
    words: np.ndarray  # int64 [N]
    shares: np.ndarray  # float64 [N]: the discounted count over the total of the context
    backoff: np.ndarray  # float64 [C]: the probability mass that goes to the shorter context

    @classmethod
    def discounted(cls, contexts: int, context: np.ndarray, words: np.ndarray, counts: np.ndarray) -> "_Continuations":
        """Builds the continuations from the index of the context, the last word and the count of each n-gram, [N] each."""
        discount = np.concatenate([[0.0], discounts(counts)])[np.minimum(counts, 3)]
        # A context without continuations is never looked up, but must not divide by zero.
        total = np.maximum(np.bincount(context, counts, contexts), 1)
        offsets = np.searchsorted(context, np.arange(contexts + 1))
        shares = (counts - discount) / total[context]
        return cls(offsets, words, shares, np.bincount(context, discount, contexts) / total)


@dataclass(frozen=True)
class Ngrams:
    """All N n-grams of one length in a corpus. They are numbered in the order of their keys; a single token's number is its id.

    A key is the number of the n-gram without its last token, times the size of the vocabulary, plus that token.
    """

    keys: np.ndarray  # int64 [N]
    counts: np.ndarray  # int64 [N]: for Kneser-Ney
    occurrences: np.ndarray  # int64 [N]: how often each occurs
    endings: np.ndarray  # int64 [N]: the number, among the shorter n-grams, of the n-gram without its first token


def count_ngrams(messages: Iterable[Sequence[int]], vocabulary: int, order: int) -> list[Ngrams]:
    """Returns the n-grams of 1 to `order` tokens in encoded messages, without boundaries, over `vocabulary` ids."""
    stream = _stream(messages)
    before = _tokens_before(stream)
    number = stream  # number of the n-gram that ends at each position; the first n-grams have length 1
    keys, occurrences = np.arange(vocabulary), np.bincount(stream[1:], minlength=vocabulary)
    endings = np.zeros(vocabulary, np.int64)
    begins = keys == BOUNDARY  # whether an n-gram begins a message
    found = []
    for length in range(2, order + 1):
        ends = np.flatnonzero(before >= length - 1)
        longer = number[ends - 1] * vocabulary + stream[ends]
        longer, first, numbers, seen = np.unique(longer, return_index=True, return_inverse=True, return_counts=True)
        ended = number[ends[first]]
        preceded = np.bincount(ended, minlength=len(keys))  # the number of different tokens before each n-gram
        # A single <s> is only predicted as the end of a message, where it has tokens before it.
        counts = np.where(begins, occurrences, preceded) if length > 2 else preceded
        found.append(Ngrams(keys, counts, occurrences, endings))
        number = np.full(len(stream), -1)
        number[ends] = numbers
        keys, occurrences, endings, begins = longer, seen, ended, begins[longer // vocabulary]
    return [*found, Ngrams(keys, occurrences, occurrences, endings)]


class KneserNey:
    """An n-gram model over a vocabulary of V ids, special tokens included; `<pad>` has probability zero.

    The keys of n-grams (`Ngrams`) are sorted, so that a binary search per token finds a context of any length.
    """

    def __init__(self, messages: Iterable[Sequence[int]], vocabulary: int, order: int) -> None:
        """Counts encoded messages, without boundaries.

        Args:
          messages: ids below `vocabulary`; empty messages are ignored.
          vocabulary: V.
          order: length of the longest n-grams, at least 1.
        """
        counted = count_ngrams(messages, vocabulary, order)
        self.vocabulary, self.order = vocabulary, order
        self._keys = [ngrams.keys for ngrams in counted[1:]]
        by_length = [ngrams.counts for ngrams in counted]
        self._unigram = _unigram(by_length[0])
        self._continuations = [
            _Continuations.discounted(len(shorter), keys // vocabulary, keys % vocabulary, longer)
            for keys, (shorter, longer) in zip(self._keys, pairwise(by_length), strict=True)
        ]

    def probabilities(self, context: Sequence[int]) -> np.ndarray:
        """Returns the distribution of the next token, float64 [V], after the ids of the message so far, without `<s>`."""
        return self._after(self._contexts(_stream([context]))[len(context)])

    def score(self, messages: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Predicts every token of encoded messages.

        Returns:
          The rank of each token, int64 [N]: the number of likelier words, special tokens not counted, as in `model.cifg.ranks`.
          The log-probability of each token in nats, float64 [N].
        """
        stream = _stream(messages)
        targets = np.flatnonzero(stream != BOUNDARY)
        ranks, probabilities = np.zeros(len(targets), np.int64), np.zeros(len(targets))
        distinct, which, uses = np.unique(
            self._contexts(stream)[targets - 1], axis=0, return_inverse=True, return_counts=True
        )
        by_context = np.split(np.argsort(which.ravel(), kind="stable"), np.cumsum(uses)[:-1])
        for context, members in zip(distinct, by_context, strict=False):  # splitting nothing gives one empty part
            after = self._after(context)
            words = after[len(SPECIALS) :]
            for i in members:
                probabilities[i] = own = after[stream[targets[i]]]
                ranks[i] = np.count_nonzero(words > own)
        return ranks, np.log(probabilities)

    def _contexts(self, stream: np.ndarray) -> np.ndarray:
        """Returns the numbers of the n-grams of length 1, 2, … that end at each position, [N, order - 1]; -1 if never seen."""
        numbers = [stream]
        for keys in self._keys[:-1]:
            before = np.concatenate([[-1], numbers[-1][:-1]])
            key = before * self.vocabulary + stream
            place = np.searchsorted(keys, key)
            found = (before >= 0) & (np.searchsorted(keys, key, "right") > place)
            numbers.append(np.where(found, place, -1))
        return np.stack(numbers, axis=1)[:, : self.order - 1]

    def _after(self, contexts: np.ndarray) -> np.ndarray:
        """Returns the distribution [V] after a context, given the numbers of its last token, its last two, and so on."""
        mixed = self._unigram.copy()
        for number, level in zip(contexts, self._continuations, strict=True):
            start, stop = level.offsets[number : number + 2] if number >= 0 else (0, 0)
            if start == stop:  # never seen, so no longer context that ends in it was seen either
                break
            mixed *= level.backoff[number]
            mixed[level.words[start:stop]] += level.shares[start:stop]
        return mixed


def _stream(messages: Iterable[Sequence[int]]) -> np.ndarray:
    """Concatenates messages into int64 `<s> w1 … wn <s> w1 …`, where each `<s>` ends one message and begins the next."""
    following = chain.from_iterable((*message, BOUNDARY) for message in messages if len(message))
    return np.fromiter(chain((BOUNDARY,), following), np.int64)


def _tokens_before(stream: np.ndarray) -> np.ndarray:
    """Returns the number of tokens of its own message before each position, including the `<s>` that begins it."""
    places = np.arange(len(stream))
    begin = np.maximum.accumulate(np.where(stream == BOUNDARY, places, 0))
    return places - np.concatenate([[0], begin[:-1]])


def _unigram(counts: np.ndarray) -> np.ndarray:
    """Returns the distribution of single tokens, [V], with the discounted mass spread uniformly."""
    everything = _Continuations.discounted(1, np.zeros(len(counts), np.int64), np.arange(len(counts)), counts)
    shares = np.where(np.arange(len(counts)) == PAD, 0.0, 1 / (len(counts) - 1))
    return everything.shares + shares * (everything.backoff[0] if counts.any() else 1.0)
