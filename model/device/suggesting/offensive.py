"""Offensive words, which are not suggested by default, from the list of the package `better-profanity`."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from data.errors import DataError

_LIST = "profanity_wordlist.txt"


@cache
def offensive_words() -> frozenset[str]:
    """Returns the words of the list, in lower case, without its phrases, because suggestions are single words.

    Raises:
      DataError: the package is not installed.
    """
    # Reads only the list: importing the package would generate every spelling variant of every word.
    package = find_spec("better_profanity")
    if package is None or package.origin is None:
        raise DataError("the list of offensive words is not installed: install the package better-profanity")
    lines = Path(package.origin).with_name(_LIST).read_text("utf-8").lower().split("\n")
    return frozenset(word for line in lines if (word := line.strip()) and " " not in word)
