"""Predictions cover every token of every message once, in order, and equal the keyboard's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.vocabulary import BOUNDARY, SPECIALS, UNKNOWN
from federation.evaluation.predictions import network_predictions
from model.device.folder import Model
from model.device.metrics import evaluate
from model.device.suggesting.reading import Reader


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_predictions_are_in_order_and_equal_the_keyboards(small_model: Model, data: st.DataObject) -> None:
    size = len(small_model.vocabulary)
    tokens = st.integers(1, size - 1).map(lambda t: UNKNOWN if t == BOUNDARY else t)
    messages = data.draw(st.lists(st.lists(tokens, max_size=50), max_size=6))
    found = network_predictions(small_model.start(), messages)
    assert list(found.targets) == [token for message in messages for token in message]
    assert list(found.positions) == [i for message in messages for i in range(len(message))]
    reader = Reader(small_model.start())
    contexts = [message[:i] for message in messages for i in range(len(message))]
    rows = zip(contexts, found.targets, found.ranks, found.log_likelihoods, strict=True)
    for context, target, rank, log_likelihood in rows:
        logits = reader.logits(context).astype(float)
        if target != UNKNOWN:
            assert rank == np.count_nonzero(logits[len(SPECIALS) :] > logits[target])
        assert log_likelihood == pytest.approx(logits[target] - np.log(np.exp(logits).sum()), abs=1e-4)
    whole, parts = evaluate(small_model.start(), messages), found.scores()
    assert (whole.words, whole.out_of_vocabulary) == (parts.words, parts.out_of_vocabulary)
    assert (whole.first, whole.among_three) == (parts.first, parts.among_three)
    assert whole.log_likelihood == pytest.approx(parts.log_likelihood, rel=1e-5)
