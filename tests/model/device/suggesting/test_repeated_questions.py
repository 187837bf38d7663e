"""A suggester that is asked again gives the answer that a new one gives."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.device.folder import Model
from model.device.suggesting.corrections import Neighbours, qwerty_neighbours
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.suggesting.word_preferences import WordPreferences

TYPED = ["", "t", "th", "tehy", "teh", "thi", "zebr"]
QUESTION = st.tuples(
    st.sampled_from(["suggest", "correct"]),
    st.sampled_from(["", "you think"]),
    st.sampled_from(TYPED),
    st.sampled_from([None, 1.0, 4.0]),
)
CHANGE = st.sampled_from(["learn", "forget", "insist", "trust", "keys", "other keys"])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(QUESTION | CHANGE, min_size=4, max_size=14))
def test_answers_follow_every_change(small_model: Model, actions: list[Any]) -> None:
    reader = Reader(small_model.start())
    personal, preferences = PersonalNgram(small_model.vocabulary, ["my zebra"]), WordPreferences()
    asked = Suggester(reader, small_model.vocabulary, personal, preferences)
    keys: Neighbours | None = None
    changes: dict[str, Callable[[], object]] = {
        "learn": lambda: personal.learn("the zebra thinks so"),
        "forget": lambda: preferences.forgotten.add("the"),
        "insist": lambda: preferences.insisted.add("teh"),
        "trust": lambda: setattr(personal, "trust", personal.trust * 3),
    }
    for action in actions:
        if isinstance(action, str) and action in changes:
            changes[action]()
        elif isinstance(action, str):
            keys = qwerty_neighbours() if action == "keys" else {key: frozenset("q") for key in qwerty_neighbours()}
            asked.spellings.use_neighbours(keys)
        else:
            what, context, typed, cost = action
            touches = None if cost is None else [{"t": cost, "y": cost}] * len(typed)
            new = Suggester(reader, small_model.vocabulary, personal, preferences, keys)
            for _ in range(2):
                answer = getattr(asked, what)(context, typed, touches=touches)
                assert answer == getattr(new, what)(context, typed, touches=touches)


def test_a_new_network_scores_corrections_anew(small_model: Model) -> None:
    bias = np.linspace(0, 9, len(small_model.vocabulary), dtype=np.float32)
    other = small_model.with_weights(small_model.weights | {"output_bias": bias}, small_model.provenance)
    asked = Suggester(Reader(small_model.start()), small_model.vocabulary)
    new = Suggester(Reader(other.start()), small_model.vocabulary)
    asked.correct("", "tehy")
    asked.reader = Reader(other.start())
    for suggester in (asked, new):
        suggester.correct("", "tehy")
    np.testing.assert_array_equal(asked._priors_of_corrections(), new._priors_of_corrections())
