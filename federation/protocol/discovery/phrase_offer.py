"""The phrases of a person that a device offers: one to three vocabulary words that follow each other.

They travel through the same two sums as new words, in vectors of their own. A phrase is written as its words with a space between
them. Its first word may be `<s>`, the start of a message. Nothing that may not be offered as a word is a part of one, and no
punctuation.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence

from federation.protocol.discovery.fingerprint import fingerprint64
from federation.protocol.discovery.offer import KnownWords, OfferTerms, words_in_order
from federation.protocol.discovery.word_table import LONGEST_BYTES

WORDS = range(1, 4)  # of a phrase
START = "<s>"  # in place of the first word: the phrase starts a message


def phrases_to_offer(
    messages: Iterable[str],
    vocabulary: KnownWords,
    offered_before: Container[str],
    terms: OfferTerms,
    offensive: Container[str],
) -> list[str]:
    """Returns the phrases that a device offers, those of the most messages first, at most `words_per_device` of the terms.

    Args:
      messages: the person's recorded messages.
      vocabulary: the words that the model has.
      offered_before: the phrases that this device has already offered for this vocabulary.
      terms: the limits; they hold for phrases instead of words.
      offensive: words that are in no phrase.
    """
    uses: Counter[str] = Counter()
    for text in messages:
        uses.update(
            {
                " ".join(words[at : at + length])
                for words in _parts(text)
                for length in WORDS
                for at in range(len(words) - length + 1)
                if _is_phrase(words[at : at + length], vocabulary)
                and not any(word in offensive for word in words[at : at + length])
            }
        )
    found = [
        phrase
        for phrase, count in uses.items()
        if count >= terms.min_messages and phrase not in offered_before and len(phrase.encode()) <= LONGEST_BYTES
    ]
    return sorted(found, key=lambda phrase: (-uses[phrase], fingerprint64(phrase.encode())))[: terms.words_per_device]


def may_be_phrase(phrase: str, vocabulary: KnownWords) -> bool:
    """Returns whether a text has the form of a phrase that devices offer."""
    return _is_phrase(phrase.split(" "), vocabulary)


def _parts(text: str) -> Iterator[list[str]]:
    """Yields the parts of a message whose words follow each other, the first of them behind `<s>`."""
    for number, words in enumerate(words_in_order(text)):
        yield words if number else [START, *words]


def _is_phrase(words: Sequence[str], vocabulary: KnownWords) -> bool:
    behind = words[1:] if words[0] == START else words
    return len(words) in WORDS and bool(behind) and all(word in vocabulary and word != START for word in behind)
