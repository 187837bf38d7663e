"""Random typos, and the number of them that autocorrection corrects."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.evaluation.autocorrection import TypoScores, _measure_user, make_typo
from model.device.folder import PRETRAINED, load_model
from model.device.suggesting.corrections import qwerty_neighbours


@given(st.text("thinkso'é", min_size=2, max_size=8), st.integers(0, 1000))
def test_a_typo_is_a_single_error(word: str, seed: int) -> None:
    typed = make_typo(word, Random(seed))
    assert typed == make_typo(word, Random(seed))
    differing = [i for i, (a, b) in enumerate(zip(word, typed, strict=False)) if a != b]
    if len(typed) != len(word):
        shorter, longer = sorted((word, typed), key=len)
        assert shorter in [longer[:i] + longer[i + 1 :] for i in range(len(longer))]
    elif len(differing) == 1:
        (place,) = differing
        assert typed[place] in qwerty_neighbours()[word[place]]
    elif differing:
        first, second = differing
        assert (typed[first], typed[second], second) == (word[second], word[first], first + 1)


def test_typos_are_of_every_kind() -> None:
    lengths = Counter(len(make_typo("think", Random(seed))) for seed in range(1000))
    assert 150 < lengths[4] < 250
    assert 50 < lengths[6] < 150


@pytest.fixture(scope="module")
def measured() -> TypoScores:
    text = "what do you think about that because i would love to know more about your work and your family"
    return _measure_user((load_model(PRETRAINED), [text, text, "Hannelore likes xylografix"]))


def test_most_typos_are_corrected_and_no_correct_word_is_broken(measured: TypoScores) -> None:
    assert measured.words == 2 * 18 + 3
    assert 30 < measured.slips <= measured.words
    assert measured.mended + measured.changed_wrongly <= measured.slips
    assert measured.mended > measured.slips / 2
    assert measured.offered > measured.slips / 2
    assert measured.spoilt == 0
    assert measured.unknown == 2
    summary = (measured + measured).summary
    assert summary["slips"] == 2 * measured.slips
    assert summary["mended_share"] == measured.summary["mended_share"]


def test_evaluate_reports_typos(small_model_folder: Path, corpus_file: Path, federate: Callable) -> None:
    common = ["evaluate", "--model", small_model_folder, "--corpus", corpus_file, "--users", "all", "--json"]
    done = federate(*common, "--slips", "--max-words", 200)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert 0 < result["slips_slips"] <= result["slips_words"]
    assert 0 <= result["slips_mended_share"] <= 1
