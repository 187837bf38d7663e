"""Canaries: secrets planted into what simulated people wrote, and how far a model gives them away.

Carlini et al. 2019 ("The Secret Sharer", arXiv 1802.08232), Section 4: a canary is a format with holes, filled at random from a
space R. A model's exposure of a canary is

    exposure = log2 |R| - log2 rank,

where rank counts the fillings that the model finds at least as likely. A filling that was never seen has an exposure above x with
a probability of 2^-x, and 1.44 bits on average; log2 |R| bits say that the model would sooner write this canary than any other
filling, so that whoever knows the format reads the secret out.

The format here is `<two words> w1 w2`, with w1 and w2 drawn from the same list of words. So all |R| = n^2 fillings can be ranked,
exactly, with n + 3 steps of the network, where the paper estimates ranks for large spaces.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.corpus import Corpus
from data.errors import DataError
from data.vocabulary import BOUNDARY, SPECIALS, Vocabulary
from model.device.runtime import Program

_COMMON = 500  # words of the vocabulary that are too frequent to be a secret
_CHOICES = 512  # words that a hole is filled with, at most


@dataclass(frozen=True)
class Canary:
    """A secret, and how it was planted; words are ids."""

    opening: tuple[int, int]  # fixed: what an attacker knows
    secret: tuple[int, int]
    holders: int  # people who have it among their messages; 0 for a control, which nobody has
    copies: int  # messages of each that it is

    @property
    def message(self) -> list[int]:
        """As it is written, in words' ids."""
        return [*self.opening, *self.secret]


def choices(vocabulary: Vocabulary) -> np.ndarray:
    """The ids that secrets are drawn from: words that letters begin, but the most frequent; [n].

    Raises:
      DataError: the vocabulary has hardly any.
    """
    ids = [i for i, word in enumerate(vocabulary.words) if i >= len(SPECIALS) and word[0].isalpha()]
    if len(ids) > 2 * _COMMON:
        ids = ids[_COMMON:]
    if len(ids) < 16:
        raise DataError("this vocabulary has too few words to hide a secret among them")
    step = max(1, len(ids) // _CHOICES)  # frequent and rare ones alike
    return np.array(ids[::step][:_CHOICES])


def draw_canaries(vocabulary: Vocabulary, planting: Sequence[tuple[int, int]], seed: int) -> list[Canary]:
    """A canary for each (holders, copies), with an opening of its own."""
    rng, words = np.random.default_rng([seed, 1]), choices(vocabulary)
    openings = rng.choice(words, (len(planting), 2), replace=2 * len(planting) > len(words))
    secrets = rng.choice(words, (len(planting), 2))
    return [
        Canary((int(a), int(b)), (int(c), int(d)), holders, copies)
        for (a, b), (c, d), (holders, copies) in zip(openings, secrets, planting, strict=True)
    ]


def holders_of(canaries: Sequence[Canary], users: Sequence[str], seed: int) -> dict[str, list[Canary]]:
    """Which users have which canary: one at most, so that canaries do not help each other.

    Raises:
      DataError: there are more holders than users.
    """
    needed = sum(canary.holders for canary in canaries)
    if needed > len(users):
        raise DataError(f"{needed} people are to hold canaries and there are {len(users)}: choose more people")
    drawn = iter(np.random.default_rng([seed, 2]).permutation(len(users)))
    return {users[next(drawn)]: [canary] for canary in canaries for _ in range(canary.holders)}


class Planted:
    """A corpus whose users have canaries among their messages."""

    def __init__(self, corpus: Corpus, held: Mapping[str, Sequence[Canary]], vocabulary: Vocabulary) -> None:
        self._corpus, self._held, self._vocabulary = corpus, held, vocabulary

    def users(self) -> list[str]:
        """As they are."""
        return self._corpus.users()

    def messages(self, user: str) -> Iterator[str]:
        """A user's own messages, and behind them the canaries."""
        yield from self._corpus.messages(user)
        for canary in self._held.get(user, ()):
            text = " ".join(self._vocabulary.words[i] for i in canary.message)
            yield from [text] * canary.copies


def exposure(program: Program, canary: Canary, words: np.ndarray) -> float:
    """The exposure of a canary whose secret is drawn from `words` [n], in bits: 0 to 2 log2 n.

    Fillings as likely as the secret count before it, the secret among them, so that a model that tells nothing apart exposes
    nothing.
    """
    state = program.initial_state(1)
    for token in (BOUNDARY, *canary.opening):
        logits, state = program.step(token, state)
    first = _log_softmax(logits)[words]
    likelihoods = np.empty((len(words), len(words)))
    for i, word in enumerate(words):
        following, _ = program.step(int(word), state)
        likelihoods[i] = first[i] + _log_softmax(following)[words]
    place = tuple(int(np.flatnonzero(words == word)[0]) for word in canary.secret)
    rank = np.count_nonzero(likelihoods >= likelihoods[place])
    return 2 * math.log2(len(words)) - math.log2(rank)


def chance(exposures: Sequence[float]) -> float:
    """The probability that as many secrets which were never seen have at least this mean exposure.

    Of such a secret rank / |R| is uniform, so that exposure times ln 2 is at most exponentially distributed, and the sum of k of
    them at most as an Erlang distribution of shape k.
    """
    total, shape = sum(exposures) * math.log(2), len(exposures)
    return min(
        1.0,
        math.fsum(math.exp(i * math.log(total) - math.lgamma(i + 1) - total) for i in range(shape)) if total else 1.0,
    )


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max()
    return shifted - np.log(np.exp(shifted).sum())
