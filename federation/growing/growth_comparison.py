"""What a larger vocabulary brings people who did not help to find its words: coverage, and recall over all words.

Models of different vocabularies are compared over the same words. A word that a model does not have counts as missed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.vocabulary import SPECIALS
from federation.evaluation.change import recall_change
from federation.evaluation.predictions import Predictions, network_predictions
from federation.processes import map_in_processes
from model.device.folder import Model

People = Sequence[Sequence[str]]


def growth(models: Mapping[str, Model], people: People) -> dict[str, Any]:
    """Measures models that grew from each other, the oldest first, on the messages of each person.

    Returns:
      The numbers of `people` with a word and of `words`, punctuation included; `models`, which maps each name to `coverage`, the
      share of all words that the vocabulary has, and to recall over all words, `top1` and `top3`; the `change` of recall at 1 over
      all words from the first model to the last, as `recall_change` returns it; and `new_words`, of those that only the last
      model's vocabulary has: their `uses`, and the last model's recall at them, `top1` and `top3`.
    """
    names, oldest = list(models), next(iter(models.values()))
    found = dict(
        zip(names, map_in_processes(_predict, [(model, people) for model in models.values()], _quiet), strict=True)
    )
    lengths = np.array([sum(map(len, _encoded(oldest, messages))) for messages in people])
    rows = {name: _figures(predictions) for name, predictions in found.items()}
    hits = [_hits_by_person(found[name], lengths) for name in (names[0], names[-1])]
    last = found[names[-1]]
    new = last.targets >= len(oldest.vocabulary)
    uses = int(new.sum())
    return {
        "people": int(np.count_nonzero(lengths)),
        "words": int(lengths.sum()),
        "models": rows,
        "change": recall_change(hits[0], hits[1], lengths),
        "new_words": {
            "uses": uses,
            "top1": float((last.ranks[new] < 1).sum() / max(uses, 1)),
            "top3": float((last.ranks[new] < 3).sum() / max(uses, 1)),
        },
    }


def _quiet(done: int, line: str) -> None:
    """Shows no progress."""


def _encoded(model: Model, messages: Sequence[str]) -> list[list[int]]:
    return [model.vocabulary.encode(text) for text in messages]


def _predict(model_and_people: tuple[Model, People]) -> Predictions:
    model, people = model_and_people
    messages = [encoded for person in people for encoded in _encoded(model, person)]
    return network_predictions(model.start(), messages, model.phrases)


def _figures(found: Predictions) -> dict[str, float]:
    words, known = max(len(found.targets), 1), found.targets >= len(SPECIALS)
    top1, top3 = (float((known & (found.ranks < k)).sum() / words) for k in (1, 3))
    return {"coverage": float(known.sum() / words), "top1": top1, "top3": top3}


def _hits_by_person(found: Predictions, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    hits = (found.targets >= len(SPECIALS)) & (found.ranks < 1)
    sums = np.concatenate([[0], np.cumsum(hits)])
    ends = np.cumsum(lengths)
    counts: NDArray[np.int64] = sums[ends] - sums[ends - lengths]
    return counts
