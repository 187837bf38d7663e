"""Messages between the coordinator and the learner are read as they were written."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.aggregation.privacy import Spent
from federation.coordinator.learner.messages import (
    ModelUpdate,
    NextRound,
    PrepareRequest,
    UpdateRequest,
    request_from_json,
    request_to_json,
)
from federation.coordinator.learner.round_report import RoundReport
from federation.protocol.round_terms import Terms

TERMS = Terms(10, clipping_norm=1.0, max_weight=1, cohort=4, bits=16, seed=5)
FIGURES = st.floats(0, 1)
NEXT = st.builds(
    NextRound,
    st.sampled_from([TERMS, None]),
    st.text(),
    st.one_of(st.none(), st.builds(Spent, st.sampled_from([0.5, math.inf]), FIGURES, FIGURES)),
    st.text(),
    st.integers(0, 9),
)
REPORTS = st.builds(RoundReport, devices=st.one_of(st.none(), st.integers(3, 9)), top1=FIGURES, top1_after=FIGURES)


@pytest.mark.parametrize("request_", [PrepareRequest("states/000000", 0), UpdateRequest("a", "sum", 4, "b", 3)])
def test_a_request_is_read_as_it_was_written(request_: PrepareRequest | UpdateRequest) -> None:
    assert request_from_json(json.loads(json.dumps(request_to_json(request_)))) == request_


@given(NEXT, REPORTS)
def test_an_answer_is_read_as_it_was_written(next_round: NextRound, report: RoundReport) -> None:
    update = ModelUpdate(next_round, report)
    assert ModelUpdate.from_json(json.loads(json.dumps(update.to_json()))) == update


def test_a_next_round_is_loaded_as_it_was_saved_and_that_of_another_version_is_ignored(tmp_path: Path) -> None:
    assert NextRound.load(tmp_path) is None
    next_round = NextRound(TERMS, "", Spent(math.inf, 1e-5, math.inf), "no differential privacy", 2)
    next_round.save(tmp_path)
    assert NextRound.load(tmp_path) == next_round
    for other in ({}, next_round.to_json() | {"terms": TERMS.to_json()}, next_round.to_json() | {"terms": {"bits": 3}}):
        (tmp_path / "next.json").write_text(json.dumps(other))
        assert NextRound.load(tmp_path) is None


def test_a_report_ignores_unknown_fields() -> None:
    assert RoundReport.from_json({"top1": 0.5, "from a newer version": 1, "spent": {}}) == RoundReport(top1=0.5)
