"""Secrets that must never be recorded, whatever field they were typed into: card numbers, accounts, passwords, codes.

A keyboard that cannot see the kind of a field has to judge by the text. Each rule looks for a pattern that is typical of secrets
and rare in chat:

- a card number: 13 to 19 digits with anything but letters between them and a valid Luhn checksum (ISO/IEC 7812-1);
- a bank account: an IBAN whose remainder modulo 97 is 1 (ISO 13616), grouped or not;
- a named password: `password`, `PIN`, `CVV` and the like, then `is`, `:` or `=`, then a value;
- a token that looks like a password: at least eight characters, not an address, with letters, digits and an inner symbol; or
  alternating between letters and digits; or at least sixteen characters with digits, lower-case and capital letters;
- a message of one token: a code of four to eight digits; or at least six characters with letters and digits, or with lower-case
  and capital letters and a symbol that does not join words.

The rules prefer false alarms: a refused message is merely not learned from. A password of letters alone looks like any word and
is not detected; private mode is for those.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from data.marks import without_marks

CARD, ACCOUNT, PASSWORD, CODE = "a card number", "a bank account", "a password", "a code"

_CARD_DIGITS = range(13, 20)
_LUHN = tuple(sum(divmod(2 * digit, 10)) for digit in range(10))  # the sum of the digits of a doubled digit
# In a lookahead, so that matches may overlap: "at 10 30 to" before an account begins as one does.
_IBAN = re.compile(
    r"(?<![^\W_])(?=((?:[a-z][ \-]?){2}(?:\d[ \-]?){2}(?:[ \-]?[a-z0-9]){11,30}))", re.IGNORECASE | re.ASCII
)
_IBAN_LENGTH = 15  # characters of the shortest
_IBAN_DIGITS = 8  # no country has fewer; a lower limit would match one in 97 runs of words after a name such as IT101
_NAMED = re.compile(
    r"\b(?:pass(?:word|code|phrase)|passwort|kennwort|pwd|pin(?: code| number)?|cvv|cvc|contraseña|mot de passe)\b"
    r"\s*(?:\bis\b|\bist\b|\best\b|\bes\b|[:=])\s*\S",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:https?://|www\.)\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|[\w-]+(?:\.[a-z]{2,})+(?:/\S*)?", re.IGNORECASE
)
_LONGEST = 256  # characters of a token that are looked at
_EDGES = "()[]{}<>\"'“”‘’«».,;:!?…*~_-"  # characters that surround words, but are rarely in passwords
_BETWEEN_WORDS = "'’-/,.:!?&"  # characters that people write inside one token


def why_sensitive(text: str) -> str | None:
    """Returns the kind of secret that the message looks like, in words for the person, or None if it may be recorded."""
    # However a letter is composed, and whatever invisible joiners stand between the characters, the text reads the same.
    text = without_marks(unicodedata.normalize("NFC", text))
    if any(_is_iban(match[1]) for match in _IBAN.finditer(text)):
        return ACCOUNT
    if _holds_card(text):
        return CARD
    if _NAMED.search(text):
        return PASSWORD
    tokens = text.split()
    if any(_looks_like_password(token) for token in tokens):
        return PASSWORD
    if len(tokens) == 1:
        return _alone(tokens[0])
    return None


def _holds_card(text: str) -> bool:
    if sum(map(str.isdecimal, text)) < _CARD_DIGITS[0]:
        return False
    digits: list[int] = []
    for character in text + "a":
        if character.isdecimal():
            digits.append(unicodedata.decimal(character))
        elif character.isalpha():
            if len(digits) >= _CARD_DIGITS[0] and passes_luhn(digits):
                return True
            digits = []
    return False


def passes_luhn(digits: Sequence[int], lengths: Iterable[int] = _CARD_DIGITS) -> bool:
    """Returns whether consecutive digits, as many as one of `lengths`, end with their check digit (ISO/IEC 7812-1, Annex B)."""
    plain = np.array(digits, np.intp)
    doubled, even = np.array(_LUHN)[plain], np.arange(len(plain)) % 2 == 0
    # The sums of the first n digits, of which those at even places are doubled, and of which those at odd places are.
    first, second = (np.append(0, np.where(places, doubled, plain).cumsum()) for places in (even, ~even))
    for length in lengths:
        ends = np.arange(length, len(plain) + 1)
        # The last digit is not doubled: it is at an odd place if the end is even.
        sums = np.where(ends % 2 == 0, first[ends] - first[ends - length], second[ends] - second[ends - length])
        if (sums % 10 == 0).any():
            return True
    return False


def _is_iban(text: str) -> bool:
    """Returns whether a prefix of the text is an IBAN: following words may look as if they were part of it."""
    compact = re.sub(r"[ \-]", "", text).upper()
    head = int("".join(str(int(c, 36)) for c in compact[:4]))
    remainder, digits = 0, sum(map(str.isdecimal, compact[:4]))
    for length, character in enumerate(compact[4:], 5):
        value = int(character, 36)
        remainder = (remainder * (10 if value < 10 else 100) + value) % 97
        digits += character.isdecimal()
        # The country and the check digits, which make six digits, are moved to the end.
        if length >= _IBAN_LENGTH and digits >= _IBAN_DIGITS and (remainder * 10**6 + head) % 97 == 1:
            return True
    return False


def _looks_like_password(token: str) -> bool:
    core = token.strip(_EDGES)[:_LONGEST]
    if len(core) < 8 or not any(map(str.isdecimal, core)) or _ADDRESS.fullmatch(core):
        return False
    kinds = [_kind(character) for character in core]
    has = set(kinds)
    turns = sum(a != b and "digit" in (a, b) and not {a, b} & {"sign", "other"} for a, b in pairwise(kinds))
    letters = bool(has & {"small", "capital"})
    return letters and ("sign" in has or turns > 2 or (len(core) >= 16 and {"small", "capital"} <= has))


def _alone(token: str) -> str | None:
    if _ADDRESS.fullmatch(token):
        return None
    token = token[:_LONGEST]
    if token.isdecimal() and 4 <= len(token) <= 8:
        return CODE
    kinds = {_kind(character) for character in token}
    if len(token) < 6 or not kinds & {"small", "capital"}:
        return None
    inside = set(token.strip(_EDGES)) - set(_BETWEEN_WORDS)
    signs = any(_kind(character) == "sign" for character in inside)
    return PASSWORD if "digit" in kinds or (signs and {"small", "capital"} <= kinds) else None


def _kind(character: str) -> str:
    if character.isdecimal():
        return "digit"
    if character.isalpha():
        return "capital" if character.isupper() else "small"
    return "sign" if character.isascii() else "other"
