"""How far a person's n-grams are trusted over the network, learned on the device.

1. The messages that the gate held back are gone through once more with the network it kept: each word's probability is taken
   with each trust of a small grid, from one and the same run of the network, and each message is counted after that.
2. The trust under which these messages are likeliest is taken, if they are `_MARGIN` nats likelier than with the usual one.

If the usual mixture were how the person writes, the likelihood ratio of any other would be 1 in expectation, hence at least e^m
with a probability of at most e^-m (Markov's inequality). With m = ln 500 chance moves any of the five others so far once in a
hundred learnings at most, and a few messages cannot say enough to move anything. Of 30 validation users four got another trust;
what each of the four wrote next was likelier with it than with the usual one.
"""

import math
from collections.abc import Generator, Sequence

import numpy as np

from data.tokenizer import tokenize
from data.vocabulary import Vocabulary
from model.device.runtime import Program
from model.device.suggesting.personal import USUAL_TRUST, PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester

TRUSTS = (USUAL_TRUST, 0.0, 0.25, 0.5, 2.0, 4.0)
_MARGIN = math.log(500)  # nats


def log_likelihoods(
    program: Program, vocabulary: Vocabulary, older: Sequence[str], newest: Sequence[str]
) -> Generator[None, None, np.ndarray]:
    """Of all words of the newest messages, each predicted before it is counted, with each of `TRUSTS`: [6] float64, in nats.

    Words of the person's own count with what they are given, words never seen with what is left to `<unk>`. Yields after each
    message.
    """
    personal, suggester = PersonalNgram(vocabulary, older), Suggester(Reader(program), vocabulary)
    total = np.zeros(len(TRUSTS))
    for text in newest:
        words = [token.word for token in tokenize(text)]
        ids = [personal.id(word) for word in words]
        for i, word in enumerate(ids):
            network = suggester.probabilities(words[:i])
            total += np.log(personal.likelihoods(network, ids[:i], word, np.array(TRUSTS)))
        personal.learn(text)
        yield
    return total


def choose_trust(
    program: Program, vocabulary: Vocabulary, older: Sequence[str], newest: Sequence[str]
) -> Generator[None, None, float]:
    """The trust to type with from now on, by the network in the program; yields after each message."""
    found = yield from log_likelihoods(program, vocabulary, older, newest)
    best = int(found.argmax())
    return TRUSTS[best] if found[best] - found[0] > _MARGIN else USUAL_TRUST
