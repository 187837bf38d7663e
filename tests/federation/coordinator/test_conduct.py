"""Devices that make rounds fail: who is left out, who is not, and that rounds succeed again."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError, UserFacingError
from federation.coordinator.conduct.backoff import Backoff
from federation.coordinator.conduct.conduct import DAY, HOUR
from federation.coordinator.conduct.groups import choose_group
from federation.coordinator.conduct.suspicion import Observation, convicted, suspicions
from federation.coordinator.round_machine import MessageRefusedError, Rules
from federation.coordinator.rounds import CoordinatorSettings
from federation.coordinator.web.status import status_of
from tests.federation.coordinator.conftest import SETTINGS, TERMS, World
from tests.federation.coordinator.liars import LIARS, CheckingWorld


def simulate(names: list[str], liars: set[str], minimum: int, rounds: int, rng: Random, persistence: float) -> dict:
    """Runs rounds with groups as the coordinator does; returns who was left out, and the number of good rounds.

    A liar spoils a round that it is in with probability `persistence`; every fourth round fails for another reason, which is no
    observation.
    """
    observations: list[Observation] = []
    out: set[str] = set()
    good = 0
    for _ in range(rounds):
        present = [name for name in names if name not in out]
        if len(present) < minimum:
            break
        bad = [o.devices for o in observations if not o.good]
        group = choose_group(present, suspicions(observations), bad, minimum, rng)
        members = frozenset(present if group is None else group)
        assert len(members) >= minimum
        if rng.random() < 0.25:
            continue
        fine = not any(rng.random() < persistence for name in members if name in liars)
        good += fine
        observations.append(Observation(members, fine))
        out |= convicted(observations, suspicions(observations))
    return {"out": out, "good": good}


NAMES = [f"device {i}" for i in range(12)]


@settings(max_examples=25, deadline=None)
@given(count=st.integers(4, 12), liars=st.integers(0, 2), seed=st.integers(0, 2**32))
def test_no_honest_device_is_left_out_and_rounds_succeed(count: int, liars: int, seed: int) -> None:
    """With one liar or two among few devices, or with none, and with rounds that fail for other reasons."""
    liars = min(liars, 1 if count == 4 else 2)
    guilty = set(NAMES[:liars])
    found = simulate(NAMES[:count], guilty, 3, 40, Random(seed), persistence=1.0)
    assert found["out"] <= guilty and (found["out"] == guilty or liars == 2)
    assert found["good"] >= 8


def test_a_device_that_lies_now_and_then_is_found_more_often_than_an_honest_one_is_blamed() -> None:
    caught = blamed = 0
    for seed in range(10):
        found = simulate(NAMES[:8], {NAMES[0]}, 3, 40, Random(seed), persistence=0.6)
        caught += NAMES[0] in found["out"]
        blamed += len(found["out"] - {NAMES[0]})
    assert caught >= 9 and blamed <= 2


@given(st.lists(st.sets(st.sampled_from(NAMES), min_size=1), max_size=8))
def test_good_rounds_make_nobody_suspect(rounds: list[set[str]]) -> None:
    assert suspicions([Observation(frozenset(r), good=True) for r in rounds]) == {}


@given(st.integers(3, 40))
def test_one_spoiled_round_makes_all_its_devices_equally_suspect(count: int) -> None:
    names = frozenset(f"device {i}" for i in range(count))
    observations = [Observation(names, good=False)]
    found = suspicions(observations)
    assert found.keys() == names and max(found.values()) - min(found.values()) < 1e-9
    assert not convicted(observations, found)


def test_a_device_of_which_several_others_say_that_its_shares_cannot_be_opened_is_convicted() -> None:
    pairs = [Observation(frozenset({"owner", other}), good=False) for other in ("a", "b", "c")]
    assert convicted(pairs, suspicions(pairs)) == {"owner"}
    assert not convicted(pairs[:1], suspicions(pairs[:1])), "one word stands against another"


@pytest.fixture
def checking_world(new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], World]:
    """Returns a function that makes a world with honest devices and one liar of a kind."""

    def make(honest: int, kind: str, target: int = 6) -> World:
        monkeypatch.setattr("tests.federation.coordinator.conftest.World", CheckingWorld)
        rules = replace(SETTINGS.rules, target=target, over_selection=1.0)
        world = new_world(settings=CoordinatorSettings(rules, backoff_seconds=1.0), terms=replace(TERMS, cohort=target))
        world.enrol(honest)
        liar = LIARS[kind]()
        world.coordinator.devices.enrol(liar.enrolment(world.coordinator.devices.invite(world.now)), world.now)
        world.all_devices.append(liar)
        world.devices.insert(2, liar)
        return world

    return make


def run(world: World, rounds: int, turns: int = 300) -> tuple[int, int]:
    """Lets devices take turns, a second each; returns the numbers of committed and of aborted rounds."""
    world.coordinator.rounds.schedule(rounds)
    for _ in range(turns):
        for device in world.devices:
            try:
                world.step(device)
            except UserFacingError:  # a refused device leaves the round, as a keyboard does
                name = device.round_name
                device.forget()
                with suppress(MessageRefusedError):
                    world.coordinator.devices.withdraw(device.name, name, world.now)
        world.work()
        world.now += 1
        if world.coordinator.store.schedule()[0] == 0:
            break
    states = [row.state for row in world.coordinator.store.rounds()]
    return states.count("committed"), states.count("aborted")


@pytest.mark.parametrize("kind", LIARS)
def test_a_federation_with_one_liar_among_six_gets_its_rounds_done(kind: str, checking_world) -> None:
    world = checking_world(5, kind)
    liar = world.devices[2]
    committed, aborted = run(world, 4)
    out = {d.name for d in world.devices if world.coordinator.rounds.conduct.left_out(d.name, world.now)}
    assert committed == 4 and aborted <= 6
    assert out == ({liar.name} if kind != "no shares" else set()), "the others' shares are enough, and nobody is blamed"


def test_who_is_left_out_outlasts_a_restart_and_ends_by_time_or_by_the_owner(checking_world) -> None:
    world = checking_world(5, "a wrong commitment")
    liar = world.devices[2].name
    run(world, 2)
    world.kill()
    conduct = world.coordinator.rounds.conduct
    out = conduct.left_out(liar, world.now)
    assert out is not None and out.until - out.since == DAY and "announced other secrets" in out.reason
    assert conduct.left_out(liar, world.now + DAY) is None
    world.coordinator.devices.let_back(liar, world.now)
    assert conduct.left_out(liar, world.now) is None
    run(world, 2)
    out = conduct.left_out(liar, world.now)
    assert out is not None and out.until - out.since == 2 * DAY, "the second time for twice as long"


def test_a_federation_of_three_says_that_it_cannot_go_on_without_the_device_that_is_left_out(checking_world) -> None:
    world = checking_world(2, "garbage shares", target=3)
    committed, _ = run(world, 3, turns=60)
    assert not committed
    assert world.coordinator.rounds.failures.obstacle.startswith("2 devices may take part, and a round needs 3")
    assert any("Invite more devices" in text for _, text in world.coordinator.store.events.errors(20))
    assert len(world.coordinator.store.rounds()) == 1, "no round begins that cannot succeed"
    assert status_of(world.coordinator, world.now).obstacle
    world.enrol(1)
    assert not status_of(world.coordinator, world.now).obstacle
    committed, _ = run(world, 2)
    assert committed == 2


def test_a_federation_that_was_stopped_or_paused_announces_no_next_round(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(2)
    world.advance("reporting")
    world.coordinator.rounds.fail("a reason", world.now)
    assert "because round 1 failed: a reason" in status_of(world.coordinator, world.now).wait
    world.coordinator.rounds.pause(True)
    assert not status_of(world.coordinator, world.now).wait
    world.coordinator.rounds.stop(world.now)
    assert not status_of(world.coordinator, world.now).wait
    world.coordinator.rounds.schedule(1)
    world.coordinator.tick(world.now)
    assert world.round.stage == "selection", "the owner wants a round now"


def test_a_device_has_one_name_in_all_lines(world) -> None:
    world.enrol(6)
    device = world.devices[0].name
    world.coordinator.devices.book.rename(device, "Anna's phone")
    world.coordinator.rounds.schedule(1)
    world.advance("reporting")
    world.round.culprits[device] = "a reason"
    world.coordinator.tick(world.now)
    world.coordinator.devices.let_back(device, world.now + 1)
    world.coordinator.devices.leave(device, world.now + 2)
    with pytest.raises(DataError, match="device Anna's phone is not left out of rounds"):
        world.coordinator.devices.let_back(device, world.now + 3)
    found = [text for _, text in world.coordinator.store.events.newest(10) if "Anna's phone" in text]
    assert [line.removeprefix("device Anna's phone ").split(" ")[0] for line in found] == ["left", "may", "is"]


def test_a_federation_of_three_says_that_it_cannot_find_out_which_device_spoils_its_sums(checking_world) -> None:
    world = checking_world(2, "a random vector", target=3)
    committed, aborted = run(world, 9)
    assert (committed, aborted) == (0, 5) and world.coordinator.store.schedule() == (9, True)
    assert "one of the 3 devices makes the rounds fail" in world.coordinator.rounds.failures.obstacle
    world.enrol(2)
    committed, _ = run(world, 4)
    assert committed == 4


def test_devices_that_are_not_ready_are_not_selected_and_rounds_succeed(world) -> None:
    world.enrol(4)
    lacking = world.devices[0]
    world.ready = lambda device: device is not lacking
    world.coordinator.rounds.schedule(2)
    world.finish()
    rows = world.coordinator.store.rounds()
    assert [row.state for row in rows] == ["committed"] * 2
    assert all(lacking.name not in world.coordinator.store.counted(row.number) for row in rows)
    assert world.coordinator.devices.readiness(lacking.name, world.now) == "not ready"


def test_a_device_that_always_drops_out_is_left_out_for_an_hour_if_others_suffice(new_world) -> None:
    rules = Rules(3, 3, 1.0, *[10.0] * 6)
    world = new_world(settings=CoordinatorSettings(rules, backoff_seconds=1.0))
    world.enrol(4)
    first = world.devices[0]
    world.coordinator.rounds.schedule(2)
    for _ in range(120):
        for device in world.devices:
            if (
                device is first
                and world.coordinator.rounds.current
                and world.coordinator.rounds.current.stage != "selection"
            ):
                continue
            world.step(device)
        world.work()
        world.now += 1
    assert [row.state for row in world.coordinator.store.rounds()] == ["aborted"] * 3 + ["committed"] * 2
    out = world.coordinator.rounds.conduct.left_out(first.name, world.now)
    assert out is not None and out.until - out.since == HOUR


def test_failed_rounds_wait_longer_and_longer_and_a_success_ends_that() -> None:
    backoff = Backoff(15.0)
    pauses = [backoff.fail("round 1 failed", 100.0) for _ in range(10)]
    assert pauses == [15, 30, 60, 120, 240, 480, 900, 900, 900, 900]
    assert (
        backoff.left(100.0) == 900 and backoff.line(150.5) == "the next round begins in 850 s, because round 1 failed"
    )
    backoff.reset()
    assert not backoff.left(100.0) and not backoff.line(100.0) and backoff.fail("again", 0.0) == 15
