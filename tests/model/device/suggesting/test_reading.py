"""A reader caches its results, and they equal those of a new reader."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.vocabulary import BOUNDARY
from model.device.folder import Model
from model.device.network import Network, State
from model.device.runtime import Program
from model.device.suggesting import reading
from model.device.suggesting.reading import Reader

CONTEXTS = st.lists(st.lists(st.integers(2, 30), max_size=8), min_size=1, max_size=12)


class Counting:
    """A network that counts its steps."""

    def __init__(self, network: Network) -> None:
        self._network, self.steps = network, 0

    def step(self, token: int, state: State) -> tuple[np.ndarray, State]:
        self.steps += 1
        return self._network.step(token, state)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


def read_from_scratch(program: Program, context: list[int]) -> np.ndarray:
    logits, state = program.step(BOUNDARY, program.initial_state(1))
    for token in context:
        logits, state = program.step(token, state)
    return logits


@pytest.mark.parametrize("kept", [1, 3, 128])
def test_it_equals_a_new_reader(small_model: Model, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    """Holds for any order of messages and any number of cached logits."""
    monkeypatch.setattr(reading, "_LOGITS_KEPT", kept)
    program = small_model.start()

    @settings(deadline=None, max_examples=40)
    @given(CONTEXTS)
    def check(contexts: list[list[int]]) -> None:
        reader = Reader(program)
        for context in contexts:
            np.testing.assert_array_equal(reader.logits(context), read_from_scratch(program, context))

    check()


def test_words_that_were_read_cost_no_step(small_model: Model) -> None:
    program = Counting(small_model.start())
    reader = Reader(program)  # type: ignore[arg-type]
    reader.logits([5, 6, 7, 8])
    assert program.steps == 5  # <s> and four words
    for context in ([5, 6], [], [5], [5, 6, 7, 8], [5, 6, 7]):
        reader.logits(context)
    assert program.steps == 5
    reader.logits([5, 6, 7, 8, 9])
    assert program.steps == 6
    reader.logits([5, 6, 9])
    assert program.steps == 7


def test_only_the_newest_logits_of_a_long_message_are_kept(small_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LOGITS_KEPT", 4)
    program = Counting(small_model.start())
    reader = Reader(program)  # type: ignore[arg-type]
    words = [5, 6, 7, 8, 9, 10, 11, 12]
    for end in range(len(words) + 1):
        reader.logits(words[:end])
    assert program.steps == 9
    assert sum(logits is not None for logits in reader._logits) == 4
    reader.logits(words[:5])  # the fourth from the end
    assert program.steps == 9
    reader.logits(words[:2])  # one step from the cached state before it
    assert program.steps == 10


@settings(deadline=None, max_examples=30)
@given(context=st.lists(st.integers(2, 30), max_size=30), most=st.integers(1, 5))
def test_an_unread_context_is_read_from_its_last_tokens_on(small_model: Model, context: list[int], most: int) -> None:
    program = Counting(small_model.start())
    reader = Reader(program, most)  # type: ignore[arg-type]
    logits = reader.logits(context)
    assert program.steps <= most + 1
    shown = context if len(context) <= most else context[-most:]
    np.testing.assert_array_equal(logits, read_from_scratch(small_model.start(), shown))
    program.steps = 0
    reader.logits([*context, 5])
    assert program.steps == 1
    np.testing.assert_array_equal(
        reader.logits([*context, 5, 6]), read_from_scratch(small_model.start(), [*shown, 5, 6])
    )


def test_a_message_is_read_along_from_its_start_whatever_is_cached(small_model: Model) -> None:
    message = [5, 9, 7, 5, 3, 8]
    program = Counting(small_model.start())
    reader = Reader(program, 2)  # type: ignore[arg-type]
    for cached in ([], [5, 9], message, [9, 9, 9, 9, 9]):
        reader.logits(cached)
        for place, logits in enumerate(reader.along(message)):
            np.testing.assert_array_equal(logits, read_from_scratch(small_model.start(), message[:place]))
    reader = Reader(program)  # type: ignore[arg-type]
    reader.logits(message)
    program.steps = 0
    assert len(list(reader.along(message))) == len(message)
    assert program.steps == 0


def test_words_that_may_come_next_cost_a_step_once_and_none_when_they_come(small_model: Model) -> None:
    program = Counting(small_model.start())
    reader = Reader(program)  # type: ignore[arg-type]
    context = [5, 6]
    reader.logits(context)
    assert program.steps == 3
    for following in ([7], [7, 8], [9], [7, 8], [9]):
        expected = read_from_scratch(small_model.start(), context + following)
        np.testing.assert_array_equal(reader.logits_ahead(context, following), expected)
    assert program.steps == 6, "7, 8 after it, and 9"
    reader.logits(context)
    assert program.steps == 6, "the message is still where it was"
    np.testing.assert_array_equal(reader.logits([5, 6, 7, 8]), read_from_scratch(small_model.start(), [5, 6, 7, 8]))
    assert program.steps == 6, "the words were taken: they were read ahead"
    reader.logits_ahead([5, 6], [7, 8])
    assert program.steps == 6, "the message itself has been read that far"
    reader.logits([3])
    reader.logits([5, 6, 9])
    assert program.steps == 6 + 1 + 2, "3; then 5 and 6 again, but not 9"


def test_only_some_words_ahead_are_kept(small_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_KEPT_AHEAD", 2)
    program = Counting(small_model.start())
    reader = Reader(program)  # type: ignore[arg-type]
    for word in (7, 8, 9):
        reader.logits_ahead([5], [word])
    assert program.steps == 5
    reader.logits_ahead([5], [8])
    reader.logits_ahead([5], [9])
    assert program.steps == 5
    reader.logits_ahead([5], [7])
    assert program.steps == 6, "the oldest was dropped"


def test_reading_ahead_of_any_message_equals_a_new_reader(small_model: Model) -> None:
    program = small_model.start()

    @settings(deadline=None, max_examples=40)
    @given(CONTEXTS, st.lists(st.integers(2, 30), max_size=3), st.sampled_from([None, 2, 4]))
    def check(contexts: list[list[int]], following: list[int], most_unread: int | None) -> None:
        reader = Reader(program, most_unread)
        for context in contexts:
            ahead = reader.logits_ahead(context, following)
            kept = context[len(reader._skipped) :]
            np.testing.assert_array_equal(ahead, read_from_scratch(program, [*kept, *following]))
            np.testing.assert_array_equal(reader.logits(context), read_from_scratch(program, kept))

    check()
