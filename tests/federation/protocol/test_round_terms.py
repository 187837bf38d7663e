"""A device's part of the sum, by the terms of its round."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.round_terms import (
    COUNT_BITS,
    COUNTS,
    LOSS_STEPS,
    MAX_COUNT,
    Terms,
    TrainingResult,
    counts_of,
    recall_of,
)
from federation.protocol.secure_aggregation.modular_vectors import as_vectors

LENGTH = 300
TERMS = Terms(LENGTH, clipping_norm=1.5, max_weight=500, cohort=8, bits=16, seed=7, estimate=1.0)


def delta(seed: int, norm: float) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=LENGTH).astype(np.float32)
    return vector * np.float32(norm / np.linalg.norm(vector))


def sums(parts: list, terms: Terms) -> tuple[np.ndarray, dict[str, int]]:
    moduli = [2**segment.bits for segment in terms.layout]
    totals = [sum(part[i].astype(object) for part in parts) % moduli[i] for i in range(2)]
    return totals[0].astype(np.uint16), counts_of(totals[1].astype(np.uint64))


@given(st.lists(st.tuples(st.floats(0.01, 4), st.integers(0, 900), st.floats(0, 9e4)), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_sums_of_contributions_are_sums_of_training_results(people: list[tuple[float, int, float]]) -> None:
    learned = [
        TrainingResult(
            delta(i, norm),
            words,
            loss,
            first=i,
            among_three=2 * i,
            tested=4 * i,
            first_after=0,
            among_three_after=3 * i,
        )
        for i, (norm, words, loss) in enumerate(people)
    ]
    parts = [TERMS.contribution(each, np.random.default_rng(i)) for i, each in enumerate(learned)]
    for part in parts:
        as_vectors(TERMS.layout, part)  # raises unless each value fits the layout
    total, counts = sums(parts, TERMS)
    weights = [min(each.words, 500) for each in learned]
    expected = np.sum(
        [
            w / 500 * each.delta * min(1.0, 1.5 / float(np.linalg.norm(each.delta)))
            for w, each in zip(weights, learned, strict=True)
        ],
        axis=0,
    )
    assert np.linalg.norm(TERMS.encoding.decode(total) - expected) < 0.03
    assert counts["devices"] == len(people)
    assert counts["weight"] == sum(weights)
    assert counts["words"] == sum(each.words for each in learned)
    assert counts["side"] == sum(1 if np.linalg.norm(each.delta) <= 1 else -1 for each in learned)
    assert counts["loss"] == pytest.approx(sum(each.loss for each in learned) * LOSS_STEPS, abs=len(learned))
    recalls = ("first", "among_three", "tested", "first_after", "among_three_after")
    assert [counts[name] for name in recalls] == [sum(k * i for i in range(len(people))) for k in (1, 2, 4, 0, 3)]
    assert counts["zeroing_side"] == 0


@st.composite
def counted(draw: st.DrawFn) -> TrainingResult:
    """Counts that a device may have, and counts beyond `MAX_COUNT`, to which `Terms` limits them."""
    most = draw(st.sampled_from([0, 1, 7, 500, 2**20, MAX_COUNT, 2**40]))
    (first, three), (first_after, three_after) = (
        sorted(draw(st.tuples(st.integers(0, most), st.integers(0, most)))) for _ in range(2)
    )
    words, loss = draw(st.integers(0, most)), draw(st.floats(-1, 2**40))
    return TrainingResult(np.zeros(LENGTH, np.float32), words, loss, first, three, most, first_after, three_after)


@given(st.lists(counted(), min_size=1, max_size=5), st.sampled_from([1, 8, 256, 1000]))
@settings(max_examples=40, deadline=None)
def test_summed_counts_are_the_plain_ones_for_cohorts_of_any_size(kinds: list[TrainingResult], cohort: int) -> None:
    terms = replace(TERMS, cohort=cohort)
    parts = [terms.contribution(kind, np.random.default_rng(0))[1] for kind in kinds]
    devices = [i % len(kinds) for i in range(cohort)]
    summed = np.zeros(len(COUNTS), np.uint64)
    for i in devices:
        summed += parts[i]  # as masked sums do, modulo 2^64 for now
    counts = counts_of(summed % np.uint64(2**COUNT_BITS))
    for name in ("words", "first", "among_three", "tested", "first_after", "among_three_after"):
        assert counts[name] == sum(min(getattr(kinds[i], name), MAX_COUNT) for i in devices)
    recall = recall_of(counts)
    assert bool(recall) == bool(counts["tested"])
    if recall:
        assert recall["tested"] * recall["top3_after"] == pytest.approx(counts["among_three_after"])
        assert 0 <= recall["top1"] <= recall["top3"] <= 1 and recall["top1_after"] <= recall["top3_after"] <= 1


@given(st.lists(st.integers(-3, 9), min_size=6, max_size=6))
def test_figures_that_contradict_each_other_are_refused(figures: list[int]) -> None:
    words, first, three, most, first_after, three_after = figures
    possible = words >= 0 and 0 <= first <= three <= most and 0 <= first_after <= three_after <= most
    with nullcontext() if possible else pytest.raises(DataError, match="figures"):
        TrainingResult(delta(0, 1.0), words, 0.0, first, three, most, first_after, three_after)


def test_a_delta_above_the_zeroing_norm_counts_as_zeros() -> None:
    terms = replace(TERMS, zeroing_norm=3.0, zeroing_estimate=1.0)
    far = delta(0, 1.0)
    far[5] = -3.5
    part = terms.contribution(TrainingResult(far, 100), np.random.default_rng(0))
    total, counts = sums([part], terms)
    assert np.abs(terms.encoding.decode(total)).max() < 1e-3  # zeros, after stochastic rounding
    assert (counts["weight"], counts["side"], counts["zeroing_side"]) == (100, 1, -1)
    near = terms.contribution(TrainingResult(delta(0, 1.4), 100), np.random.default_rng(0))
    assert sums([near], terms)[1]["zeroing_side"] == 1


def test_on_private_terms_only_the_side_is_sent() -> None:
    terms = replace(TERMS, max_weight=1, private=True)
    part = terms.contribution(TrainingResult(delta(0, 2.0), 321, 77.0, 3, 4, 5, 4, 5), np.random.default_rng(0))
    counts = sums([part], terms)[1]
    assert counts == dict.fromkeys(COUNTS, 0) | {"devices": 1, "weight": 1, "side": -1}


def test_noise_is_added_to_the_encoded_delta() -> None:
    quiet = replace(TERMS, max_weight=1, private=True)
    loud = replace(quiet, noise_stddev=50.0)
    rng = np.random.default_rng(3)
    without, _ = quiet.contribution(TrainingResult(delta(0, 1.0), 1), np.random.default_rng(0))

    def bits(count: int) -> np.ndarray:
        return rng.integers(0, 2**64, count, dtype=np.uint64)

    over, _ = loud.contribution(TrainingResult(delta(0, 1.0), 1), np.random.default_rng(0), bits)
    difference = (over.astype(int) - without.astype(int) + 2**15) % 2**16 - 2**15
    assert 40 < difference.std() < 60
    assert abs(difference.mean()) < 12


def test_terms_survive_json_and_damaged_ones_are_refused() -> None:
    terms = replace(TERMS, zeroing_norm=21.5, zeroing_estimate=10.25, clipping_norm=float(np.float32(0.1)))
    assert Terms.from_json(terms.to_json()) == terms
    for spoilt in (
        "",
        "[]",
        "{}",
        terms.to_json().replace('"bits": 16', '"bits": 17'),
        terms.to_json().replace('"bits": 16', '"bits": "16"'),
        terms.to_json().replace('"seed": 7', '"seed": true'),
        terms.to_json().replace('"estimate": 1.0', '"estimate": NaN'),
        terms.to_json().replace('"private": false', '"private": true'),
        terms.to_json().replace('"noise_stddev": 0.0', '"noise_stddev": 3.0'),
        terms.to_json().replace('"length": 300', '"length": -1'),
    ):
        with pytest.raises(DataError):
            Terms.from_json(spoilt)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_result_that_is_not_finite_never_leaves_the_device(broken: float) -> None:
    bad = delta(0, 1.0)
    bad[17] = broken
    for terms in (TERMS, replace(TERMS, zeroing_norm=3.0, zeroing_estimate=1.0)):
        with pytest.raises(DataError, match="finite"):
            terms.contribution(TrainingResult(bad, 5), np.random.default_rng(0))
    with pytest.raises(DataError, match="figures"):
        TrainingResult(delta(0, 1.0), 5, loss=broken)


def test_without_an_estimate_no_side_is_sent() -> None:
    terms = replace(TERMS, estimate=0.0)
    part = terms.contribution(TrainingResult(delta(0, 2.0), 10), np.random.default_rng(0))
    assert sums([part], terms)[1]["side"] == 0
