"""The people of a privacy audit: those whose words the rounds learn from, those whose words they do not, and their messages.

Members, others and outsiders are drawn at random from a corpus's training users; strangers are its validation users:

- members, whose words the audited rounds learn from;
- others, the same number of non-members, who differ from members only in that no round learns from them;
- outsiders, all other training users, who train the start model, so that it has seen neither members nor others.

Each member, other and stranger takes part with the same number of words: their oldest messages that are not too short. So the
attacks see everything that a round can learn from a member, and the amount of text reveals nothing about membership.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.corpus import Corpus, Part
from data.errors import DataError
from data.files import write_by_rename
from data.tokenizer import tokenize

_LEAST_WORDS = 5  # shorter messages are too common to tell people apart


class AssignedMessages:
    """A corpus of the messages with which people take part in an audit."""

    def __init__(self, messages: Mapping[str, Sequence[str]]) -> None:
        self._messages = messages

    def users(self) -> list[str]:
        """Returns the users in the order of the mapping."""
        return list(self._messages)

    def messages(self, user: str) -> Iterator[str]:
        """Yields the texts of one user, oldest first."""
        return iter(self._messages[user])


@dataclass(frozen=True)
class People:
    """The people of an audit with their messages; outsiders take part with all of their messages."""

    members: AssignedMessages
    others: AssignedMessages
    strangers: AssignedMessages
    outsiders: list[str]


def draw_people(training: Part, validation: Part, count: int, words: int, seed: int) -> People:
    """Draws `count` members and as many others from the training users who wrote `words` words in long enough messages.

    Raises:
      DataError: too few users wrote that many.
    """
    written = {user: share(training, user, words) for user in training.users()}
    eligible = [user for user, texts in written.items() if texts]
    if len(eligible) < 2 * count or len(eligible) == len(written) == 2 * count:
        raise DataError(
            f"{len(eligible)} of {len(written)} training users wrote {words} words, too few for {count} members, as many others, "
            "and outsiders: lower --people or --words"
        )
    order = [eligible[i] for i in np.random.default_rng([seed, 0]).permutation(len(eligible))]
    members, others = (
        AssignedMessages({u: written[u] for u in sorted(half)}) for half in (order[:count], order[count : 2 * count])
    )
    chosen = {*members.users(), *others.users()}
    strangers = {user: share(validation, user, words) for user in validation.users()}
    return People(
        members,
        others,
        AssignedMessages({user: texts for user, texts in strangers.items() if texts}),
        [user for user in training.users() if user not in chosen],
    )


def share(corpus: Corpus, user: str, words: int) -> list[str]:
    """Returns a user's oldest messages that are long enough, up to `words` words; an empty list if there are fewer words."""
    texts, total = [], 0
    for text in corpus.messages(user):
        length = len(tokenize(text))
        if length >= _LEAST_WORDS:
            texts.append(text)
            total += length
        if total >= words:
            return texts
    return []


def write_corpus(path: Path, parts: Iterable[tuple[Corpus, Sequence[str]]]) -> None:
    """Writes the messages of users of one or more corpora as one JSON Lines corpus."""
    lines = []
    for corpus, users in parts:
        for user in users:
            for number, text in enumerate(corpus.messages(user)):
                lines.append(json.dumps({"user": user, "time": f"{number:08}", "text": text}))
    write_by_rename(path, ("\n".join(lines) + "\n").encode())
