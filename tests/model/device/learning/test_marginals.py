"""The output bias adapted to a person's word frequencies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.generators import result_of
from data.vocabulary import SPECIALS
from model.device.folder import Model
from model.device.learning.marginals import adapt_marginals
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester

LINES = ["i think you are good", "so good it is!", "good"]


def test_the_shift_is_the_ratio_of_written_to_expected(small_model: Model) -> None:
    vocabulary, program = small_model.vocabulary, small_model.start()
    adapted = result_of(adapt_marginals(program, [vocabulary.encode(line) for line in LINES], prior=3.0))
    expected, written = np.zeros(len(vocabulary)), np.zeros(len(vocabulary))
    suggester = Suggester(Reader(small_model.start()), vocabulary)
    for line in LINES:
        words = [vocabulary.words[word] for word in vocabulary.encode(line)]
        for place, word in enumerate(words):
            expected += suggester.predictor.probabilities(words[:place])
            written[vocabulary.id(word)] += 1
    shift = np.log((written + 3.0) / (expected + 3.0))
    shift[: len(SPECIALS)] = 0
    bias = small_model.weights["output_bias"]
    np.testing.assert_allclose(adapted["output_bias"], bias + shift, atol=1e-5)
    assert shift[vocabulary.id("good")] == shift.max() > 0
    for name, weight in small_model.weights.items():
        np.testing.assert_array_equal(program.weights[name], weight)
        if name != "output_bias":
            np.testing.assert_array_equal(adapted[name], weight)


def test_only_the_newest_words_are_read(small_model: Model) -> None:
    program = small_model.start()
    encoded = [small_model.vocabulary.encode(line) for line in LINES]
    newest = result_of(adapt_marginals(program, encoded[1:]))
    limited = result_of(adapt_marginals(program, encoded, max_words=sum(map(len, encoded[1:]))))
    np.testing.assert_array_equal(limited["output_bias"], newest["output_bias"])


@settings(max_examples=20, deadline=None)
@given(messages=st.lists(st.lists(st.integers(0, 12), max_size=6), max_size=5))
def test_any_messages_leave_the_specials_and_stay_finite(small_model: Model, messages: list[list[int]]) -> None:
    bias = result_of(adapt_marginals(small_model.start(), messages))["output_bias"]
    before = small_model.weights["output_bias"]
    np.testing.assert_array_equal(bias[: len(SPECIALS)], before[: len(SPECIALS)])
    assert np.isfinite(bias).all()
    if not any(messages):
        np.testing.assert_array_equal(bias, before)


def test_it_reads_a_word_at_a_time(small_model: Model) -> None:
    work = adapt_marginals(small_model.start(), [small_model.vocabulary.encode(line) for line in LINES])
    assert sum(1 for _ in work) == sum(len(small_model.vocabulary.encode(line)) for line in LINES)
    with pytest.raises(StopIteration):
        next(work)
