"""A client's batches: every row once in each pass, in order, without threads that a worker would have to wait for."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.device.config import ModelConfig
from model.device.sampling import draw


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(1, 5))
def test_batches_hold_the_rows_of_each_pass_in_order(sizes: list[int], batch: int) -> None:
    from federation.engine.training_data import training_data

    passes = [np.random.default_rng(n).integers(0, 99, (n, 6), np.int32) for n in sizes]
    found = list(training_data(passes, ModelConfig(window=5, batch=batch)).as_numpy_iterator())
    expected = [rows[i : i + batch] for rows in passes for i in range(0, len(rows), batch)]
    assert len(found) == len(expected)
    for (rows, targets), wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(rows, wanted)
        np.testing.assert_array_equal(targets, wanted[:, 1:])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 5), st.integers(3, 2_000))
def test_batches_of_candidates_hold_the_same_rows_with_the_candidates_of_a_device(
    sizes: list[int], batch: int, vocabulary: int
) -> None:
    from federation.engine.training_data import training_data

    config = ModelConfig(vocabulary=vocabulary, window=5, batch=batch)
    passes = [np.random.default_rng(n).integers(0, vocabulary, (n, 6), np.int32) for n in sizes]
    found = list(training_data(passes, config, np.random.default_rng(7)).as_numpy_iterator())
    expected = [rows[i : i + batch] for rows in passes for i in range(0, len(rows), batch)]
    rng = np.random.default_rng(7)
    assert len(found) == len(expected)
    for ((rows, words, shift), targets), wanted in zip(found, expected, strict=True):
        candidates = draw(wanted, vocabulary, config.candidates, rng)
        np.testing.assert_array_equal(words, candidates.words)
        np.testing.assert_array_equal(shift, candidates.shift)
        np.testing.assert_array_equal(words[rows], wanted)
        np.testing.assert_array_equal(words[targets], wanted[:, 1:])


def test_reading_batches_starts_no_thread_that_tunes_the_pipeline_or_reads_ahead() -> None:
    import tensorflow as tf

    from federation.engine.training_data import training_data

    rows, pipelines = np.zeros((40, 6), np.int32), 10

    def started(data: tf.data.Dataset) -> int:
        next(iter(data))  # threads that all pipelines share are there afterwards
        before = threads()
        reading = [iter(data) for _ in range(pipelines)]
        for batches in reading:
            next(batches)
        return threads() - before

    usual = started(tf.data.Dataset.from_tensor_slices(rows).batch(4))
    assert usual - started(training_data([rows, rows], ModelConfig(window=5, batch=4))) >= pipelines
