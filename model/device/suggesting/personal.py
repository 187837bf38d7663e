"""The person's own n-gram model over the network: their phrases, and the words that the vocabulary lacks.

A hierarchical Pitman-Yor model (MacKay and Peto 1995; Teh 2006) whose root is the network. After the last n words h, a word w that
the person has written c(h, w) times there, with C = sum of c(h, w) over all words and d a discount, has the probability

    P_n(w | h) = (max(c(h, w) - d, 0) + (a_n + D) * P_{n-1}(w | h)) / (C + a_n),    D = sum of min(c(h, w), d)

where P_0 is the network's. So a context that the person never wrote changes nothing, and one often written overrules the network.
There is no P of no context between the two: how often a person writes a word wherever it stands says less than the network knows.
How far this person's counts are trusted is learned (`model.device.suggesting.trust`): every a_n is divided by that.

Words that the vocabulary lacks have ids behind it. They share the network's P(<unk>) as the tables of a Chinese restaurant that
seats all unknown words so far would share the next guest; a part stays with `<unk>`, for words never seen. Numbers among them are
counted but not learned as words: nobody wants to be offered a PIN.

Nothing here is trained: a message joins the stream of what was written, and the counts are read off that stream when they are
asked for. A search through tens of thousands of tokens takes microseconds, and a keyboard that starts has no counts to make.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.tokenizer import tokenize
from data.vocabulary import BOUNDARY, UNKNOWN, Vocabulary

USUAL_TRUST = 1.0
_MAX_CHARACTERS = 100_000  # counted at a start: some 20,000 words, a tenth of a second


@dataclass(frozen=True)
class Smoothing:
    """What counts are worth with the usual trust; the best on 68 validation users, of the likelihood of their newest words."""

    concentrations: tuple[float, ...] = (280.0, 18.0, 0.2)  # a_n of one, two and three words of context
    discount: float = 0.7  # d
    word_concentration: float = 1.0  # of unknown words never seen
    word_discount: float = 0.5  # of each unknown word seen
    offered_from: int = 2  # times written before a word is suggested: a slip is rarely made twice


class PersonalNgram:
    """One person's phrases and words. `vocabulary` is the network's; ids from its length on are those of `words`.

    `trust`, 0 or above, may be changed at any time; with 0 the phrases count nothing, and words of one's own are suggested still.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        messages: Sequence[str] = (),
        smoothing: Smoothing | None = None,
        trust: float = USUAL_TRUST,
    ) -> None:
        """Counts the messages, oldest first; of very many the newest, so that a keyboard starts at once."""
        self.vocabulary = vocabulary
        self.smoothing = smoothing or Smoothing()
        self.trust = trust
        self.words: list[str] = []  # in the order of their first appearance
        self.offered: list[int] = []  # ids of those to suggest, in the order in which they came to be so
        self._ids: dict[str, int] = {}
        self._times: list[int] = []  # that each of the words was written
        self._unknown = 0  # tokens that the vocabulary lacks, numbers among them
        self._stream = np.full(1, BOUNDARY, np.int32)  # room to grow included
        self.length = 1  # of the stream: <s>, a message, <s>, a message, …, <s>
        for text in messages[_newest_from(messages) :]:
            self.learn(text)

    def __len__(self) -> int:
        """How many words there are, the vocabulary's and the person's."""
        return len(self.vocabulary) + len(self.words)

    def id(self, word: str) -> int:
        """The id of a lower-cased word, or `UNKNOWN`."""
        known = self.vocabulary.id(word)
        return self._ids.get(word, UNKNOWN) if known == UNKNOWN else known

    def word(self, own: int) -> str:
        """The word of the person's own that has this id."""
        return self.words[own - len(self.vocabulary)]

    def has_written(self, words: np.ndarray) -> np.ndarray:
        """Which of the words with these ids the person has written, bool of the shape of `words`."""
        return np.isin(words, self._stream[: self.length])

    def learn(self, text: str) -> None:
        """Counts a message."""
        tokens = [self._meet(token.word) for token in tokenize(text)]
        if not tokens:
            return
        start, self.length = self.length, self.length + len(tokens) + 1
        if self.length > len(self._stream):
            self._stream = np.concatenate([self._stream, np.zeros(self.length, np.int32)])
        self._stream[start : self.length] = [*tokens, BOUNDARY]

    def _meet(self, word: str) -> int:
        known = self.vocabulary.id(word)
        if known != UNKNOWN:
            return known
        self._unknown += 1
        if not word[0].isalpha():
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

    def probabilities(self, network: np.ndarray, context: Sequence[int]) -> np.ndarray:
        """The probability of each next word, [len(self)] of the type of `network`.

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

    def likelihoods(self, network: np.ndarray, context: Sequence[int], word: int, trusts: np.ndarray) -> np.ndarray:
        """The probability of one next word with each of some trusts, as `probabilities` has it, of the shape of `trusts`."""
        mixed = np.full(trusts.shape, self._with_words(network)[word], float)
        for words, kept, written, concentration in self._continuations(context):
            weights = trusts / (written * trusts + concentration)
            mixed = mixed * (1 - weights * kept.sum()) + weights * kept[words == word].sum()
        return mixed

    def _continuations(self, context: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray, int, float]]:
        """For one and more words of context, the words written after it, max(c - d, 0) of each, C, and a_n of usual trust."""
        stream, history = self._stream[: self.length], [BOUNDARY, *context]
        places = np.flatnonzero(stream[:-1] == history[-1])  # where the context ends in what was written
        for length, concentration in enumerate(self.smoothing.concentrations[: len(history)], 1):
            if length > 1:
                places = places[stream[places - length + 1] == history[-length]]
            if len(places) == 0:
                return  # nor does a longer context occur
            words, counts = np.unique(stream[places + 1], return_counts=True)
            yield words, np.maximum(counts - self.smoothing.discount, 0), len(places), concentration

    def _with_words(self, network: np.ndarray) -> np.ndarray:
        """The root of the hierarchy: the network's probabilities, that of `<unk>` shared among the words known by now."""
        mixed = np.empty(len(self), network.dtype)
        size = len(self.vocabulary)
        mixed[:size] = network
        if self.words:
            how = self.smoothing
            shares = (np.array(self._times) - how.word_discount) / (self._unknown + how.word_concentration)
            mixed[size:] = network[UNKNOWN] * shares
            mixed[UNKNOWN] *= 1 - shares.sum()
        return mixed


def _newest_from(messages: Sequence[str]) -> int:
    left = _MAX_CHARACTERS
    for number in range(len(messages), 0, -1):
        left -= len(messages[number - 1])
        if left < 0:
            return number
    return 0
