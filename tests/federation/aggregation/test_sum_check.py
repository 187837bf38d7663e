"""Sums of honest devices always pass; sums that honest devices cannot have are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_check import ImplausibleSumError, check_sum, greatest_norm, steps_norm
from federation.aggregation.sum_settings import SumSettings
from federation.protocol.round_terms import COUNT_BITS, COUNTS, MAX_COUNT, Terms, TrainingResult
from federation.protocol.secure_aggregation.modular_vectors import Vector

LENGTH = 300


def terms_of(bits: int, cohort: int, max_weight: int, noise: float = 0.0) -> Terms:
    privacy = Privacy("distributed", noise, 1) if noise else Privacy()
    summation = SumSettings(bits, cohort, clipping_norm=1.5, max_weight=1 if noise else max_weight)
    encoding, stddev = summation.encoding(LENGTH, privacy)
    sizes = (LENGTH, 1.5, encoding.max_weight, encoding.cohort, bits, 7)
    return Terms(*sizes, estimate=1.0, noise_stddev=stddev, private=privacy.private)


def summed(parts: list, terms: Terms) -> tuple[Vector, Vector]:
    total = [sum(part[i].astype(object) for part in parts) % 2**s.bits for i, s in enumerate(terms.layout)]
    return total[0].astype(np.uint16), total[1].astype(np.uint64)


def checked(terms: Terms, sums: tuple[Vector, Vector], devices: int) -> dict[str, int]:
    return check_sum(terms.encoding, terms.noise_stddev, terms.private, sums, devices)


def contribution_of(terms: Terms, direction: int, norm: float, words: int, seed: int = 0) -> tuple[Vector, Vector]:
    delta = np.random.default_rng(direction).normal(size=LENGTH).astype(np.float32)
    learned = TrainingResult(delta * np.float32(norm / np.linalg.norm(delta)), words, 3.0 * words, 1, 2, 5, 2, 3)
    return terms.contribution(learned, np.random.default_rng(seed))


DEVICE = st.tuples(st.integers(0, 2), st.floats(0, 9), st.integers(0, 900))
TERMS = st.sampled_from(
    [
        terms_of(16, 8, 500),
        terms_of(8, 8, 500),
        terms_of(5, 8, 1),
        terms_of(16, 8, 1, noise=2.0),
        terms_of(12, 8, 1, 0.5),
    ]
)


@given(TERMS, st.lists(DEVICE, min_size=1, max_size=8), st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_honest_devices_pass_even_if_all_deltas_have_one_direction(
    terms: Terms, people: list[tuple], seed: int
) -> None:
    parts = [contribution_of(terms, way, norm, words, seed + i) for i, (way, norm, words) in enumerate(people)]
    counts = checked(terms, summed(parts, terms), len(people))
    assert counts["devices"] == len(people)


@given(st.integers(1, 8), st.floats(1.02, 3), st.integers(0, 2), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_a_sum_longer_than_that_of_honest_devices_is_refused(
    devices: int, times: float, direction: int, seed: int
) -> None:
    terms = terms_of(16, 8, 500)
    honest = [contribution_of(terms, direction, 2.0, 400, seed + i) for i in range(devices)]
    total, counts = summed(honest, terms)
    most = greatest_norm(terms.encoding, 0.0, 400 * devices, devices)
    stretch = times * most / steps_norm(terms.encoding, total)
    signed = total.astype(np.int64) - (total >= 2**15) * 2**16
    scaled = (np.rint(signed * stretch).astype(np.int64) % 2**16).astype(np.uint16)
    if abs(signed).max() * stretch < 2**15:  # otherwise it would wrap around
        with pytest.raises(ImplausibleSumError, match="at least one of them sent a malicious update"):
            checked(terms, (scaled, counts), devices)
    assert most <= 1.02 * np.sqrt(terms.encoding.padded) * terms.encoding.levels / 4 * 400 / 500 * devices
    checked(terms, (total, counts), devices)


@given(st.sampled_from(COUNTS), st.integers(-(2**46), 2**46), st.booleans())
@settings(max_examples=80, deadline=None)
def test_counts_that_honest_devices_cannot_have_are_refused(name: str, change: int, private: bool) -> None:
    """This matters most for weights, as the mean is divided by them."""
    terms = terms_of(16, 8, 1, noise=2.0) if private else terms_of(16, 8, 500)
    delta, counts = summed([contribution_of(terms, i, 1.0, 300) for i in range(3)], terms)
    signed = {n: int(c) - (int(c) >= 2**47) * 2**48 for n, c in zip(COUNTS, counts, strict=True)}
    signed[name] += change
    reported = np.array([signed[n] % 2**COUNT_BITS for n in COUNTS], np.uint64)
    possible = (
        signed["devices"] == 3
        and (signed["weight"] == 3 if private else 0 <= signed["weight"] <= 1500)
        and abs(signed["side"]) <= 3
        and abs(signed["zeroing_side"]) <= 3
        and (signed["words"] == 0 if private else signed["words"] >= signed["weight"])
        and all(0 <= signed[n] <= (0 if private else 3 * MAX_COUNT) for n in COUNTS[4:])
        and all(
            signed[f"first{after}"] <= signed[f"among_three{after}"] <= signed["tested"] for after in ("", "_after")
        )
    )
    if possible:
        short = np.zeros_like(delta)  # within the bound even of a small weight
        checked(terms, (short, reported), 3)
    else:
        with pytest.raises(ImplausibleSumError):
            checked(terms, (delta, reported), 3)


def test_a_weight_too_small_for_the_sums_length_is_refused() -> None:
    terms = terms_of(16, 8, 500)
    delta, counts = summed([contribution_of(terms, 0, 1.0, 300) for _ in range(3)], terms)
    counts[COUNTS.index("weight")] = 1
    with pytest.raises(ImplausibleSumError, match="as long as honest devices can make it"):
        checked(terms, (delta, counts), 3)


def test_a_sum_of_other_terms_is_refused() -> None:
    terms = terms_of(12, 8, 500)
    delta, counts = summed([contribution_of(terms, 0, 1.0, 300)], terms)
    for wrong in (delta[:-1], delta + np.uint16(2**12)):
        with pytest.raises(DataError, match="does not fit this round's terms"):
            checked(terms, (wrong, counts), 1)
    with pytest.raises(ImplausibleSumError, match="count of devices over 2 honest devices is 2 to 2, not 1"):
        checked(terms, (delta, counts), 2)
