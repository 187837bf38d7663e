"""The probability of every next word, and how well a model predicted the words that a person typed."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.vocabulary import SPECIALS, UNKNOWN, Vocabulary
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader, softmax


class Prediction(NamedTuple):
    """The prediction of a token before it was typed."""

    word: int  # its id; ids from the vocabulary's length on are the person's own words
    rank: int | None  # the number of likelier words, as recall counts them; None for a word that is never suggested
    log_likelihood: float  # in nats; that of `<unk>` for an unknown word


class Predictor:
    """Predictions by one network, whose logits come from `reader`, which may be replaced by one of another network.

    With a personal n-gram model, the network's probabilities are the root of that model, and the person's own words are predicted
    like any other. V is the size of the vocabulary, or the number of words of the personal n-gram model if there is one.
    """

    def __init__(self, reader: Reader, vocabulary: Vocabulary, personal: PersonalNgram | None = None) -> None:
        self.reader = reader
        self._vocabulary = vocabulary
        self._personal = personal

    def read(self, context: Sequence[str]) -> NDArray[np.float32]:
        """Reads the words of the message so far, so that later calls for this context need no step of the network.

        Returns the network's logits of the next word, of the shape [size of the vocabulary].
        """
        return self.reader.logits(self._ids(context))

    def probabilities(self, context: Sequence[str]) -> NDArray[np.float32]:
        """Returns the probability of each next word after the words of the message so far, in lower case; [V]."""
        return self._with_personal(softmax(self.read(context)), self._personal_ids(context))

    def probabilities_ahead(self, context: Sequence[str], following: Sequence[str]) -> NDArray[np.float32]:
        """Returns the probability of each next word after a message so far and words that may follow it; [V].

        The network takes a step for each of the words that it has not read ahead yet (`Reader.logits_ahead`).
        """
        network = softmax(self.reader.logits_ahead(self._ids(context), self._ids(following)))
        return self._with_personal(network, self._personal_ids([*context, *following]))

    def predictions(self, words: Sequence[str]) -> list[Prediction]:
        """Returns the prediction of each word of a message, in lower case, from the words before it."""
        return list(self.predict(words))

    def predict(self, words: Sequence[str]) -> Iterator[Prediction]:
        """Yields the predictions of `predictions`, one step of the network at a time."""
        own = self._personal_ids(words)
        for place, logits in enumerate(self.reader.along(self._ids(words))):
            yield self._prediction(self._with_personal(softmax(logits), own[:place]), words[place])

    def _ids(self, words: Sequence[str]) -> list[int]:
        return [self._vocabulary.id(word) for word in words]

    def _personal_ids(self, words: Sequence[str]) -> list[int]:
        return [] if self._personal is None else [self._personal.id(word) for word in words]

    def _with_personal(self, network: NDArray[np.float32], context: Sequence[int]) -> NDArray[np.float32]:
        return network if self._personal is None else self._personal.probabilities(network, context)

    def _prediction(self, probabilities: NDArray[np.float32], word: str) -> Prediction:
        size = len(self._vocabulary)
        offered = np.array(self._personal.offered if self._personal else [], np.intp)
        own = self._personal.id(word) if self._personal else self._vocabulary.id(word)
        likelihood = probabilities[own]
        rank = None
        if own != UNKNOWN and (own < size or own in offered):
            better = probabilities[len(SPECIALS) : size] > likelihood, probabilities[offered] > likelihood
            rank = sum(int(np.count_nonzero(b)) for b in better)
        return Prediction(own, rank, math.log(likelihood) if likelihood > 0 else -math.inf)
