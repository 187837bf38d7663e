"""The plans of word discoveries: their bounds, and what devices make of plans of any content."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.api_messages import secure_round
from federation.protocol.discovery.offer import OfferTerms, may_be_offered
from federation.protocol.discovery.round_plans import (
    MOST_BUCKETS,
    MOST_CELLS,
    CountPlan,
    RevealPlan,
    most_published,
    packed_buckets,
    read_plan,
)
from federation.protocol.discovery.word_counts import CountTerms
from federation.protocol.discovery.word_table import PRIME, TableTerms
from federation.protocol.json_messages import Between, JsonMessage, Matching
from keyboard_app.federating.word_offers import word_vectors

COUNTING = CountPlan("ab12", "0" * 64, "1" * 64, 20, 10)
REVEALING = RevealPlan(
    *("ab13", "0" * 64, "1" * 64, 20, 10, "ab12"), CountTerms(), packed_buckets([7, 2**18 - 1]), TableTerms(256)
)
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=9)
    | st.integers()
    | st.sampled_from([2**k for k in range(70)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("plan", [COUNTING, REVEALING], ids=["count", "reveal"])
def test_a_plan_is_read_as_it_was_sent_and_all_of_it_is_bound_to_the_keys(plan: CountPlan | RevealPlan) -> None:
    assert read_plan(plan.to_json()) == plan
    assert secure_round(plan).terms == plan.to_json() and secure_round(plan).layout == plan.layout


def test_entries_of_a_sum_are_as_wide_as_the_cohort_needs() -> None:
    (segment,) = COUNTING.layout
    assert (segment.length, segment.bits, segment.packed_size) == (2**18, 5, 163_840)
    (segment,) = REVEALING.layout
    assert 2**segment.bits > 20 * (PRIME - 1) >= 2 ** (segment.bits - 1)
    assert REVEALING.buckets == (7, 2**18 - 1)


@pytest.mark.parametrize("kind", [CountPlan, RevealPlan, OfferTerms, CountTerms, TableTerms])
def test_every_number_and_text_of_a_plan_has_bounds(kind: type[JsonMessage]) -> None:
    for name, field in kind.__dataclass_fields__.items():
        if name not in ("KIND", "offer", "counts", "table"):
            (bounds,) = field.type.__metadata__  # type: ignore[union-attr]
            assert isinstance(bounds, Between | Matching), name


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"k": 2}, "k of a RevealPlan must be between 3"),
        ({"cohort": 2}, "cohort of a RevealPlan must be between 3"),
        ({"published": "0000"}, "published of a RevealPlan is not of the form"),
        ({"published": "0000700007"}, "must exist, and be in order"),
        ({"published": "0000800007"}, "must exist, and be in order"),
        ({"published": "40000"}, "must exist, and be in order"),
        (
            {"published": packed_buckets(range(most_published(CountTerms()) + 1))},
            "16,385 of 262,144 buckets are published",
        ),
        (
            {"table": {"capacity": 99_999, "longest_bytes": 256, "repetitions": 4, "seed": 0}},
            f"at most {MOST_CELLS:,} numbers",
        ),
        (
            {"table": {"capacity": 256, "longest_bytes": 41, "repetitions": 4, "seed": 0}},
            "has room for words of 42 bytes",
        ),
        ({"counted_in": "a round"}, "counted_in of a RevealPlan is not of the form"),
    ],
)
def test_a_plan_that_asks_too_much_is_refused_in_one_line(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason.replace("(", r"\(")) as refused:
        read_plan(json.dumps(REVEALING.to_content() | change))
    assert len(str(refused.value)) < 300 and str(refused.value).isprintable()
    with pytest.raises(DataError, match=f"at most {MOST_BUCKETS:,} buckets"):
        CountPlan("ab12", "0" * 64, "1" * 64, 20, 10, counts=CountTerms(2**21))


@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.text("añи'word", min_size=2, max_size=20).filter(may_be_offered), max_size=5))
def test_no_plan_tells_keyboards_with_certain_words_apart(words: list[str]) -> None:
    """Whatever a keyboard may offer fits into the smallest table and count that a plan may have: no keyboard has to leave."""
    tables = {"capacity": 1, "longest_bytes": 42, "repetitions": 3, "seed": 2**32 - 1}
    reveal = RevealPlan.from_content(REVEALING.to_content() | {"table": tables})
    count = CountPlan.from_content(COUNTING.to_content() | {"counts": {"buckets": 256, "seed": 2**32 - 1}})
    for plan in (reveal, count):
        ((segment,), (vector,)) = plan.layout, word_vectors(plan, words)
        assert len(vector) == segment.length and int(vector.max()) < 2**segment.bits


FIELDS = [(plan, name) for plan in (COUNTING, REVEALING) for name in plan.to_content()]


@settings(max_examples=200, deadline=None)
@given(field=st.sampled_from(FIELDS), inner=st.booleans(), value=ANY)
def test_a_plan_of_any_content_is_refused_or_gives_vectors_of_its_layout(
    field: tuple[CountPlan | RevealPlan, str], inner: bool, value: Any
) -> None:
    plan, name = field
    content = plan.to_content()
    if inner and isinstance(content[name], dict):
        content[name] |= dict.fromkeys(list(content[name])[:1], value)
    else:
        content[name] = value
    try:
        read = read_plan(json.dumps(content))
    except DataError as refused:
        assert len(str(refused)) < 400 and str(refused).isprintable()
        return
    assert isinstance(read, CountPlan | RevealPlan)
    ((segment,), (vector,)) = read.layout, word_vectors(read, ["byu"])
    assert len(vector) == segment.length and int(vector.max()) < 2**segment.bits
    assert vector.nbytes <= 8 * MOST_CELLS
