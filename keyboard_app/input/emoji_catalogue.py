"""The catalogue of emoji: by category for the panel, by the words of their names for a search, and by a typed word.

The emoji and their names come from the package `emoji`. It has no categories, so an emoji's first code point decides its category.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from threading import Thread
from typing import Any, NamedTuple

from data.tokenizer import normalize, runs

# First code points in hexadecimal, by category in the order of the panel. Emoji in no other category are symbols.
_CODES = {
    "Smileys": """
        1f600-1f606 1f923 1f602 1f642 1f643 1f609 1f60a 1f607-1f608 1f970 1f60b-1f644 1f929-1f92f 1f910-1f917 1f920-1f925
        1f927-1f928 1f971-1f976 1f978-1f97a 1f9d0 1fae0-1fae5 1fae7-1faef 2639-263a 1f47f 1f479-1f47b 1f47d-1f47e 1f480 2620
        1f4a9 1f648-1f64a 1f48b-1f48c 2764 1f493-1f49f 2763 1f9e1 1f90d-1f90e 1f5a4 1fa75-1fa77 1f4a2-1f4a6 1f4a8 1f4ab-1f4ad
        1f4af 1f573 1f5e8 1f5ef""",
    "People": """
        1f44b-1f450 1f590 270a-270d 261d 1f446-1f44a 1f918-1f91f 1f90c 1f90f 1faf0-1faf8 1f595-1f596 1f64c 1f64f 1f485 1f933
        1f4aa 1f442-1f445 1f440-1f441 1f9b4-1f9b7 1f9bb-1f9bf 1f9e0 1fac0-1fac1 1fac3-1fac5 1fae6 1f464-1f478 1f47c 1f481-1f483
        1f486-1f487 1f48f 1f491 1f385 1f926 1f930-1f932 1f934-1f93e 1f977 1f9b8-1f9b9 1f9cc-1f9cf 1f9d1-1f9df 1f645-1f647 1f64b
        1f64d-1f64e 1f574-1f575 1f57a 1f5e3 26f9 26f7 1f3c2-1f3c4 1f3c7 1f3ca-1f3cc 1f6a3 1f6b4-1f6b6 1f6c0 1f6cc 1fac2 1f463""",
    "Nature": """
        1f435 1f412 1f98d 1f9a7 1f436 1f415 1f9ae 1f429 1f43a 1f98a 1f99d 1f431 1f408 1f981 1f42f 1f405-1f406 1f400-1f43f
        1f980-1f9ad 1fab0-1fabf 1face-1facf 1f54a 1f577-1f578 1f490 1f338 1f4ae 1f3f5 1f940 1f33a-1f33c 1f331-1f335 1f337-1f343
        2618 1fab5 1faa8 1f311-1f320 1f324-1f32c 2600-2604 26c4-26c8 2614 26a1 2744 1f525 1f4a7 1f308 1f300-1f310 2b50 1f31f""",
    "Food": """
        1f347-1f37f 1f32d-1f330 1f336 1f344-1f346 1f382 1f950-1f96f 1f9c0-1f9cb 1fad0-1fadb 1f942-1f944 2615 1f52a 1f3fa""",
    "Activities": """
        1f383-1f384 1f386-1f38b 1f38d-1f393 1f380-1f381 1f396-1f397 1f39f 1f3ab 1f3a3 1f3a8-1f3aa 1f3ad-1f3b4 1f3bd-1f3c0
        1f3c5-1f3c6 1f3c8-1f3c9 1f3cf-1f3d3 1f3f8-1f3f9 1f93f 1f945 1f947-1f94f 26bd-26be 26f3 26f8 1f0cf 1f004 1f52b 1f52e
        1f579 1f9e7-1f9e9 1fa70 1fa80-1fa81 1fa83-1fa86 1faa9 1f6f7 2728 2660 2663 2665-2666 265f""",
    "Travel": """
        1f680-1f6a2 1f6a4-1f6a8 1f6b2 1f6d1 1f6d5-1f6d7 1f6dd-1f6f6 1f6f8-1f6ff 1f3cd-1f3ce 1f3d4-1f3f0 1f3a0-1f3a2 1f54b-1f54d
        1f550-1f567 231a-231b 23f0-23f3 26ea 26f0-26f2 26f4-26f5 26fa 26fd 2693 2708 2668 1f488 1f5fa-1f5ff 1f9ed 1f9f1 1f9f3
        1f6ce-1f6cf 1fa82 1f321 1f30d-1f310""",
    "Objects": """
        1f451-1f462 1f484 1f489-1f48a 1f48d-1f48e 1f4a1 1f4a3 1f4b0-1f4b8 1f4ba-1f4f2 1f4f7-1f4ff 1f507-1f516 1f526-1f529
        1f52c-1f52d 1f392 1f399-1f39b 1f39e 1f3a4-1f3a7 1f3a9 1f3ac 1f3b5-1f3bc 1f941 1f3f7 1f56f-1f570 1f576 1f587-1f58d 1f5a5
        1f5a8 1f5b1-1f5b2 1f5bc 1f5c2-1f5c4 1f5d1-1f5d3 1f5dc-1f5de 1f5e1 1f5f3 1f6a9-1f6aa 1f6ac 1f6bd 1f6bf 1f6c1 1f6cb 1f6cd
        1f6d2 1f6e0-1f6e1 1f97b-1f97f 1f9ba 1f9e2-1f9e6 1f9ea-1f9ec 1f9ee-1f9f0 1f9f2 1f9f4-1f9ff 1fa71-1fa74 1fa78-1fa7c
        1fa87-1faa7 1faaa-1faae 260e 2328 2692 2694 2696-2697 2699 26b0-26b1 26cf 26d1 26d3 2702 2709 270f 2712""",
    "Symbols": "",
    "Flags": "1f3c1 1f38c 1f3f3-1f3f4 1f1e6-1f1ff",
}
_NEWEST = 15.1  # newest version of the standard to offer: few fonts draw later emoji
_NEVER_MEANT = ("Symbols", "Flags")  # categories that a typed word like "on" or "back" rarely means
_SHORTEST_WORD = 3  # letters
_SKIN_TONES = re.compile("[\U0001f3fb-\U0001f3ff]")


class Emoji(NamedTuple):
    """An emoji without a skin tone."""

    sign: str
    name: str  # in lower case, words separated by spaces
    words: tuple[str, ...]  # the words of all its names


class EmojiCatalogue:
    """Every fully qualified emoji."""

    def __init__(self) -> None:
        import emoji  # half a megabyte of names, imported only when emoji are needed

        category_of = {code: category for category, codes in _CODES.items() for code in _code_points(codes)}
        order = {code: place for place, code in enumerate(category_of)}
        found = [
            Emoji(sign, _spelled(data["en"]), _words([data["en"], *data.get("alias", [])]))
            for sign, data in emoji.EMOJI_DATA.items()
            if data["status"] == emoji.STATUS["fully_qualified"]
            and data["E"] <= _NEWEST
            and not _SKIN_TONES.search(sign)
        ]
        found.sort(key=lambda e: (order.get(ord(e.sign[0]), len(order)), e.sign))
        self.categories: dict[str, list[Emoji]] = {category: [] for category in _CODES}
        for each in found:
            self.categories[category_of.get(ord(each.sign[0]), "Symbols")].append(each)
        self._all = found
        self._by_word: dict[str, str] = {}
        self._words_of = {each.sign: each.words for each in found}
        meant = [e for category, some in self.categories.items() if category not in _NEVER_MEANT for e in some]
        for each in meant:
            for word, is_name in _naming(emoji.EMOJI_DATA[each.sign]):
                if is_name:
                    self._by_word[word] = each.sign
                else:
                    self._by_word.setdefault(word, each.sign)

    def search(self, text: str, count: int = 50) -> list[Emoji]:
        """Returns at most `count` emoji, best first, whose names contain every word of the text, whole or as a prefix."""
        asked = normalize(text).split()

        def misses(each: Emoji) -> int:
            return sum(a not in each.words for a in asked)  # a whole word matches better than a prefix

        hits = [e for e in self._all if asked and all(any(w.startswith(a) for w in e.words) for a in asked)]
        return sorted(hits, key=lambda e: (misses(e), len(e.words)))[:count]

    def for_word(self, word: str, used: Sequence[str] = ()) -> str | None:
        """Returns the emoji that a lower-case word or its singular names; None if there is no such emoji.

        Of several, the one that comes first among the emoji that the person has `used` is meant.
        """
        for singular in (word, word.removesuffix("s"), word.removesuffix("es")):
            if len(singular) >= _SHORTEST_WORD and singular in self._by_word:
                named = (sign for sign in used if singular in self._words_of.get(sign, ()))
                return next(named, self._by_word[singular])
        return None


@cache
def catalogue() -> EmojiCatalogue:
    """Returns the catalogue. The first call builds it, which takes a tenth of a second."""
    return EmojiCatalogue()


_loading = Thread(target=catalogue, daemon=True)


def emoji_for(word: str, used: Sequence[str] = ()) -> str | None:
    """Returns `EmojiCatalogue.for_word`, or None until the catalogue is built, which the first call starts without waiting."""
    if not catalogue.cache_info().currsize:
        if not _loading.ident:
            _loading.start()
        return None
    return catalogue().for_word(word, used)


def _code_points(codes: str) -> Iterator[int]:
    for part in codes.split():
        first, _, last = part.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def _spelled(name: str) -> str:
    return re.sub(r"[_:]+", " ", name).strip().lower().replace("’", "'")


def _words(names: list[str]) -> tuple[str, ...]:
    spelled = [_spelled(name) for name in names]
    return tuple(dict.fromkeys(name[start:end] for name in spelled for start, end in runs(name)))


def _naming(data: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yields words that name an emoji, each with whether it is a whole name: "pizza" is; "heart" of "red heart" is not."""
    official = _spelled(data["en"])
    for name in (*map(_spelled, data.get("alias", [])), official):
        words = name.removesuffix(" face").split()
        if len(words) == 1:
            yield words[0], True
        elif len(name.split()) == 2 and name == official:
            yield words[1], False
