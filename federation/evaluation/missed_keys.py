"""Measurement of what touches are worth to autocorrection: synthetic hands type the words of held-out users and miss some keys.

1. Each user gets a hand: an offset of its own, a smaller one for each key, and a spread. Real offsets depend on the hand and its
   posture (Azenkot and Zhai 2012, "Touch Behavior with Different Postures on Soft Smartphone Keyboards").
2. For each letter of a word the hand touches a point; the key there types its letter. A word with a letter that was not meant is a
   slip. There are no other typos.
3. At the end of the word, it is corrected three times (`Suggester.correct`): without the touches, with what they say for a hand
   that nothing is known of, and for the hand that was learned so far.
4. The hand learns as on a keyboard: a word that is left with as many letters as were typed teaches each of them, unless the
   correction changed more than one; then the unchanged ones do. Words that were left or changed wrongly teach, too.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.tokenizer import tokenize
from federation.processes import map_in_processes
from federation.reports.progress import progress_bar
from federation.reports.tables import Rows
from model.device.folder import Model
from model.device.gliding.geometry import KeyGeometry, qwerty
from model.device.gliding.hand import Hand
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester

_KEYS = qwerty(0, 0, 400, 3 * 54)  # a phone's
_OFFSET = (0.0, 0.2)  # least and greatest length of a hand's offset, units
_DOWN = (0.0, 0.15)  # least and greatest shift downwards that is added to the offset, units
_KEY_OFFSET = 0.05  # standard deviation of each key's own offset, units
_SPREAD = (0.16, 0.26)  # least and greatest standard deviation of the touches of a key, units


@dataclass(frozen=True)
class TouchScores:
    """Counts, which `+` adds up over users; the fields are keys of the command's JSON.

    They come in threes: without touches, with touches, and with touches and the learned hand.
    """

    words: int = 0
    slips: int = 0  # words with another letter than was meant
    mended: int = 0  # slips corrected to the intended word
    mended_touches: int = 0
    mended_hand: int = 0
    changed_wrongly: int = 0  # slips corrected to another word
    changed_wrongly_touches: int = 0
    changed_wrongly_hand: int = 0
    spoilt: int = 0  # words without a slip that were changed
    spoilt_touches: int = 0
    spoilt_hand: int = 0

    def __add__(self, other: "TouchScores") -> "TouchScores":
        return TouchScores(**{name: value + getattr(other, name) for name, value in self.__dict__.items()})

    @property
    def summary(self) -> dict[str, Any]:
        """The counts, and the shares of slips that were corrected."""
        shares = {
            f"mended_share{ending}": getattr(self, f"mended{ending}") / max(self.slips, 1)
            for ending in ("", "_touches", "_hand")
        }
        return self.__dict__ | shares


class TappingHand:
    """A synthetic hand that taps on the keys of a phone."""

    def __init__(self, rng: np.random.Generator, geometry: KeyGeometry = _KEYS) -> None:
        """Draws a hand."""
        self._rng, self._geometry = rng, geometry
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(*_OFFSET)
        offset = length * np.array([np.cos(angle), np.sin(angle)]) + [0, rng.uniform(*_DOWN)]
        self._aims = geometry.centres + offset + rng.normal(0, _KEY_OFFSET, geometry.centres.shape)
        self._spread = rng.uniform(*_SPREAD)

    def tap(self, letter: str) -> tuple[str, float, float]:
        """Returns the letter that was typed by a tap for a letter, and the point in pixels."""
        aim = self._aims[self._geometry.letters.index(letter)]
        x, y = self._geometry.in_pixels(aim + self._rng.normal(0, self._spread, 2))
        return _key_at(x, y, self._geometry), float(x), float(y)


def _key_at(x: float, y: float, geometry: KeyGeometry) -> str:
    """Returns the letter of the key that is nearest to a point, so that touches between keys type, too."""
    left, top, width, height = np.array(list(geometry.boxes.values())).T
    beside = np.maximum(np.maximum(left - x, x - left - width), 0), np.maximum(np.maximum(top - y, y - top - height), 0)
    return geometry.letters[int(np.argmin(np.hypot(*beside)))]


def measure_missed_keys(work: Sequence[tuple[Model, Sequence[str]]]) -> TouchScores:
    """Returns the sum of the scores of all users, given a model and messages for each, on all processors."""
    with progress_bar("correcting missed keys", len(work)) as bar:
        return sum(map_in_processes(_measure_user, work, bar), TouchScores())


def _measure_user(model_and_messages: tuple[Model, Sequence[str]]) -> TouchScores:
    model, messages = model_and_messages
    suggester = Suggester(Reader(model.start(), phrases=model.phrases), model.vocabulary, lexicon=model.lexicon)
    seed = int.from_bytes(hashlib.sha256("\n".join(messages).encode()).digest()[:8])
    tapping, learned, total = TappingHand(np.random.default_rng(seed)), Hand(), TouchScores()
    for text in messages:
        for token in tokenize(text):
            if len(token.word) > 1 and all(letter == "'" or letter in _KEYS.boxes for letter in token.word):
                total += _measure_word(suggester, text[: token.start], token.word, tapping, learned)
    return total


def _measure_word(suggester: Suggester, context: str, word: str, tapping: TappingHand, learned: Hand) -> TouchScores:
    taps = [None if letter == "'" else tapping.tap(letter) for letter in word]
    typed = "".join("'" if tap is None else tap[0] for tap in taps)
    found = {"": suggester.correct(context, typed)}
    for ending, hand in (("_touches", Hand()), ("_hand", learned)):
        touches = [None if tap is None else hand.touch_costs(*tap, _KEYS) for tap in taps]
        found[ending] = suggester.correct(context, typed, touches)
    _learn(learned, typed, found["_hand"] or typed, taps)
    counts: dict[str, int] = {}
    for ending, corrected in found.items():
        counts[f"mended{ending}"] = typed != word and corrected == word
        counts[f"changed_wrongly{ending}"] = typed != word and corrected not in (None, word)
        counts[f"spoilt{ending}"] = typed == word and corrected is not None
    return TouchScores(words=1, slips=typed != word, **counts)


def _learn(hand: Hand, typed: str, left: str, taps: Sequence[tuple[str, float, float] | None]) -> None:
    if len(left) != len(typed):
        return
    missed = sum(one != other for one, other in zip(typed, left, strict=True))
    for letter, tap in zip(left, taps, strict=True):
        if tap is not None and (missed <= 1 or tap[0] == letter):
            hand.taps.learn(letter, *tap[1:], _KEYS)


def missed_keys_table(result: Mapping[str, Any]) -> tuple[str, Rows]:
    """Returns the table of a result whose keys begin with `missed_keys_`."""
    slips, words = result["missed_keys_slips"], result["missed_keys_words"]
    rows: Rows = [["", "without touches", "with touches", "and the learned hand"]]
    for label, name, of in (
        ("slips corrected", "mended", slips),
        ("slips changed to a wrong word", "changed_wrongly", slips),
        ("words without a slip changed", "spoilt", words - slips),
    ):
        counts = [result[f"missed_keys_{name}{ending}"] for ending in ("", "_touches", "_hand")]
        rows.append([label, *(f"{count:,} ({count / max(of, 1):.1%})" for count in counts)])
    return f"Autocorrection of missed keys: {slips:,} slips of synthetic hands in {words:,} words", rows
