"""The measurement of `federate demo`: each person's keyboard in each stage, and the global model on strangers round by round.

A person's interval resamples their messages, because one person has no other unit; an interval over strangers resamples people.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.corpus import Corpus, Part
from data.vocabulary import Vocabulary
from federation.demos.owners import Owner
from federation.evaluation.change import recall_change
from federation.evaluation.held_out_users import equal_shares
from federation.evaluation.personalization import SimulatedKeyboard, measure_keyboards
from federation.evaluation.predictions import scores_by_person
from federation.evaluation.significance import pooled_interval
from model.device.folder import Model
from model.device.metrics import Scores
from model.device.weights import Weights

_STRANGERS_WORDS = 12_000
_TYPED_WORDS = 600  # words of each person for which keystrokes are counted


def measure_stages(owners: Sequence[Owner], stages: Mapping[str, Sequence[SimulatedKeyboard]]) -> dict[str, Any]:
    """Measures each owner's keyboard in each stage on the owner's newer messages.

    Returns:
      `stages`, which maps each stage to a mapping for each person: recall at 1 (`top1`), its 95% `interval`, recall at 3, KSR;
      `words_measured` of each person; `change` of recall at 1 from the first stage to the last, of each and of all together.
    """
    work = [
        (keyboard, owner.next)
        for keyboards in stages.values()
        for owner, keyboard in zip(owners, keyboards, strict=True)
    ]
    found = measure_keyboards(work, _TYPED_WORDS)
    measured = {stage: found[i * len(owners) : (i + 1) * len(owners)] for i, stage in enumerate(stages)}
    figures: dict[str, list[dict[str, Any]]] = {}
    for stage, people in measured.items():
        figures[stage] = []
        for messages, typing in people:
            total = sum(messages, Scores())
            row = {"top1": total.top1, "top3": total.top3, "ksr": typing.savings_rate, "interval": _interval(messages)}
            figures[stage].append(row)
    by_stage = [[messages for messages, _ in people] for people in measured.values()]
    first, last = by_stage[0], by_stage[-1]
    together = [[scores for messages in side for scores in messages] for side in (first, last)]
    return {
        "stages": figures,
        "words_measured": [sum(messages, Scores()).words for messages in first],
        "change": {
            "people": [_change(*pair) for pair in zip(first, last, strict=True)],
            "all": _change(*together),
        },
    }


class Strangers:
    """Validation users who take no part in the demo: the global model is measured on their messages."""

    def __init__(self, corpus: Corpus, owners: Sequence[Owner], model: Model) -> None:
        validation = Part(corpus, "validation")
        users = [user for user in validation.users() if user not in {owner.user for owner in owners}]
        self._messages = _encoded(validation, users, model.vocabulary)
        self._program = model.start(threads=2)
        self._scores: list[tuple[int, list[Scores]]] = []

    def measure(self, number: int, weights: Weights) -> str:
        """Measures the global model after a round, 0 for the start; returns recall at 1 in words."""
        self._program.weights = weights
        self._scores.append((number, scores_by_person(self._program, self._messages)))
        return f"strangers: {sum(self._scores[-1][1], Scores()).top1:.1%}"

    def figures(self) -> dict[str, Any]:
        """Returns the number of `people` and `words`, the `change` of recall at 1 from first to last, and `by_round`."""
        first = self._scores[0][1]
        rows = []
        for number, scores in self._scores:
            total = sum(scores, Scores())
            rows.append({"round": number, "top1": total.top1, "top3": total.top3} | _change(first, scores))
        return {
            "people": sum(person.words > 0 for person in first),
            "words": sum(first, Scores()).words,
            "change": _change(first, self._scores[-1][1]),
            "by_round": rows,
        }


def _encoded(validation: Part, users: Sequence[str], vocabulary: Vocabulary) -> list[list[list[int]]]:
    return [
        [vocabulary.encode(text) for text in messages] for messages in equal_shares(validation, users, _STRANGERS_WORDS)
    ]


def _arrays(scores: Sequence[Scores]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s.first for s in scores]), np.array([s.words for s in scores])


def _interval(scores: Sequence[Scores]) -> list[float] | None:
    found = pooled_interval(*_arrays(scores))
    return [found.low, found.high] if found else None


def _change(before: Sequence[Scores], after: Sequence[Scores]) -> dict[str, Any]:
    (hits_before, words), (hits_after, _) = _arrays(before), _arrays(after)
    return recall_change(hits_before, hits_after, words)
