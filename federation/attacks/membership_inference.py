"""Membership inference: can whoever has a model tell whose words, and which messages, it was trained on?

The attacks compare losses with a threshold (Yeom et al. 2018, arXiv 1709.01604, Section 3.2): what a model finds likelier was
sooner trained on. `calibrated` ones take away the loss of the model that training started from, so that what is easy for any model
does not count (Watson et al. 2022, arXiv 2111.08440). An attack is summed up over all thresholds by the area under its curve, AUC:
the probability that a member's score is above a non-member's; 0.5 is guessing.
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
    """A model's losses on what one person wrote."""

    words: np.ndarray  # [M], of each message
    nats: np.ndarray  # [M], of each message, added up over its words

    @property
    def mean(self) -> float:
        """Nats per word over all of them."""
        return float(self.nats.sum() / max(self.words.sum(), 1))


@dataclass(frozen=True)
class Attack:
    """How well an attack tells members from others."""

    auc: float
    interval: Interval  # 95%, bootstrapped over people


def losses(program: Program, messages: Sequence[Sequence[int]]) -> Losses:
    """Of encoded messages; words outside the vocabulary count as `<unk>`."""
    words = np.array([len(message) for message in messages], int)
    nats = -network_predictions(program, messages).log_likelihoods.astype(np.float64)
    ends = np.cumsum(words)
    return Losses(words, np.array([nats[end - n : end].sum() for n, end in zip(words, ends, strict=True)]))


def user_scores(people: Sequence[Losses], start: Sequence[Losses] | None = None) -> list[np.ndarray]:
    """The scores [1] of people, higher for members; calibrated where the losses of the start model are given."""
    before = [0.0] * len(people) if start is None else [person.mean for person in start]
    return [np.array([b - person.mean]) for person, b in zip(people, before, strict=True)]


def message_scores(people: Sequence[Losses], start: Sequence[Losses] | None = None) -> list[np.ndarray]:
    """The scores [M] of each person's messages, likewise."""
    before = [np.zeros(len(person.nats)) for person in people] if start is None else [person.nats for person in start]
    return [(b - person.nats) / person.words for person, b in zip(people, before, strict=True)]


def attack(members: Sequence[np.ndarray], others: Sequence[np.ndarray], seed: int = 0) -> Attack:
    """Sums an attack up, given the scores of each person on both sides."""
    rng, resampled = np.random.default_rng(seed), []
    for _ in range(_RESAMPLES):
        draw = [[side[i] for i in rng.integers(len(side), size=len(side))] for side in (members, others)]
        resampled.append(auc(np.concatenate(draw[0]), np.concatenate(draw[1])))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Attack(auc(np.concatenate(members), np.concatenate(others)), Interval(float(low), float(high)))


def auc(members: np.ndarray, others: np.ndarray) -> float:
    """The probability that a member's score [A] is above another's [B], ties at half (Mann and Whitney 1947)."""
    ordered = np.sort(others)
    below, upto = np.searchsorted(ordered, members, "left"), np.searchsorted(ordered, members, "right")
    return float((below + upto).sum() / (2 * len(members) * len(others)))
