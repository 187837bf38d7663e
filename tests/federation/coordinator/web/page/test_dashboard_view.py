"""The content of the coordinator's page, for rounds that succeed, are under way, or fail."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from federation.aggregation.privacy import Privacy, Spent
from federation.coordinator.learner.messages import NextRound
from federation.coordinator.learner.round_report import RoundReport
from federation.coordinator.web.owner.device_records import device_records
from federation.coordinator.web.owner.device_rows import device_row
from federation.coordinator.web.page.dashboard_view import CHARTS, STAGES, committed, curves, progress, tables, tiles
from federation.coordinator.web.status import CoordinatorStatus, ModelStatus, status_of


def test_before_any_round_the_page_shows_the_devices_only(world) -> None:
    world.enrol(5)
    world.coordinator.devices.invite(world.now)
    status = status_of(world.coordinator, world.now)
    model, recall, devices, privacy = tiles(status)
    assert model.figure == "Round 0" and recall.figure == "–" and privacy.figure == "Secure sums"
    assert devices.figure == "5" and devices.note == "5 active; 1 unused join link"
    assert (progress(status).stage, progress(status).share) == (None, 0.0)
    assert not tables(status)["rounds"] and not tables(status)["errors"]


def test_each_stage_is_shown_with_its_counts_and_dropouts(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(2)
    notes = []
    for stage in STAGES:
        world.advance(stage)
        if stage == "reporting":
            world.coordinator.devices.leave(world.devices.pop().name, world.now)
        shown = progress(status_of(world.coordinator, world.now))
        assert shown.stage == stage and shown.line == f"Round 1: {stage}" and 0 <= shown.share <= 1
        assert "2 more rounds scheduled" in shown.note
        notes.append(shown.note)
    assert "s left" in notes[0] and "s left" not in notes[-1]
    assert "1 of 6 dropped out" in notes[3]
    assert notes[-1].startswith("4 of 4 devices; 2 of 6 dropped out; "), "also those that unmasking did without"
    states = [world.coordinator.devices.state_in_round(device.name) for device in world.devices]
    assert sorted(states) == ["dropped out", *["in the sum"] * 4]


def test_a_finished_round_has_its_recall_and_an_aborted_one_its_reason(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    world.coordinator.rounds.schedule(1)
    absent, world.devices = world.devices, []
    world.run(3)
    world.now += 100
    world.run(1)
    world.coordinator.rounds.stop(world.now)
    world.coordinator.devices.leave(absent[0].name, world.now)
    status = status_of(world.coordinator, world.now)
    (row,) = committed(status)
    assert tiles(status)[1].figure == "20.0%"
    assert tiles(status)[1].note == f"40.0% after training on the device; {5 * row.counted} words held back"
    at_1, at_3, norms = curves([row.report]).values()
    assert list(at_1.values()) == [[20.0], [40.0]] and list(at_3.values()) == [[60.0], [80.0]]
    assert norms["clipping norm"] == [1.0]
    shown = tables(status)
    assert [r["round"] for r in shown["rounds"]] == sorted((r.number for r in status.rounds), reverse=True)
    assert shown["rounds"][-1]["recall at 1"] == "20.0% → 40.0%"
    assert str(shown["rounds"][0]["state"]).startswith("aborted: 0 devices at the end of selection")
    assert "was aborted" in str(shown["errors"][0]["what went wrong"])
    devices = [device_row(device) for device in device_records(world.coordinator, world.now)]
    assert [d["status"] for d in devices].count("left") == 1
    assert {d["status"] for d in devices} == {"left", "away"}  # all were last seen long ago


REPORT = st.fixed_dictionaries(
    {}, optional={name: st.floats(0, 1) for names in CHARTS.values() for name in (*names, "other")}
)


@given(st.lists(REPORT))
def test_a_curve_has_a_gap_where_a_round_reported_nothing(rounds: list[dict]) -> None:
    for chart, names in CHARTS.items():
        for name, title in names.items():
            values = curves([RoundReport.from_json(row) for row in rounds])[chart][title]
            assert [value is None for value in values] == [name not in row for row in rounds]


@given(st.floats(0.01, 100), st.floats(0.001, 10))
def test_spent_privacy_is_shown(epsilon: float, rho: float) -> None:
    spent = Spent(epsilon, 1e-6, rho)
    model = ModelStatus(3, "ab" * 32)
    status = CoordinatorStatus(model, 0, False, True, "", spent, None, devices=(), open_codes=0, rounds=(), errors=())
    status = replace(status, privacy=Privacy("tree", 1.0, 5))
    shown = tiles(status)[3]
    assert f"{epsilon:.2f}" in shown.figure and f"{rho:.3f}" in shown.note and "1e-06" in shown.note


@given(st.floats(0.01, 100))
def test_before_the_first_round_the_page_promises_no_privacy_that_is_not_there(epsilon: float) -> None:
    """Without differential privacy an epsilon of 0 would be the best guarantee; with it, the first round will spend some."""
    nothing, first = Spent(0.0, 1e-6, 0.0), Spent(epsilon, 1e-6, 0.5)
    model = ModelStatus(0, "ab" * 32)
    status = CoordinatorStatus(model, 0, False, True, "", nothing, None, devices=(), open_codes=0, rounds=(), errors=())
    status = replace(status, spent_after=first)
    shown = tiles(status)[3]
    assert "no differential privacy" in shown.note and "ε" not in shown.figure + shown.note
    shown = tiles(replace(status, privacy=Privacy("tree", 1.0, 5)))[3]
    assert shown.figure == "Nothing yet" and f"will spend ε {epsilon:.2f}" in shown.note


def test_without_differential_privacy_no_epsilon_is_reported(world) -> None:
    prepared = NextRound(world.terms, "", Spent(0.0, 1e-5, 0.0), "", 0, Spent(1.0, 1e-5, 0.5))
    world.coordinator.rounds.prepared(prepared)
    content = status_of(world.coordinator, world.now).to_json()
    assert content["spent"] == content["spent_after"] == {}
    world.coordinator.rounds.settings = replace(world.settings, privacy=Privacy("tree", 1.0, 5))
    content = status_of(world.coordinator, world.now).to_json()
    assert content["spent"]["epsilon"] == 0.0 and content["spent_after"]["epsilon"] == 1.0
    assert NextRound.from_json(prepared.to_json()) == prepared


def test_a_round_that_reported_less_is_shown_without_the_missing_figures(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    status = status_of(world.coordinator, world.now)
    (row,) = status.rounds
    row = replace(row, report=replace(row.report, top1_after=None, top3_after=None))
    status = replace(status, rounds=(row,))
    assert tiles(status)[1].figure == "–"
    assert tables(status)["rounds"][0]["recall at 1"] == ""
    assert list(curves([row.report])["Recall at 1 on words held back"].values()) == [[20.0], [None]]


def test_the_control_api_shows_the_same_as_json(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(2)
    world.finish()
    world.coordinator.rounds.schedule(1)
    world.advance("keys")
    status = status_of(world.coordinator, world.now)
    content = json.loads(json.dumps(status.to_json(), allow_nan=False))
    assert content["model"] == {"round": 2, "digest": status.model.digest} and content["wanted"] == 1
    assert content["round"]["stage"] == "keys" and content["round"]["expected"] == 6
    first, _, under_way = content["rounds"]
    assert (first["state"], first["top1"], first["top1_after"], first["counted"]) == ("committed", 0.2, 0.4, 4)
    assert under_way["state"] == "open" and "top1" not in under_way
    private = replace(status, spent=Spent(float("inf"), 1e-5, float("inf"))).to_json()
    assert private["spent"] == {"epsilon": None, "delta": 1e-5, "rho": None}
