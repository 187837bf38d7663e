"""The people of `federate demo-devices`, and the comparison of two models on their newer messages.

They are eight of ChitChat's validation users, whose words no shared model was trained on. Each keyboard gets the first four fifths
of a person's messages; the newer ones are on no keyboard. The settings of devices and server were chosen on other validation
users, those of `_TUNED_ON`, and not on test users.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.corpus import Part
from data.errors import DataError
from data.tokenizer import tokenize
from data.vocabulary import SPECIALS
from federation.evaluation.change import recall_change
from federation.evaluation.predictions import Predictions, network_predictions
from federation.evaluation.significance import compare, sign_test
from model.device.folder import Model
from model.device.metrics import Scores

PEOPLE = 8
_WORDS = (3_000, 35_000)  # minimum and maximum words of a person: enough to measure on, and few enough to learn quickly
_TUNED_ON = range(91, 128)  # indices in the list of validation users
_TYPED_SHARE = 0.8  # share of a person's words on the keyboard
_NEXT_WORDS = 1_500  # words of each person to measure on, so that no person dominates


@dataclass(frozen=True)
class Person:
    """A person of the demo; messages are oldest first."""

    user: str
    typed: list[str]  # messages on the keyboard
    next: list[str]  # later messages to measure models on


def choose_people(validation: Part) -> list[Person]:
    """Returns the first validation users who wrote a suitable number of words, without those on whom settings were chosen.

    Raises:
      DataError: the corpus has fewer than eight such users.
    """
    people: list[Person] = []
    for place, user in enumerate(validation.users()):
        texts = list(validation.messages(user))
        lengths = np.array([len(tokenize(text)) for text in texts])
        if place in _TUNED_ON or not _WORDS[0] <= lengths.sum() <= _WORDS[1]:
            continue
        typed = int(np.searchsorted(np.cumsum(lengths), _TYPED_SHARE * lengths.sum())) + 1
        measured = int(np.searchsorted(np.cumsum(lengths[typed:]), _NEXT_WORDS)) + 1
        people.append(Person(user, texts[:typed], texts[typed : typed + measured]))
        if len(people) == PEOPLE:
            return people
    raise DataError(f"the corpus has fewer than {PEOPLE} validation users with {_WORDS[0]} to {_WORDS[1]} words")


def compare_models(before: Model, after: Model, people: Sequence[Person]) -> dict[str, Any]:
    """Compares recall and perplexity of two models on the people's newer messages.

    Returns:
      `people`, a mapping for each person, and `all`, the same over all words: recall and perplexity `before` and `after`, the
      `difference` in recall at 1, and its 95% `interval`, over messages for a person and over people for all. `all` has two
      p-values: `p_words` treats words as independent (McNemar's exact test), `p_people` is the sign-flip test over people
      (`federation.evaluation.significance`).
    """
    predictions = [_predict(model, people) for model in (before, after)]
    found = [_compared(*pair) for pair in zip(*predictions, strict=True)]
    rows = [row | {"user": person.user} for row, person in zip(found, people, strict=True)]
    words = np.array([row["words"] for row in rows])
    hits = [np.array([row[model]["first"] for row in rows]) for model in ("before", "after")]
    by_people = compare(hits[1], hits[0], words)
    interval = by_people.difference_interval
    better, worse = (sum(row[name] for row in rows) for name in ("better", "worse"))
    total = {
        "words": int(words.sum()),
        "before": _figures(sum((p.scores() for p in predictions[0]), Scores())),
        "after": _figures(sum((p.scores() for p in predictions[1]), Scores())),
        "better": better,
        "worse": worse,
        "difference": by_people.difference,
        "interval": [interval.low, interval.high] if interval else None,
        "p_words": sign_test(better, worse),
        "p_people": by_people.p,
    }
    return {"people": rows, "all": total}


def _predict(model: Model, people: Sequence[Person]) -> list[Predictions]:
    program = model.start()
    encoded = [[model.vocabulary.encode(text) for text in p.next] for p in people]
    return [network_predictions(program, messages, model.phrases) for messages in encoded]


def _compared(before: Predictions, after: Predictions) -> dict[str, Any]:
    """Compares two models on one person; `better` counts first guesses of the second model only, `worse` of the first only."""
    words = before.targets >= len(SPECIALS)
    hit_before, hit_after = before.ranks[words] < 1, after.ranks[words] < 1
    message = np.cumsum(before.positions == 0)[words]  # the number of the message of each word
    by_message = recall_change(np.bincount(message, hit_before), np.bincount(message, hit_after), np.bincount(message))
    return {
        "difference": by_message["difference"],
        "interval": by_message["interval"],
        "words": int(words.sum()),
        "before": _figures(before.scores()),
        "after": _figures(after.scores()),
        "better": int((hit_after & ~hit_before).sum()),
        "worse": int((hit_before & ~hit_after).sum()),
    }


def _figures(scores: Scores) -> dict[str, float]:
    return {"first": scores.first, "top1": scores.top1, "top3": scores.top3, "perplexity": scores.perplexity}
