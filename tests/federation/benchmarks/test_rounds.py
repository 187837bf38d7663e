"""Benchmarks of rounds on a small model: the compared systems have equal results, and every quantity is measured."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.vocabulary import BOUNDARY, PAD
from data.windows import pack, targets
from federation.benchmarks.growth import measure_growth, training_flops
from federation.benchmarks.loads.cohort import cohorts
from federation.benchmarks.loads.learning_in_tensorflow import one_message_a_row
from federation.benchmarks.measuring import Benchmark
from federation.benchmarks.simulation import measure_simulation
from federation.benchmarks.workers import measure_workers
from federation.reports.plots import plot_growth
from model.device.config import ModelConfig
from model.device.folder import load_model


def assert_measured(found: Benchmark, repeats: int) -> None:
    assert all(figure.median > 0 for figure in found.figures)
    assert {len(figure.values) for figure in found.figures} <= {1, repeats}


def test_the_plain_loop_gives_the_weights_of_tff(small_model_folder: Path, corpus_file: Path) -> None:
    found = measure_simulation(small_model_folder, str(corpus_file), 3, 100, repeats=2)
    assert_measured(found, 2)
    assert found.details["largest_difference_of_a_weight_afterwards"] < 1e-5


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_two_workers_give_the_weights_of_one(small_model_folder: Path, corpus_file: Path) -> None:
    found = measure_workers(small_model_folder, str(corpus_file), 3, 100, repeats=1)
    assert_measured(found, 1)
    assert found.details["largest_difference_of_a_weight_afterwards"] == 0


def test_growth_has_a_theoretical_line_through_todays_sizes(
    small_model_folder: Path, corpus_file: Path, tmp_path: Path
) -> None:
    found = measure_growth(small_model_folder, str(corpus_file), 60, repeats=1, factors=(1, 2))
    assert_measured(found, 1)
    panels = found.details["panels"]
    assert [panel["name"] for panel in panels] == ["clients", "vocabulary", "units", "history"]
    for panel in panels:
        assert len(panel["sizes"]) == len(panel["theory"]) == len(panel["seconds"]["median"])
        assert any(a == pytest.approx(b) for a, b in zip(panel["theory"], panel["seconds"]["median"], strict=True))
        assert list(panel["theory"]) == sorted(panel["theory"])
    plot_growth(panels, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_a_training_step_has_the_operations_counted_by_hand() -> None:
    assert 320 * training_flops(ModelConfig()) == pytest.approx(2.7e9, rel=0.01)


def test_cohorts_consist_of_people_who_wrote_enough(small_model_folder: Path, corpus_file: Path) -> None:
    model = load_model(small_model_folder)
    drawn = cohorts(model, str(corpus_file), 4, 100, 2)
    assert [len(cohort.rows) for cohort in drawn] == [4, 4]
    for cohort in drawn:
        assert sum(targets(batch) for batches in cohort.batches() for batch in batches) == cohort.words
        assert all(90 < targets(rows) < 130 for rows in cohort.rows)


@given(st.lists(st.lists(st.integers(3, 99), min_size=1, max_size=30), min_size=1, max_size=12), st.integers(2, 9))
def test_padded_rows_have_the_same_targets_in_the_same_contexts(messages: list[list[int]], window: int) -> None:
    packed = pack(messages, window)
    padded = one_message_a_row(packed)
    assert targets(padded) == targets(packed)
    assert padded.shape[1] == window + 1
    for row in padded:
        tokens = list(row[row != PAD])
        assert list(row[: len(tokens)]) == tokens, "padding is at the end"
        assert BOUNDARY not in tokens[1:-1], "a row holds one message"

    def contexts(rows: np.ndarray) -> list[tuple[int, ...]]:
        """Returns each target, preceded by the tokens of its message that come before it in its row."""
        found = []
        for row in rows:
            context: list[int] = []
            for token, target in pairwise(row):
                context = [token] if token == BOUNDARY else [*context, token]
                if target != PAD:
                    found.append((*context, target))
        return sorted(found)

    assert contexts(padded) == contexts(packed)
