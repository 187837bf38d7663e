"""The devices of a federation: who may take part in a private run, and when devices were last seen."""

import hashlib
from dataclasses import replace

import pytest

from data.errors import DataError
from federation.aggregation.privacy import Privacy
from federation.coordinator.device_book import VALID_SECONDS
from federation.protocol.api_messages import REST, CheckIn


def test_a_device_takes_part_once_in_a_period_of_a_private_run(world) -> None:
    world.coordinator.rounds.settings = replace(
        world.coordinator.rounds.settings, privacy=Privacy("tree", noise_multiplier=1.0, period=2)
    )
    world.enrol(12)
    world.coordinator.rounds.schedule(4)
    for _ in range(60):
        for device in world.devices:
            world.step(device)
        world.work()
        world.now += 1
    rounds = [
        set(world.coordinator.store.counted(r.number))
        for r in world.coordinator.store.rounds()
        if r.state == "committed"
    ]
    assert len(rounds) == 4
    assert not rounds[0] & rounds[1] and not rounds[2] & rounds[3]
    assert (rounds[0] | rounds[1]) & (rounds[2] | rounds[3])


def test_the_times_at_which_devices_were_seen_are_stored_every_few_seconds(world) -> None:
    for device in world.enrol(2):
        world.now += 1
        world.step(device)
    assert {row.seen for row in world.coordinator.store.members.devices()} == {1_000.0}
    world.now += 10
    world.coordinator.tick(world.now)
    assert {row.seen for row in world.coordinator.store.members.devices()} == {1_001.0, 1_002.0}


def test_a_device_with_nothing_to_do_rests(world) -> None:
    (device,) = world.enrol(1)
    vocabulary = world.coordinator.rounds.model.vocabulary.sha256
    call = world.coordinator.devices.check_in(device.name, CheckIn(vocabulary, ""), world.now)
    assert call.task == REST and not call.round_name


def test_a_join_link_expires_and_can_be_revoked(world) -> None:
    devices, book = world.coordinator.devices, world.coordinator.devices.book
    late, revoked, named = (world.new_device() for _ in range(3))
    codes = [devices.invite(world.now) for _ in range(2)]
    book.revoke(hashlib.sha256(codes[1].encode()).hexdigest()[:12])
    with pytest.raises(DataError, match="revoked"):
        devices.enrol(revoked.enrolment(codes[1]), world.now)
    devices.enrol(named.enrolment(devices.invite(world.now, "  Anna's\nphone ")), world.now)
    with pytest.raises(DataError, match="a device has joined with this link"):
        book.revoke(next(link.id for link in book.links(world.now) if link.state == "used"))
    assert [row.name for row in world.coordinator.store.members.devices()] == ["Anna's phone"]
    assert sorted(link.state for link in book.links(world.now)) == ["open", "revoked", "used"]
    assert world.coordinator.store.members.open_codes(world.now) == 1
    world.now += VALID_SECONDS
    with pytest.raises(DataError, match="expired"):
        devices.enrol(late.enrolment(codes[0]), world.now)
    assert world.coordinator.store.members.open_codes(world.now) == 0
    assert not world.coordinator.store.members.belongs(late.name)


@pytest.mark.parametrize("stage", ["selection", "keys", "reporting", "unmasking"])
def test_a_device_that_is_removed_in_a_round_drops_out_of_it(stage: str, world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.advance(stage)
    removed = world.devices.pop(0)
    world.coordinator.devices.leave(removed.name, world.now, removed=True)
    world.finish()
    rows = world.coordinator.store.rounds()
    assert rows[-1].state == "committed" and rows[-1].counted >= 3
    assert len(rows) == 1 or stage == "unmasking", (
        "there, the shares of the others may be too few, and the round is repeated"
    )
    assert world.coordinator.devices.was_removed(removed.name) and not world.coordinator.store.members.belongs(
        removed.name
    )
    assert world.now < 1_010 or stage == "selection" or len(rows) > 1, "nobody waits for it until a stage's deadline"
