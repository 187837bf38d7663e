"""The signs that lines of text name the people who speak in them, in notations that `chat_lines` does not read.

A name stands at the beginning of a message (`Alice: hi`, `- *Alice* (12 May): hi`, `alice> hi`, `Alice,hi`) or on a line above it
(`Alice`, `You sent`, `Alice says:`). A single line of that kind says nothing: prose has them, too. Names are those that come up
again.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

_MOST = 0.6  # share of lines that begin with a name, at least
_ALMOST_ALL = 0.9  # the same before a comma and a space, as behind "well" and "yes"
_MANY = 0.25  # the same where several names come up again: messages may have more than one line
_ABOVE = 0.3  # share of lines that are a name alone, at least
_FEWEST = 3  # lines
_FEWEST_AGAIN = 4  # lines whose names come up again
_LONGEST = 30  # characters of a name

_DECORATION = r"[\W\d_]{0,30}"  # bullets, numbers, emphasis
_BEHIND_NAME = r"[*_\s]{0,4}(?:\([^()\n]{1,40}\)|\[[^\[\]\n]{1,40}\])?[*_\s]{0,4}"  # such as the day of a message
_BEFORE_COLON = re.compile(rf"{_DECORATION}(?P<name>[^\W\d_][^:：\n]{{0,{_LONGEST - 1}}}?){_BEHIND_NAME}(?::(?!//)|：)")
_WORDS = rf"{_DECORATION}(?P<name>[^\W\d_][\w.'’]*(?:\s[^\W\d_][\w.'’]*){{0,2}}){_BEHIND_NAME}"
_BEFORE_MARK = re.compile(rf"{_WORDS}(?:\s[-–—]+\s|[>|=~^;]|,(?=\S))")
_BEFORE_COMMA = re.compile(rf"{_WORDS},")
_ENDS_WITH_COLON = re.compile(rf"{_DECORATION}[^\W\d_][^:：.!?,\n]{{0,{_LONGEST - 1}}}[:：]{_DECORATION}")
_ENDS_SENTENCE = tuple(".!?…,;)")


def names_speakers(lines: list[str]) -> bool:
    """Returns whether the lines probably name the people who speak in them; the lines hold more than white space."""
    colons = list(_names(_BEFORE_COLON, lines))
    return (
        _are_most(colons, len(lines))
        or _come_up_again(colons, len(lines))
        or _are_most(list(_names(_BEFORE_MARK, lines)), len(lines))
        or _are_most(list(_names(_BEFORE_COMMA, lines)), len(lines), _ALMOST_ALL)
        or _stand_above(lines)
    )


def _names(pattern: re.Pattern[str], lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        found = pattern.match(line)
        if found is not None and _may_be_name(name := found["name"].strip(" *_")):
            yield name


def _may_be_name(label: str) -> bool:
    """Returns whether a label may be a name: a single word, or words that all begin with a capital letter, if there are any."""
    words = label.split()
    return len(words) == 1 or not any(word[0].islower() for word in words)


def _are_most(names: list[str], lines: int, share: float = _MOST) -> bool:
    """Returns whether most lines begin with one of several names that come up again."""
    return len(names) >= max(_FEWEST, share * lines) and 1 < len(set(names)) <= len(names) * 2 // 3


def _come_up_again(names: list[str], lines: int) -> bool:
    again = [count for count in Counter(names).values() if count > 1]
    return len(again) > 1 and sum(again) >= max(_FEWEST_AGAIN, _MANY * lines)


def _stand_above(lines: list[str]) -> bool:
    """Returns whether many lines hold a name alone, each above a message."""
    above = [_ENDS_WITH_COLON.fullmatch(line) is not None for line in lines]
    if not any(above):
        short = [line for line in lines if len(line) <= _LONGEST and not line.endswith(_ENDS_SENTENCE)]
        again = {line for line, count in Counter(short).items() if count > 1 and len(line.split()) <= _FEWEST}
        if len(again) < 2 or sum(line in again for line in lines) < _FEWEST_AGAIN:
            return False
        above = [line in again for line in lines]
    adjacent = any(one and other for one, other in pairwise(above))
    return not adjacent and sum(above) >= max(2, _ABOVE * len(lines)) and not above[-1]
