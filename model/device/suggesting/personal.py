"""A person's own n-gram model over the network: their phrases, and the words that the vocabulary lacks.

It is a hierarchical Pitman-Yor model (MacKay and Peto 1995; Teh 2006) whose root is the network. Let h be the last n words, c(h,
w) the number of times that the person wrote w after h, C the sum of c(h, w) over all words, and d a discount. Then

    P_n(w | h) = (max(c(h, w) - d, 0) + (a_n + D) * P_{n-1}(w | h)) / (C + a_n),    D = sum of min(c(h, w), d)

where P_0 is the network's probability. A context that the person never wrote changes nothing, and a frequent one overrules the
network. There is no unigram level between the two: the network predicts better than how often a person writes a word in any
context. The trust in a person's counts is learned (`model.device.suggesting.trust`) and divides every a_n.

Words that the vocabulary lacks get the ids after its last one. They share the network's P(<unk>) by a Chinese restaurant process
over all unknown words so far; a part stays with `<unk>`, for words never seen. Unknown numbers are counted but not learned as
words, so that the keyboard never suggests a PIN.

Nothing here is trained: messages are appended to a stream of tokens, and counts are read off that stream on demand. A search
through tens of thousands of tokens takes microseconds, and a keyboard has nothing to count when it starts.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from data.tokenizer import Token, tokenize
from data.vocabulary import BOUNDARY, UNKNOWN, Vocabulary
from model.device.suggesting.written_case import WrittenCase

USUAL_TRUST = 1.0
_PART = re.compile(r".{1,2000}(?:\s|\Z)|\S+", re.DOTALL)
_COMPANY = 3  # own words that make a message one of another language, if they are at least half of its words
_MOST_COMPANY = 12  # words remembered of those that stood beside an own word
_LONGEST = 64  # characters; a longer word is never suggested, so that it is not learned
_MAX_CHARACTERS = 100_000  # of messages read at the start: about 20,000 words, a tenth of a second


@dataclass(frozen=True)
class Smoothing:
    """Parameters of the n-gram model. The defaults gave the newest words of 68 validation users about the highest likelihood."""

    concentrations: tuple[float, ...] = (280.0, 18.0, 2.0, 0.2)  # a_n for one to four words of context
    discount: float = 0.7  # d
    word_concentration: float = 1.0  # for unknown words never seen
    word_discount: float = 0.5  # for each unknown word seen
    offered_from: int = 2  # occurrences before a word is suggested: few typos are made twice


class PersonalNgram:
    """One person's phrases and words. `vocabulary` is that of the network; the ids after its last one belong to `words`.

    `trust`, at least 0, may be changed at any time. With 0 phrases have no influence, but own words are still suggested.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        messages: Sequence[str] = (),
        smoothing: Smoothing | None = None,
        trust: float = USUAL_TRUST,
    ) -> None:
        """Reads messages, oldest first. If there are very many, it reads only the newest, so that a keyboard starts at once."""
        self.vocabulary = vocabulary
        self.smoothing = smoothing or Smoothing()
        self.trust = trust
        self.words: list[str] = []  # in the order of their first appearance
        self.offered: list[int] = []  # ids of the words to suggest, in the order in which they qualified
        self.case = WrittenCase()
        self._ids: dict[str, int] = {}
        self._times: list[int] = []  # occurrences of each of the words
        self._company: dict[str, frozenset[str]] = {}  # see `company`
        self._unknown = 0  # tokens that the vocabulary lacks, including numbers
        self._stream = np.full(1, BOUNDARY, np.int32)  # with spare capacity at its end
        self.length = 1  # tokens in the stream: <s>, a message, <s>, a message, …, <s>
        for text in messages[_newest_from(messages) :]:
            self.learn(text)

    @classmethod
    def counting(cls, vocabulary: Vocabulary, messages: Sequence[str]) -> Generator[None, None, Self]:
        """Returns a model that has read messages as the constructor does; yields after each of them."""
        ngram = cls(vocabulary)
        for text in messages[_newest_from(messages) :]:
            ngram.learn(text)
            yield
        return ngram

    def __len__(self) -> int:
        """Returns the number of words, those of the vocabulary and of the person."""
        return len(self.vocabulary) + len(self.words)

    def id(self, word: str) -> int:
        """Returns the id of a lower-case word, or `UNKNOWN`."""
        known = self.vocabulary.id(word)
        return self._ids.get(word, UNKNOWN) if known == UNKNOWN else known

    def word(self, own: int) -> str:
        """Returns the person's own word with this id."""
        return self.words[own - len(self.vocabulary)]

    def times(self, word: str) -> int:
        """Returns how often the person wrote one of their own words."""
        return self._times[self._ids[word] - len(self.vocabulary)]

    def company(self, word: str) -> frozenset[str]:
        """Returns other own words from messages that consist of own words for the most part, as those of a second language do."""
        return self._company.get(word, frozenset())

    def has_written(self, words: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Returns which of the words with these ids the person has written, bool, in the shape of `words`."""
        return np.isin(words, self._stream[: self.length])

    def frozen(self) -> "PersonalNgram":
        """Returns this model as it is now, which later messages do not change, for predictions."""
        frozen = copy(self)  # what is learned later is appended to the shared stream, behind its length
        frozen.words, frozen.offered, frozen._times = list(self.words), list(self.offered), list(self._times)
        frozen._ids, frozen._company = dict(self._ids), dict(self._company)
        return frozen

    def learn(self, text: str) -> None:
        """Counts a message; each part of a very long one (`parts_of`) counts as a message."""
        for part in parts_of(text):
            self.learn_tokens(tokenize(part))

    def learn_tokens(self, split: Sequence[Token]) -> None:
        """Counts a message or a part of one, given its tokens."""
        tokens = [self._meet(token.word) for token in split]
        if not tokens:
            return
        self.case.learn(split)
        self._meet_together([token.word for token in split if token.word[0].isalpha()])
        start, self.length = self.length, self.length + len(tokens) + 1
        if self.length > len(self._stream):
            self._stream = np.concatenate([self._stream, np.zeros(self.length, np.int32)])
        self._stream[start : self.length] = [*tokens, BOUNDARY]

    def _meet(self, word: str) -> int:
        known = self.vocabulary.id(word)
        if known != UNKNOWN:
            return known
        self._unknown += 1
        if not word[0].isalpha() or len(word) > _LONGEST:
            return UNKNOWN
        if word not in self._ids:
            self._ids[word] = len(self)
            self.words.append(word)
            self._times.append(0)
        own = self._ids[word]
        place = own - len(self.vocabulary)
        self._times[place] += 1
        if self._times[place] == self.smoothing.offered_from:
            self.offered.append(own)
        return own

    def _meet_together(self, words: Sequence[str]) -> None:
        own = {word for word in words if word in self._ids}
        if len(own) >= _COMPANY and 2 * sum(word in own for word in words) >= len(words):
            for word in own:
                others = self.company(word) | own - {word}
                self._company[word] = frozenset(sorted(others)[:_MOST_COMPANY])

    def probabilities(self, network: NDArray[np.float32], context: Sequence[int]) -> NDArray[np.float32]:
        """Returns the probability of each next word, [len(self)], of the type of `network`.

        Args:
          network: the network's probabilities, [V].
          context: the ids (`id`) of the message so far, without `<s>`.
        """
        mixed = self._with_words(network)
        for words, kept, written, concentration in self._continuations(context):
            weight = self.trust / (written * self.trust + concentration)  # 1 / (C + a_n / trust)
            mixed *= 1 - weight * kept.sum()
            mixed[words] += weight * kept
        return mixed

    def likelihoods(
        self, network: NDArray[np.float32], context: Sequence[int], word: int, trusts: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Returns the probability of one next word for each trust, as `probabilities` gives it, in the shape of `trusts`."""
        mixed = np.full(trusts.shape, self._with_words(network)[word], float)
        for words, kept, written, concentration in self._continuations(context):
            weights = trusts / (written * trusts + concentration)
            mixed = mixed * (1 - weights * kept.sum()) + weights * kept[words == word].sum()
        return mixed

    def _continuations(
        self, context: Sequence[int]
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float64], int, float]]:
        """Yields for each context length: the words written after it, max(c - d, 0) of each, C, and a_n at the default trust."""
        stream, history = self._stream[: self.length], [BOUNDARY, *context]
        places = np.flatnonzero(stream[:-1] == history[-1])  # where the context ends in what was written
        for length, concentration in enumerate(self.smoothing.concentrations[: len(history)], 1):
            if length > 1:
                places = places[stream[places - length + 1] == history[-length]]
            if len(places) == 0:
                return  # no longer context occurs either
            words, counts = np.unique(stream[places + 1], return_counts=True)
            yield words, np.maximum(counts - self.smoothing.discount, 0), len(places), concentration

    def _with_words(self, network: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the root of the hierarchy: the network's probabilities, with that of `<unk>` shared among the known words."""
        mixed = np.empty(len(self), network.dtype)
        size = len(self.vocabulary)
        mixed[:size] = network
        if self.words:
            how = self.smoothing
            shares = (np.array(self._times) - how.word_discount) / (self._unknown + how.word_concentration)
            mixed[size:] = network[UNKNOWN] * shares
            mixed[UNKNOWN] *= 1 - shares.sum()
        return mixed


def parts_of(text: str) -> list[str]:
    """Splits a text at white space into parts of about 2,000 characters, each of which is read in a millisecond or two."""
    return _PART.findall(text)


def _newest_from(messages: Sequence[str]) -> int:
    left = _MAX_CHARACTERS
    for number in range(len(messages), 0, -1):
        left -= len(messages[number - 1])
        if left < 0:
            return number
    return 0
