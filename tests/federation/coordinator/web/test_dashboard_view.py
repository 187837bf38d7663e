"""What the coordinator's page says of rounds that go well, go on, or go wrong."""

from hypothesis import given
from hypothesis import strategies as st

from federation.coordinator.web.dashboard_view import CHARTS, STAGES, committed, curves, going, tables, tiles
from federation.coordinator.web.status import overview


def test_before_any_round_there_is_nothing_to_tell_but_who_is_there(world) -> None:
    world.enrol(5)
    world.coordinator.devices.invite(world.now)
    view = overview(world.coordinator, world.now)
    model, recall, devices, privacy = tiles(view, world.now)
    assert model.figure == "Round 0" and recall.figure == "–" and privacy.figure == "Secure sums"
    assert devices.figure == "5" and devices.note == "5 heard of just now; 1 join link not used yet"
    assert (going(view).stage, going(view).share) == ("", 0.0)
    assert not tables(view, world.now)["rounds"] and not tables(view, world.now)["errors"]


def test_each_stage_is_shown_with_what_was_given_and_who_dropped_out(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(2)
    seen = []
    for stage in STAGES:
        world.advance(stage)
        if stage == "reporting":
            world.coordinator.devices.leave(world.devices.pop().name, world.now)
        shown = going(overview(world.coordinator, world.now))
        assert shown.stage == stage and shown.line == f"Round 1: {stage}" and 0 <= shown.share <= 1
        assert "2 more rounds wanted" in shown.note
        seen.append(shown.note)
    assert "s left" in seen[0] and "s left" not in seen[-1]
    assert "1 of 6 dropped out" in seen[3]


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
    view = overview(world.coordinator, world.now)
    (row,) = committed(view)
    assert tiles(view, world.now)[1].figure == "20.0%"
    assert tiles(view, world.now)[1].note == f"40.0% after training on the device; {5 * row['counted']} words held back"
    at_1, at_3, norms = curves(committed(view)).values()
    assert list(at_1.values()) == [[20.0], [40.0]] and list(at_3.values()) == [[60.0], [80.0]]
    assert norms["one device, at most"] == [1.0]
    shown = tables(view, world.now)
    assert [r["round"] for r in shown["rounds"]] == sorted((r["number"] for r in view["rounds"]), reverse=True)
    assert shown["rounds"][-1]["recall at 1"] == "20.0% → 40.0%"
    assert shown["rounds"][0]["state"].startswith("aborted: 0 devices at the end of selection")
    assert "was aborted" in shown["errors"][0]["what went wrong"]
    assert [d["state"] for d in shown["devices"]].count("left") == 1
    assert {d["state"] for d in shown["devices"]} == {"left", "away"}  # nobody was heard of for long


REPORT = st.fixed_dictionaries(
    {}, optional={name: st.floats(0, 1) for names in CHARTS.values() for name in (*names, "other")}
)


@given(st.lists(REPORT))
def test_a_curve_has_a_place_for_each_round_and_a_gap_where_it_tells_nothing(rounds: list[dict]) -> None:
    for chart, names in CHARTS.items():
        for name, title in names.items():
            values = curves(rounds)[chart][title]
            assert [value is None for value in values] == [name not in row for row in rounds]


@given(st.floats(0.01, 100), st.floats(0.001, 10))
def test_privacy_that_was_spent_is_told(epsilon: float, rho: float) -> None:
    spent = {"epsilon": epsilon, "delta": 1e-6, "rho": rho}
    view = {"model": {"round": 3, "digest": "ab" * 32}, "devices": [], "open_codes": 0, "rounds": [], "spent": spent}
    shown = tiles(view, 0.0)[3]
    assert f"{epsilon:.2f}" in shown.figure and f"{rho:.3f}" in shown.note and "1e-06" in shown.note


def test_a_round_of_a_coordinator_that_told_less_is_shown_with_what_it_told(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    view = overview(world.coordinator, world.now)
    (row,) = view["rounds"]
    del row["top1_after"], row["top3_after"]
    assert tiles(view, world.now)[1].figure == "–"
    assert tables(view, world.now)["rounds"][0]["recall at 1"] == ""
    assert list(curves([row])["Recall at 1 on words held back, summed"].values()) == [[20.0], [None]]
