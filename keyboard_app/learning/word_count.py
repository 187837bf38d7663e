"""The number of words in messages, as a person counts them: each once, without punctuation and without ends of messages."""

from collections.abc import Iterable, Sequence

from data.tokenizer import PUNCTUATION
from data.vocabulary import Vocabulary


def count_words(messages: Iterable[Sequence[int]], vocabulary: Vocabulary) -> int:
    """Returns the number of words in encoded messages, unknown words included."""
    marks = {vocabulary.id(mark) for mark in PUNCTUATION if mark in vocabulary}
    return sum(word not in marks for message in messages for word in message)
