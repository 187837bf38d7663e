"""Membership inference: attacks that find out from a model which people, and which messages, it was trained on.

The attacks compare losses with a threshold (Yeom et al. 2018, arXiv 1709.01604, Section 3.2): a text with a low loss was probably
trained on. Calibrated attacks subtract the loss under the model that training started from, so that text which is easy for any
model does not count (Watson et al. 2022, arXiv 2111.08440). The area under the ROC curve, AUC, sums up all thresholds: it is the
probability that a member scores above a non-member. 0.5 is guessing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from federation.evaluation.predictions import network_predictions
from federation.evaluation.significance import Interval
from model.device.runtime import Program

_RESAMPLES = 1000


@dataclass(frozen=True)
class Losses:
    """A model's losses on one person's messages."""

    words: np.ndarray  # [M], number of words of each message
    nats: np.ndarray  # [M], loss of each message, summed over its words

    @property
    def mean(self) -> float:
        """The mean loss in nats per word."""
        return float(self.nats.sum() / max(self.words.sum(), 1))


@dataclass(frozen=True)
class Attack:
    """The success of an attack at distinguishing members from non-members."""

    auc: float
    interval: Interval  # 95% interval of the AUC, by the bootstrap over people


def losses(program: Program, messages: Sequence[Sequence[int]]) -> Losses:
    """Returns the losses on one person's encoded messages; words outside the vocabulary count as `<unk>`."""
    words = np.array([len(message) for message in messages], int)
    nats = -network_predictions(program, messages).log_likelihoods.astype(np.float64)
    ends = np.cumsum(words)
    return Losses(words, np.array([nats[end - n : end].sum() for n, end in zip(words, ends, strict=True)]))


def user_scores(people: Sequence[Losses], start: Sequence[Losses] | None = None) -> list[np.ndarray]:
    """Returns the score [1] of each person, higher for members; calibrated if the losses of the start model are given."""
    before = [0.0] * len(people) if start is None else [person.mean for person in start]
    return [np.array([b - person.mean]) for person, b in zip(people, before, strict=True)]


def message_scores(people: Sequence[Losses], start: Sequence[Losses] | None = None) -> list[np.ndarray]:
    """Returns the scores [M] of each person's messages, higher for members; calibrated if `start` is given."""
    before = [np.zeros(len(person.nats)) for person in people] if start is None else [person.nats for person in start]
    return [(b - person.nats) / person.words for person, b in zip(people, before, strict=True)]


def attack(members: Sequence[np.ndarray], others: Sequence[np.ndarray], seed: int = 0) -> Attack:
    """Returns the success of an attack, given the scores of each member and of each non-member."""
    rng, resampled = np.random.default_rng(seed), []
    for _ in range(_RESAMPLES):
        draw = [[side[i] for i in rng.integers(len(side), size=len(side))] for side in (members, others)]
        resampled.append(auc(np.concatenate(draw[0]), np.concatenate(draw[1])))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Attack(auc(np.concatenate(members), np.concatenate(others)), Interval(float(low), float(high)))


def auc(members: np.ndarray, others: np.ndarray) -> float:
    """Returns the probability that a member's score [A] is above a non-member's [B], ties at half (Mann and Whitney 1947).

    SciPy's `mannwhitneyu` has the same statistic, but takes ten times as long because it also computes a p-value.
    """
    ordered = np.sort(others)
    below, upto = np.searchsorted(ordered, members, "left"), np.searchsorted(ordered, members, "right")
    return float((below + upto).sum() / (2 * len(members) * len(others)))
