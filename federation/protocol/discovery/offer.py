r"""The words of a person that a device offers to word discovery: those that the vocabulary lacks, and that are not private.

The messages are those that the keyboard recorded, so nothing of private mode and no message that looks like a secret
(`keyboard_app.recording.sensitive`). A word consists of 2 to 20 letters and apostrophes, in lower case as the tokenizer has it. A
use counts only where the word stands for itself. It does not count

- in a run of characters without white space that looks like an address or an account: with a digit or one of
  `_ @ \ # $ % ^ * + = < > | ~` inside, a point between letters, several slashes or one at the beginning;
- after "username" or the name of a service with "is" or a colon ("my snap is …"), and after "add me on …";
- anywhere after "password", "PIN", "recovery phrase" and the like with "is" or a colon;
- in a product key (groups of capital letters joined by hyphens), or with capitals in several places ("xXdarkXx");
- if the word has seven consonants in a row, like random letters.

The rules prefer false alarms, because a word that many people use is also written elsewhere. They do not recognize a secret that
looks like a word. What protects such a secret is that fewer than k people have it (`federation.protocol.discovery.word_counts`).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby, pairwise
from typing import Annotated, Protocol

from data.marks import is_mark
from data.tokenizer import tokenize
from federation.protocol.discovery.fingerprint import fingerprint64
from federation.protocol.discovery.word_table import LONGEST_BYTES
from federation.protocol.json_messages import Between, JsonMessage

LENGTHS = range(2, 21)  # characters of a word

_EDGES = "()[]{}<>\"'“”‘’«».,;:!?…*~-#"  # characters that surround words
_NOT_IN_WORDS = re.compile(r"[\d_@\\#$%^*+=<>|~]|(?<![.])[.](?![.])|/.*/|^/|^[ru]/", re.IGNORECASE)
_KEY = re.compile(r"[A-Z]{4,}(?:-[A-Z]{4,}){2,}")
_SERVICE = (
    r"user ?name|screen ?name|login|handle|gamer ?tag|snap(?:chat)?|insta(?:gram)?|ig|discord|kik|skype|telegram|signal|venmo|"
    r"paypal|cash ?app|psn|xbox|steam|twitch|twitter|tiktok|tumblr|reddit|facebook|account(?: name)?|e-?mail(?: address)?"
)
_IS = r"\s*(?:\b(?:is|are|ist|est|es)\b|['’]s\b|[:=])\s*"
_NAMED_ACCOUNT = re.compile(
    rf"\b(?:{_SERVICE})\b(?: (?:name|id|user|username|handle|account))?{_IS}(\S+)"
    rf"|\b(?:add|follow|find|message|text|dm|hit) me(?: up)? (?:on|at) \S+ (\S+)",
    re.IGNORECASE,
)
_NAMED_SECRET = re.compile(
    r"\b(?:pass(?:word|code|phrase)|passwort|kennwort|pwd|pin(?: code| number)?|contraseña|mot de passe|"
    rf"(?:access|security|secret|recovery|backup|login) (?:code|key|phrase|words?)|seed phrase)\b{_IS}",
    re.IGNORECASE,
)
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{7}")


class KnownWords(Protocol):
    """Words that can be looked up: a `Vocabulary`, or a set."""

    def __contains__(self, word: str, /) -> bool:
        """Returns whether a word is one of them."""


@dataclass(frozen=True)
class OfferTerms(JsonMessage):
    """The limits of what a device offers.

    Raises:
      DataError: a number is not within its bounds.
    """

    min_messages: Annotated[int, Between(1, 1000)] = 1  # messages of the person in which a word must occur
    words_per_device: Annotated[int, Between(1, 10_000)] = 2000  # greatest number of words


def words_to_offer(
    messages: Iterable[str],
    vocabulary: KnownWords,
    offered_before: Container[str],
    terms: OfferTerms,
    offensive: Container[str],
) -> list[str]:
    """Returns the words that a device offers, those of the most messages first.

    Words of equally many messages are in the order of their fingerprints. It is the same on all devices, so that those with too
    many words choose the same ones, and no letter of the alphabet is preferred.

    Args:
      messages: the person's recorded messages.
      vocabulary: the words that the model has.
      offered_before: the words that this device has already offered for this vocabulary.
      terms: the limits.
      offensive: words that are never offered.
    """
    uses = Counter(word for text in messages for word in set(chain.from_iterable(words_in_order(text))))
    found = [
        word
        for word, count in uses.items()
        if count >= terms.min_messages
        and word not in vocabulary
        and word not in offered_before
        and word not in offensive
        and may_be_offered(word)
    ]
    return sorted(found, key=lambda word: (-uses[word], fingerprint64(word.encode())))[: terms.words_per_device]


def may_be_offered(word: str) -> bool:
    """Returns whether a word has the form that devices offer; a sum that reveals others was tampered with."""
    return (
        len(word) in LENGTHS
        and len(word.encode()) <= LONGEST_BYTES
        and all(c.isalpha() or c == "'" or is_mark(c) for c in word)
        and [token.word for token in tokenize(word)] == [word]
        and not _looks_random(word)
    )


def words_in_order(text: str) -> Iterator[list[str]]:
    """Yields the words of a message, without those that are parts of addresses, accounts and secrets.

    Each list holds words that follow each other with nothing but white space and edges of words between them.
    """
    if secret := _NAMED_SECRET.search(text):
        text = text[: secret.end()]
    accounts = [match.start(match.lastindex or 0) for match in _NAMED_ACCOUNT.finditer(text)]
    together: list[str] = []
    for match in re.finditer(r"\S+", text):
        run = match.group().strip(_EDGES)
        hidden = _NOT_IN_WORDS.search(run) or _KEY.fullmatch(run) or any(a in range(*match.span()) for a in accounts)
        tokens = [] if hidden else tokenize(run)
        if len(tokens) != 1 or _has_scattered_capitals(tokens[0].text) or not match.group().startswith(run):
            yield together
            together = []
            yield from ([token.word] for token in tokens if not _has_scattered_capitals(token.text))
            continue
        together.append(tokens[0].word)
        if not match.group().endswith(run):
            yield together
            together = []
    yield together


def _has_scattered_capitals(text: str) -> bool:
    """Returns whether capitals follow small letters in more than one place, unlike in "iPhone" and "McDonald"."""
    return sum(before.islower() and after.isupper() for before, after in pairwise(text)) > 1


def _looks_random(word: str) -> bool:
    """Returns whether seven Latin consonants follow each other; drawn-out letters ("pfffffft") count once."""
    plain = unicodedata.normalize("NFD", word)
    return bool(_CONSONANTS.search("".join(letter for letter, _ in groupby(plain))))
