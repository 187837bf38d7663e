"""Learning a hand helps people who touch beside the keys, and does no harm to others."""

from dataclasses import replace

import numpy as np

from federation.evaluation.glides.hand_learning import measure_hand_learning
from federation.evaluation.glides.synthetic_kinds import FITTED

WORDS = (
    *("to", "too", "go", "it", "or", "if", "of", "is", "us", "as", "in", "on", "up", "so", "do", "an", "at"),
    *("me", "he", "we", "be", "the", "and", "you", "for", "but", "not", "was", "are", "get", "got", "see"),
    *("say", "day", "way", "may", "pay", "bad", "bed", "bid", "big", "bag", "beg", "dig", "dog", "fog", "fig"),
    *("gas", "has", "had", "hid", "him", "his", "her", "hat", "hit", "hot", "lot", "let", "lit", "pot", "put"),
    *("pit", "pet"),
)


def test_it_helps_a_hand_that_lands_too_low_and_does_not_harm_a_careful_one() -> None:
    frequencies, rng = np.zeros(len(WORDS), np.float32), np.random.default_rng(0)
    words = [str(word) for word in rng.choice(WORDS, 360)]
    low = replace(FITTED["careful"], offset=(0.3, 0.3), down=(0.45, 0.55), size=(0.82, 0.86))
    gain = measure_hand_learning(WORDS, frequencies, words, low)
    assert gain.words == 240
    assert gain.learned > gain.usual + 0.02 * gain.words
    centred = replace(FITTED["careful"], offset=(0, 0), down=(0, 0))
    gain = measure_hand_learning(WORDS, frequencies, words, centred)
    assert gain.learned >= gain.usual - 0.02 * gain.words
