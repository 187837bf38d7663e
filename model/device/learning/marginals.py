"""The first step of personal learning: a person's word frequencies, adapted in the output bias alone.

1. The network reads the person's messages and sums its probability of each word over all places: e_w, the number of times it
   expected the word. c_w is the number of times that the person wrote it.
2. The bias of each word rises by ln((c_w + a) / (e_w + a)).

These are the dynamic marginals of Kneser, Peters and Klakow 1997 ("Language Model Adaptation Using Dynamic Marginals"), with a
Gamma prior of shape and rate a on each ratio: a word that the network expects rarely, and that the person never wrote, keeps its
bias. Unlike counts alone, the ratio leaves a word alone that the person writes as often as its contexts predict.

Stochastic gradient descent hardly reaches the output bias in a few hundred words: a step moves the bias of a word by at most the
learning rate times the share of the word in the batch. It therefore starts from the bias found here.
"""

from collections.abc import Generator, Sequence

import numpy as np

from data.vocabulary import SPECIALS
from model.device.learning.finetuning import newest
from model.device.runtime import Program
from model.device.suggesting.reading import Reader, softmax
from model.device.weights import Weights

PRIOR = 4.0  # a, in occurrences
MAX_WORDS = 5_000  # only the newest messages that hold this many words are read: about three seconds


def adapt_marginals(
    program: Program, messages: Sequence[Sequence[int]], prior: float = PRIOR, max_words: int = MAX_WORDS
) -> Generator[None, None, Weights]:
    """Returns the program's weights with the output bias adapted to encoded messages; the program keeps its own.

    Yields after each word. The biases of the specials do not change, and without messages no bias does.

    Args:
      program: holds the network.
      messages: word ids, oldest first.
      prior: a, positive; the larger, the less a bias changes.
      max_words: number of words to read at most.
    """
    weights = program.weights
    size = len(weights["output_bias"])
    expected, written = np.zeros(size), np.zeros(size)
    for message in newest(messages, max_words):
        for logits in Reader(program).along(message):
            expected += softmax(logits)
            yield
        written += np.bincount(message, minlength=size)
    shift = np.log((written + prior) / (expected + prior))
    shift[: len(SPECIALS)] = 0
    weights["output_bias"] = (weights["output_bias"] + shift).astype(np.float32)
    return weights
