"""The files in which counts of words and of phrases arrive: `federate words --json` prints the former.

    {"words": [{"word": "provo", "devices": 212}, …], "devices": 1044, …}      words, each with the devices that offered it
    {"words": [{"word": "welp", "devices": 12, "no_typo": true}, …], …}        a word that its owner says is no typo
    {"phrases": [{"phrase": "see you", "devices": 318}, …], "devices": 1044}   one to three words, separated by spaces

`offers` is the number of words that all devices offered, a word counting once for each device that offered it, found or not. With
`epsilon` the counts are noisy (differential privacy), and a count above the number of devices is read as that number. Other fields
are ignored. The first word of a phrase may be `<s>`, the start of a message.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import DataError, UserFacingError
from data.files import read_bounded
from federation.protocol.json_messages import one_line, read_json

_MOST_BYTES = 64 << 20
_MOST_DEVICES = 2**31 - 2  # the greatest count of TFF's table of words


@dataclass(frozen=True)
class Counted:
    """A word or phrase, and the number of devices whose people wrote it."""

    text: str
    devices: int
    no_typo: bool = False  # whether the owner says that it is no typo, whatever the lexicon says


@dataclass(frozen=True)
class Counts:
    """The content of a file of counts."""

    found: tuple[Counted, ...]  # the most frequent first, then in alphabetical order
    devices: int  # that took part
    offers: int = 0  # see above; 0 if the file does not say


def read_words(path: Path) -> Counts:
    """Reads found words.

    Raises:
      DataError: the file cannot be read, or does not hold such words.
    """
    return _read(path, "words", "word", "federate words --json")


def read_phrases(path: Path) -> Counts:
    """Reads counts of phrases.

    Raises:
      DataError: the file cannot be read, or does not hold such counts.
    """
    return _read(path, "phrases", "phrase", "federate words --phrases FILE")


def _read(path: Path, name: str, item: str, command: str) -> Counts:
    content = read_bounded(path, _MOST_BYTES, f"the {name}", f"use the output of `{command}`")
    try:
        return _counts(read_json(content.decode("utf-8")), name, item)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text") from error
    except UserFacingError as error:
        raise DataError(f"{path}: {error}: use the output of `{command}`") from error


def _counts(content: Any, name: str, item: str) -> Counts:
    if not isinstance(content, dict) or not isinstance(content.get(name), list):
        raise DataError(f'it is no object with a list of "{name}"')
    devices = _number(content.get("devices"), '"devices", the number that took part,')
    offers = _number(content["offers"], '"offers"', least=0) if "offers" in content else 0
    found: dict[str, Counted] = {}
    for number, entry in enumerate(content[name], 1):
        where = f"entry {number} of {name}"
        if not isinstance(entry, dict) or not isinstance(entry.get(item), str):
            raise DataError(f'{where} is no object with a "{item}"')
        text, count = entry[item], _number(entry.get("devices"), f'"devices" of {where}')
        if "epsilon" in content:
            count = min(count, devices)
        if count > devices:
            raise DataError(f"{where} was counted by {count:,} devices, but only {devices:,} took part")
        if text in found:
            raise DataError(f"{where} repeats {printable(text)}: count each once")
        if not isinstance(no_typo := entry.get("no_typo", False), bool):
            raise DataError(f'"no_typo" of {where} must be true or false')
        found[text] = Counted(text, count, no_typo)
    counted = tuple(sorted(found.values(), key=lambda word: (-word.devices, word.text)))
    return Counts(counted, devices, offers)


def _number(value: object, what: str, least: int = 1) -> int:
    if type(value) is not int or not least <= value <= _MOST_DEVICES:
        raise DataError(f"{what} must be a whole number from {least} to {_MOST_DEVICES:,}")
    return value


def printable(text: str) -> str:
    """Returns a word or phrase that devices sent in a form that is safe to print: in quotation marks, short, on one line."""
    return repr(one_line(text)[:40])
