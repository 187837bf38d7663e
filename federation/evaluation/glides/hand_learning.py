"""Measures what learning a person's hand is worth, on synthetic hands.

Each person glides words one after another. Two decoders read them. One knows nothing of the hand. For the other one, the hand
learns every word that was meant, as a keyboard learns the accepted ones, and the decoder is built anew after some words. Only
later words count, after the hand had time to learn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.evaluation.glides.noisy_traces import GEOMETRY
from federation.evaluation.glides.synthetic_hands import SyntheticHand
from federation.evaluation.glides.synthetic_kinds import SyntheticKind
from federation.reports.tables import Rows
from model.device.gliding.decoder import GlideDecoder
from model.device.gliding.hand import Hand

_WORDS, _LEARNED_FIRST = 120, 40  # of a person, and those that do not count
_REBUILT = 20  # words after which the decoder is built anew


@dataclass
class HandGain:
    """Counts of gestures whose word came first."""

    words: int = 0
    usual: int = 0  # for a hand that nothing is known of
    learned: int = 0

    def __add__(self, other: "HandGain") -> "HandGain":
        return HandGain(self.words + other.words, self.usual + other.usual, self.learned + other.learned)


def measure_hand_learning(
    vocabulary: Sequence[str],
    frequencies: NDArray[np.float32],
    words: Sequence[str],
    kind: SyntheticKind,
    seed: int = 0,
) -> HandGain:
    """Returns the counts over people of a kind, who share the words; each glides up to 120 of them."""
    rng, gain = np.random.default_rng(seed), HandGain()
    usual = GlideDecoder(vocabulary, GEOMETRY, frequencies)
    for start in range(0, len(words), _WORDS):
        person, hand, decoder = SyntheticHand.of(kind, rng), Hand(), usual
        for place, word in enumerate(words[start : start + _WORDS]):
            if place and place % _REBUILT == 0:
                decoder = GlideDecoder(vocabulary, GEOMETRY, frequencies, hand)
            gesture = person.trace(word, GEOMETRY, rng)
            if place >= _LEARNED_FIRST:
                first = [[c.word for c in d.decode(gesture, count=1)] == [word] for d in (usual, decoder)]
                gain += HandGain(1, *first)
            hand.learn_glide(word, gesture, GEOMETRY)
    return gain


def hand_table(gains: Mapping[str, HandGain]) -> tuple[str, Rows]:
    """Returns the table of the gains by kind."""
    rows: Rows = [["", *gains]]
    for label, counts in (
        ("words that come first, for a hand that nothing is known of", [gain.usual for gain in gains.values()]),
        ("… for a hand that was learned", [gain.learned for gain in gains.values()]),
    ):
        shares = [count / max(gain.words, 1) for count, gain in zip(counts, gains.values(), strict=True)]
        rows.append([label, *(f"{share:.1%}" for share in shares)])
    return "Learning the hand", rows
