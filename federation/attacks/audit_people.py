"""The people of an audit: who is learned from, who is not, and what each of them wrote.

All are drawn at random from a corpus's training users, but for strangers, who are its validation users:

- members, whose words the audited rounds learn from;
- others, as many, alike in all but that no round learns from them;
- outsiders, all who are left: the model that the rounds start from is trained on them, so that it has seen neither.

Members, others and strangers take part with as many words each, their oldest messages of some length: everything a round could
learn of a member is attacked, and nobody is told apart by how much there is to read.
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

_LEAST_WORDS = 5  # of a message: shorter ones are everybody's


class AssignedMessages:
    """A corpus of the messages that some people take part with."""

    def __init__(self, messages: Mapping[str, Sequence[str]]) -> None:
        self._messages = messages

    def users(self) -> list[str]:
        """In the order in which they were given."""
        return list(self._messages)

    def messages(self, user: str) -> Iterator[str]:
        """The texts of one of them, oldest first."""
        return iter(self._messages[user])


@dataclass(frozen=True)
class People:
    """Who takes part, and with what; outsiders with all they wrote."""

    members: AssignedMessages
    others: AssignedMessages
    strangers: AssignedMessages
    outsiders: list[str]


def draw_people(training: Part, validation: Part, count: int, words: int, seed: int) -> People:
    """Draws `count` members and as many others among the training users who wrote `words` words in messages of some length.

    Raises:
      DataError: there are too few.
    """
    written = {user: share(training, user, words) for user in training.users()}
    able = [user for user, texts in written.items() if texts]
    if len(able) < 2 * count or len(able) == len(written) == 2 * count:
        raise DataError(
            f"{len(able)} of {len(written)} training users wrote {words} words, too few for {count} members, as many others, "
            "and outsiders: choose fewer people, or fewer words"
        )
    order = [able[i] for i in np.random.default_rng([seed, 0]).permutation(len(able))]
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
    """The oldest messages of a user that are long enough, until they hold `words` words; none if they never do."""
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
    """The messages of some users of some corpora, as a corpus of its own."""
    lines = []
    for corpus, users in parts:
        for user in users:
            for number, text in enumerate(corpus.messages(user)):
                lines.append(json.dumps({"user": user, "time": f"{number:08}", "text": text}))
    write_by_rename(path, ("\n".join(lines) + "\n").encode())
