"""The people of `federate demo-words`: eight who share words that the vocabulary lacks, and a ninth who never wrote those words.

All are ChitChat's validation users, whose words no shared model was trained on. The eight are chosen one by one, each so that as
many words as possible have enough people. So the demo shows what becomes of words that people share, and not how many words any
eight people share.
"""

from collections import Counter
from collections.abc import Collection

from data.corpus import Corpus
from data.errors import DataError
from data.tokenizer import tokenize
from data.vocabulary import Vocabulary
from federation.demos.people import PEOPLE, Person
from federation.protocol.discovery.offer import OfferTerms, words_to_offer
from model.device.suggesting.offensive import offensive_words

# Minimum and maximum words of one of the eight: enough to share, and few enough to learn quickly.
_WORDS = (3_000, 35_000)
_NEWCOMER_WORDS = (300, 3_000)


def choose_sharers(validation: Corpus, vocabulary: Vocabulary, k: int) -> list[Person]:
    """Returns the eight people, with all their messages; ties are resolved by the order of the corpus.

    Args:
      validation: the corpus.
      vocabulary: the words that the model has.
      k: the number of people that a word needs.

    Raises:
      DataError: the corpus has fewer than eight people who wrote a suitable number of words, or no word has k of the eight.
    """
    candidates = {}
    for user in validation.users():
        messages = list(validation.messages(user))
        if _WORDS[0] <= _count(messages) <= _WORDS[1]:
            candidates[user] = messages
    if len(candidates) < PEOPLE:
        raise DataError(
            f"the corpus has fewer than {PEOPLE} validation users with {_WORDS[0]:,} to {_WORDS[1]:,} words"
        )
    offensive = offensive_words()
    offers = {u: words_to_offer(m, vocabulary, (), OfferTerms(), offensive) for u, m in candidates.items()}
    chosen: list[str] = []
    holders: Counter[str] = Counter()
    while len(chosen) < PEOPLE:

        def shared(user: str) -> tuple[int, int]:
            """Returns the number of words that k people have with this user, and that two people have."""
            counts = (holders + Counter(offers[user])).values()
            return sum(n >= k for n in counts), sum(n >= 2 for n in counts)

        best = max((user for user in candidates if user not in chosen), key=shared)
        chosen.append(best)
        holders.update(offers[best])
    if not any(n >= k for n in holders.values()):
        raise DataError(f"no word that the vocabulary lacks has {k} of the corpus's validation users")
    return [Person(user, candidates[user], []) for user in chosen]


def choose_newcomer(validation: Corpus, words: Collection[str]) -> Person:
    """Returns the first person who wrote a suitable number of words and none of these.

    Raises:
      DataError: the corpus has no such person.
    """
    wanted = set(words)
    for user in validation.users():
        messages = list(validation.messages(user))
        if not _NEWCOMER_WORDS[0] <= _count(messages) <= _NEWCOMER_WORDS[1]:
            continue
        if not any(token.word in wanted for text in messages for token in tokenize(text)):
            return Person(user, messages, [])
    raise DataError(
        f"the corpus has no validation user with {_NEWCOMER_WORDS[0]:,} to {_NEWCOMER_WORDS[1]:,} words and none of the new ones"
    )


def _count(messages: list[str]) -> int:
    return sum(len(tokenize(text)) for text in messages)
