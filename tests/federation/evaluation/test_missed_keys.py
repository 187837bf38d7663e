"""Synthetic hands that miss keys, and what their touches are worth to autocorrection."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from federation.evaluation.missed_keys import _KEYS, TappingHand, TouchScores, _learn, _measure_user, missed_keys_table
from model.device.folder import PRETRAINED, load_model
from model.device.gliding.hand import Hand

TEXT = "what do you think about that because i would love to know more about your work and your family"


def test_a_hand_types_the_key_that_it_touches_and_misses_some() -> None:
    hand, hits = TappingHand(np.random.default_rng(3)), 0
    for _ in range(300):
        typed, x, y = hand.tap("g")
        left, top, width, height = _KEYS.boxes[typed]
        assert left - 1e-6 <= x <= left + width + 1e-6
        assert top - 1e-6 <= y <= top + height + 1e-6
        hits += typed == "g"
    assert 200 < hits <= 300
    assert hand.tap("q")[0] in "qwa"


@pytest.fixture(scope="module")
def measured() -> TouchScores:
    """Five users, who begin with a word of their own, so that their hands differ."""
    model, own = load_model(PRETRAINED), ("don't", "work", "home", "you", "o'clock 3")
    return sum((_measure_user((model, [word, TEXT, TEXT])) for word in own), TouchScores())


def test_touches_correct_more_slips(measured: TouchScores) -> None:
    assert measured.words == 5 * (1 + 2 * 18)
    assert 5 < measured.slips < measured.words / 2
    assert measured.mended_touches >= measured.mended
    for ending in ("", "_touches", "_hand"):
        mended, wrong = getattr(measured, f"mended{ending}"), getattr(measured, f"changed_wrongly{ending}")
        assert 0 < mended <= measured.slips - wrong
    summary = (measured + measured).summary
    assert summary["slips"] == 2 * measured.slips
    assert summary["mended_share"] == measured.mended / measured.slips
    _, rows = missed_keys_table({f"missed_keys_{name}": value for name, value in summary.items()})
    assert rows[1][1].startswith(f"{2 * measured.mended} (")


def test_the_hand_learns_the_letters_that_are_left() -> None:
    hand, taps = Hand(), [("t", 180.0, 30.0), ("h", 220.0, 80.0), ("r", 122.0, 30.0)]
    _learn(hand, "thr", "the", taps)
    assert set(hand.taps.sums) == {"t", "h", "e"}
    hand = Hand()
    _learn(hand, "thr", "there", taps)
    _learn(hand, "thr", "tea", taps)
    assert set(hand.taps.sums) == {"t"}, "two changed letters were no missed key"


def test_evaluate_reports_missed_keys(small_model_folder: Path, corpus_file: Path, federate: Callable) -> None:
    common = ["evaluate", "--model", small_model_folder, "--corpus", corpus_file, "--users", "all", "--json"]
    done = federate(*common, "--missed-keys", "--max-words", 200)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert 0 < result["missed_keys_slips"] <= result["missed_keys_words"]
    assert 0 <= result["missed_keys_mended_share"] <= result["missed_keys_mended_share_touches"] + 1
