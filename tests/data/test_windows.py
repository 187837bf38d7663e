import itertools
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.vocabulary import BOUNDARY, PAD
from data.windows import lanes, pack, targets

MESSAGES = st.lists(st.lists(st.integers(3, 50), max_size=30), max_size=40)
WINDOWS = st.integers(2, 20)


def pairs(messages: list[list[int]]) -> Counter[tuple[int, int]]:
    """Counts the pairs to learn: each token with its predecessor."""
    found: Counter[tuple[int, int]] = Counter()
    for message in filter(None, messages):
        tokens = [BOUNDARY, *message, BOUNDARY]
        found.update(itertools.pairwise(tokens))
    return found


@given(MESSAGES, WINDOWS)
def test_packing_keeps_every_target_with_the_token_before_it(messages: list[list[int]], window: int) -> None:
    rows = pack(messages, window)
    assert rows.shape[1] == window + 1
    assert rows.dtype == np.int32
    kept: Counter[tuple[int, int]] = Counter()
    for row in rows:
        kept.update((a, b) for a, b in zip(row[:-1].tolist(), row[1:].tolist(), strict=True) if b != PAD)
    assert kept == pairs(messages)
    assert targets(rows) == sum(len(m) + 1 for m in messages if m)


@given(MESSAGES, WINDOWS)
def test_a_message_that_fits_is_not_split(messages: list[list[int]], window: int) -> None:
    packed = [row.tolist() for row in pack(messages, window)]
    for message in messages:
        if message and len(message) + 1 <= window:
            tokens = [BOUNDARY, *message, BOUNDARY]
            assert any(tokens == row[i : i + len(tokens)] for row in packed for i in range(len(row)))


def test_chat_is_packed_with_almost_no_padding() -> None:
    rng = np.random.default_rng(0)
    rows = pack([rng.integers(3, 99, size).tolist() for size in rng.geometric(0.1, 2000)], 20)
    assert targets(rows) / rows[:, 1:].size > 0.9


@given(MESSAGES, st.integers(1, 5), WINDOWS)
def test_lanes_hold_each_message_at_its_place(messages: list[list[int]], count: int, window: int) -> None:
    streams, places = lanes(messages, count, window)
    assert streams.shape[0] == count
    assert (streams.shape[1] - 1) % window == 0
    assert (streams[:, 0] == BOUNDARY).all()
    for message, (lane, start) in zip(messages, places, strict=True):
        assert streams[lane, 1:][start : start + len(message) + 1].tolist() == [*message, BOUNDARY]
    assert targets(streams) == sum(len(m) + 1 for m in messages)
