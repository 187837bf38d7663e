"""Canaries: secrets planted among simulated people's messages, and how far a model reveals them.

Carlini et al. 2019 ("The Secret Sharer", arXiv 1802.08232), Section 4: a canary is a format with holes that are filled at random
from a space R. A model's exposure of a canary is

    exposure = log2 |R| - log2 rank,

where rank is the number of fillings that the model finds at least as likely. A filling that was never seen has an exposure above x
with a probability of 2^-x, and 1.44 bits on average. An exposure of log2 |R| bits means that the model finds the secret likelier
than any other filling, so an attacker who knows the format can read it out.

The format here is `<two words> w1 w2`, with w1 and w2 from the same list of n words. So n + 3 steps of the network rank all
|R| = n^2 fillings exactly; the paper estimates ranks in large spaces.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, log_softmax

from data.corpus import Corpus
from data.errors import DataError
from data.vocabulary import BOUNDARY, SPECIALS, Vocabulary
from model.device.runtime import Program

_COMMON = 500  # number of most frequent words, which make no secret
_CHOICES = 512  # maximum number of words to fill a hole with


@dataclass(frozen=True)
class Canary:
    """A secret as word ids, and the people who hold it."""

    opening: tuple[int, int]  # fixed words, known to the attacker
    secret: tuple[int, int]
    holders: int  # number of people who have the canary among their messages; 0 for a control
    copies: int  # number of times that each holder wrote it

    @property
    def message(self) -> list[int]:
        """The message that a holder writes, as ids."""
        return [*self.opening, *self.secret]


def choices(vocabulary: Vocabulary) -> np.ndarray:
    """Returns the ids [n] that secrets are drawn from: words that begin with a letter, without the most frequent words.

    Raises:
      DataError: the vocabulary has fewer than 16 such words.
    """
    ids = [i for i, word in enumerate(vocabulary.words) if i >= len(SPECIALS) and word[0].isalpha()]
    if len(ids) > 2 * _COMMON:
        ids = ids[_COMMON:]
    if len(ids) < 16:
        raise DataError(
            "the vocabulary has too few words to draw secrets from: choose a model with a larger vocabulary"
        )
    step = max(1, len(ids) // _CHOICES)  # takes frequent and rare words equally
    return np.array(ids[::step][:_CHOICES])


def draw_canaries(vocabulary: Vocabulary, planting: Sequence[tuple[int, int]], seed: int) -> list[Canary]:
    """Draws a canary with its own opening for each (holders, copies)."""
    rng, words = np.random.default_rng([seed, 1]), choices(vocabulary)
    openings = rng.choice(words, (len(planting), 2), replace=2 * len(planting) > len(words))
    secrets = rng.choice(words, (len(planting), 2))
    return [
        Canary((int(a), int(b)), (int(c), int(d)), holders, copies)
        for (a, b), (c, d), (holders, copies) in zip(openings, secrets, planting, strict=True)
    ]


def holders_of(canaries: Sequence[Canary], users: Sequence[str], seed: int) -> dict[str, list[Canary]]:
    """Assigns canaries to random users; each has at most one, so that canaries do not reinforce each other.

    Raises:
      DataError: there are more holders than users.
    """
    needed = sum(canary.holders for canary in canaries)
    if needed > len(users):
        raise DataError(f"the canaries need {needed} people, but there are only {len(users)}: raise --people")
    drawn = iter(np.random.default_rng([seed, 2]).permutation(len(users)))
    return {users[next(drawn)]: [canary] for canary in canaries for _ in range(canary.holders)}


class Planted:
    """A corpus with canaries added to its users' messages."""

    def __init__(self, corpus: Corpus, held: Mapping[str, Sequence[Canary]], vocabulary: Vocabulary) -> None:
        self._corpus, self._held, self._vocabulary = corpus, held, vocabulary

    def users(self) -> list[str]:
        """Returns the users of the corpus."""
        return self._corpus.users()

    def messages(self, user: str) -> Iterator[str]:
        """Yields a user's own messages and then the canaries."""
        yield from self._corpus.messages(user)
        for canary in self._held.get(user, ()):
            text = " ".join(self._vocabulary.words[i] for i in canary.message)
            yield from [text] * canary.copies


def exposure(program: Program, canary: Canary, words: np.ndarray) -> float:
    """Returns the exposure, in bits from 0 to 2 log2 n, of a canary whose secret is drawn from `words` [n].

    Equally likely fillings rank before the secret, so a model that finds all fillings equally likely exposes nothing.
    """
    state = program.initial_state(1)
    for token in (BOUNDARY, *canary.opening):
        logits, state = program.step(token, state)
    first = log_softmax(logits.astype(np.float64))[words]
    likelihoods = np.empty((len(words), len(words)))
    for i, word in enumerate(words):
        following, _ = program.step(int(word), state)
        likelihoods[i] = first[i] + log_softmax(following.astype(np.float64))[words]
    place = tuple(int(np.flatnonzero(words == word)[0]) for word in canary.secret)
    rank = np.count_nonzero(likelihoods >= likelihoods[place])
    return 2 * math.log2(len(words)) - math.log2(rank)


def chance(exposures: Sequence[float]) -> float:
    """Returns the probability that as many secrets that were never seen have at least this mean exposure.

    The rank of such a secret is uniform, so its exposure times ln 2 has at most an exponential distribution, and the sum of k of
    them at most an Erlang distribution of shape k, whose survival function is the regularized upper incomplete gamma function.
    """
    return float(gammaincc(len(exposures), sum(exposures) * math.log(2)))
