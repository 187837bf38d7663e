"""The trust in a person's n-grams relative to the network, learned on the device.

1. The kept network reads the messages that the gate held out once more. From a single run of the network, each word gets a
   probability for every trust of a small grid. After each message the n-grams count it.
2. The trust with the highest likelihood is chosen if it is `_MARGIN` nats likelier than the default trust.

If the default mixture were the way the person writes, the expected likelihood ratio of any other trust would be 1. By Markov's
inequality it exceeds e^m with a probability of at most e^-m. With m = ln 500, chance selects one of the five other trusts in at
most one of a hundred trainings, and a few messages are too little evidence to change anything. Four of 30 validation users got
another trust, and for each of them it made the words they wrote next likelier than the default.
"""

import math
from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from data.tokenizer import tokenize
from data.vocabulary import Vocabulary
from model.device.runtime import Program
from model.device.suggesting.personal import USUAL_TRUST, PersonalNgram
from model.device.suggesting.phrases import Phrases
from model.device.suggesting.prediction import Predictor
from model.device.suggesting.reading import Reader

TRUSTS = (USUAL_TRUST, 0.0, 0.25, 0.5, 2.0, 4.0)
_MARGIN = math.log(500)  # nats


def log_likelihoods(
    program: Program,
    vocabulary: Vocabulary,
    older: Sequence[str],
    newest: Sequence[str],
    phrases: Phrases | None = None,
) -> Generator[None, None, NDArray[np.float64]]:
    """Returns the log-likelihood of the newest messages for each of `TRUSTS`: float64 [6], in nats.

    Each word is predicted before it is counted. Own words count with their own probability, words never seen with that of `<unk>`.
    Yields after each older message and each word of the newest ones.
    """
    personal = yield from PersonalNgram.counting(vocabulary, older)
    predictor = Predictor(Reader(program, phrases=phrases), vocabulary)
    total = np.zeros(len(TRUSTS))
    for text in newest:
        words = [token.word for token in tokenize(text)]
        ids = [personal.id(word) for word in words]
        for i, word in enumerate(ids):
            network = predictor.probabilities(words[:i])
            total += np.log(personal.likelihoods(network, ids[:i], word, np.array(TRUSTS)))
            yield
        personal.learn(text)
    return total


def choose_trust(
    program: Program,
    vocabulary: Vocabulary,
    older: Sequence[str],
    newest: Sequence[str],
    phrases: Phrases | None = None,
) -> Generator[None, None, float]:
    """Returns the trust to use from now on with the network in the program; yields often."""
    found = yield from log_likelihoods(program, vocabulary, older, newest, phrases)
    best = int(found.argmax())
    return TRUSTS[best] if found[best] - found[0] > _MARGIN else USUAL_TRUST
