"""Words that nobody wants to be offered unasked, from the list that the package `better-profanity` brings."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from data.errors import DataError

_LIST = "profanity_wordlist.txt"


@cache
def offensive_words() -> frozenset[str]:
    """The words of the list, in lower case; its phrases are left out, as words are offered one by one.

    Raises:
      DataError: the package is not installed.
    """
    # Only its list is read: the package itself spells out every variant of every word when it is imported.
    package = find_spec("better_profanity")
    if package is None or package.origin is None:
        raise DataError("the list of offensive words is not installed: install the package better-profanity")
    lines = Path(package.origin).with_name(_LIST).read_text("utf-8").lower().split("\n")
    return frozenset(word for line in lines if (word := line.strip()) and " " not in word)
