"""Devices of a simulated word discovery, which have the messages of a corpus's people, and the words of held-out people."""

from collections import Counter
from collections.abc import Iterator

from data.corpus import Corpus, Part
from data.errors import DataError
from data.tokenizer import tokenize
from data.vocabulary import Vocabulary


def messages_of_devices(people: Part, devices: int | None) -> Iterator[list[str]]:
    """Yields the messages of each device: of one person, or with `devices` an equal part of all messages, person after person.

    Raises:
      DataError: there are fewer messages than devices.
    """
    if devices is None:
        yield from (list(people.messages(user)) for user in people.users())
        return
    messages = [text for user in people.users() for text in people.messages(user)]
    if len(messages) < devices:
        raise DataError(f"the corpus has {len(messages):,} messages for {devices:,} devices: simulate fewer")
    for device in range(devices):
        yield messages[device * len(messages) // devices : (device + 1) * len(messages) // devices]


def word_counts(people: Corpus) -> Counter[str]:
    """Returns how often each word, number and punctuation mark occurs in all messages of these people."""
    return Counter(token.word for user in people.users() for text in people.messages(user) for token in tokenize(text))


def coverage(counts: Counter[str], vocabulary: Vocabulary, more: frozenset[str] = frozenset()) -> float:
    """Returns the share of all uses of words that are words of the vocabulary, or of `more`."""
    known = sum(count for word, count in counts.items() if word in vocabulary or word in more)
    return known / max(counts.total(), 1)
