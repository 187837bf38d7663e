"""The states of the network that precede words which its vocabulary lacks: sums over people, which secure aggregation can add up.

The network reads a message with `<unk>` for each word that it lacks, and predicts the next word from its projected state h. For
each new word, the sum of the states that precede it and their number are enough to fit the word's row
(`federation.growing.fitted_rows`), and so is the sum of their outer products over all words that the vocabulary lacks.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from data.vocabulary import UNKNOWN, Vocabulary
from data.windows import pack
from federation.growing.fitted_rows import StateSums
from model import cifg
from model.device.folder import Model

_ROWS = 256  # that the network reads together


def sums_of_states(model: Model, vocabulary: Vocabulary, people: Iterable[Sequence[str]], max_words: int) -> StateSums:
    """Returns the sums over the newest messages of people.

    Args:
      model: the model before it grows.
      vocabulary: its vocabulary with the new words at the end.
      people: the messages of each person.
      max_words: words of a person, which bounds what one person changes.
    """
    known, config = len(model.vocabulary), model.provenance.config
    weights = {name: tf.constant(array) for name, array in model.weights.items()}
    new, size = len(vocabulary) - known, config.embedding
    uses, states, products = np.zeros(new + 1), np.zeros((new + 1, size)), np.zeros((size, size))

    def run(tokens: tf.Tensor) -> tf.Tensor:
        return cifg.run(weights, tokens, cifg.zero_state(weights, tf.shape(tokens)[0]))[0]

    states_after = tf.function(run, input_signature=[tf.TensorSpec([None, config.window], tf.int32)], autograph=False)

    def lacking(messages: Sequence[str]) -> list[list[int]]:
        """Returns a person's newest messages, encoded, of which the vocabulary lacks a word."""
        newest = _newest(map(vocabulary.encode, reversed(messages)), max_words)
        return [message for message in newest if any(token >= known or token == UNKNOWN for token in message)]

    for rows in _batches(map(lacking, people), config.window):
        inputs, targets = rows[:, :-1], rows[:, 1:].ravel()
        lacked = (targets >= known) | (targets == UNKNOWN)
        hidden = states_after(np.where(inputs >= known, UNKNOWN, inputs)).numpy()[lacked].astype(np.float64)
        places = np.where(targets == UNKNOWN, new, targets - known)[lacked]
        uses += np.bincount(places, minlength=new + 1)
        np.add.at(states, places, hidden)
        products += hidden.T @ hidden
    return StateSums(uses, states, products)


def _newest(messages: Iterable[list[int]], max_words: int) -> list[list[int]]:
    """Returns the first of a person's encoded messages, newest first, with at most this many words together."""
    kept: list[list[int]] = []
    for message in messages:
        max_words -= len(message)
        if max_words < 0:
            break
        kept.append(message)
    return kept


def _batches(people: Iterable[list[list[int]]], window: int) -> Iterator[NDArray[np.int32]]:
    """Yields rows of messages, [n, window + 1]; the last ones are padded."""
    left = np.zeros((0, window + 1), np.int32)
    for messages in people:
        left = np.concatenate([left, pack(messages, window)])
        while len(left) >= _ROWS:
            yield left[:_ROWS]
            left = left[_ROWS:]
    if len(left):
        yield left
