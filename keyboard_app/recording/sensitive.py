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
from itertools import pairwise

CARD, ACCOUNT, PASSWORD, CODE = "a card number", "a bank account", "a password", "a code"

_CARD_DIGITS = range(13, 20)
_IBAN = re.compile(r"(?<![^\W_])(?:[a-z][ \-]?){2}(?:\d[ \-]?){2}(?:[ \-]?[a-z0-9]){11,30}", re.IGNORECASE | re.ASCII)
_IBAN_DIGITS = 8  # no country has fewer; a lower limit would match one in 97 runs of words after a name such as IT101
_NAMED = re.compile(
    r"\b(?:pass(?:word|code|phrase)|passwort|kennwort|pwd|pin(?: code| number)?|cvv|cvc|contraseña|mot de passe)\b"
    r"\s*(?:\bis\b|\bist\b|\best\b|\bes\b|[:=])\s*\S",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:https?://|www\.)\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|[\w-]+(?:\.[a-z]{2,})+(?:/\S*)?", re.IGNORECASE
)
_EDGES = "()[]{}<>\"'“”‘’«».,;:!?…*~_-"  # characters that surround words, but are rarely in passwords
_BETWEEN_WORDS = "'’-/,.:!?&"  # characters that people write inside one token


def why_sensitive(text: str) -> str | None:
    """Returns the kind of secret that the message looks like, in words for the person, or None if it may be recorded."""
    if any(_is_iban(match.group()) for match in _IBAN.finditer(text)):
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
            if _has_luhn_number(digits):
                return True
            digits = []
    return False


def _has_luhn_number(digits: list[int]) -> bool:
    return any(
        passes_luhn(digits[start : start + length])
        for length in _CARD_DIGITS
        for start in range(len(digits) - length + 1)
    )


def passes_luhn(digits: list[int]) -> bool:
    """Returns whether the last digit is the check digit of the others (ISO/IEC 7812-1, Annex B)."""
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """Returns whether a prefix of the text is an IBAN: following words may look as if they were part of it."""
    compact = re.sub(r"[ \-]", "", text).upper()
    return any(
        sum(map(str.isdecimal, compact[:length])) >= _IBAN_DIGITS
        and int("".join(str(int(c, 36)) for c in compact[4:length] + compact[:4])) % 97 == 1
        for length in range(15, len(compact) + 1)
    )


def _looks_like_password(token: str) -> bool:
    core = token.strip(_EDGES)
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
