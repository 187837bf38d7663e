"""Several coordinators with one PostgreSQL database, in one process: any of them is killed, and the round goes on with the others.

A device's requests go to any of them. Whatever happens, a new global model is the one before plus the mean of the counted devices.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import event, select, text, update

from data.errors import DataError
from federation.benchmarks.loads.postgres_server import PostgresServer, postgres_server
from federation.coordinator.cluster.leader import ClusterLeader
from federation.coordinator.cluster.member import ClusterMember
from federation.coordinator.cluster.replicated_round import ReplicatedRound
from federation.coordinator.cluster.serving import run_in_cluster
from federation.coordinator.coordinator import Coordinator, FederationInView
from federation.coordinator.enrolled_devices import EnrolledDevices
from federation.coordinator.round_machine import GIVING, MessageRefusedError, RefusalKind, Stage
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.serve import Places
from federation.coordinator.storage.database import Database
from federation.coordinator.storage.lease import Lease, LeaseLostError
from federation.coordinator.storage.tables import open_rounds, partial_sums, round_events
from federation.coordinator.store import StoreError
from federation.protocol.secure_aggregation.modular_vectors import unpack
from tests.federation.coordinator.conftest import SETTINGS, World

STAGES = [Stage.SELECTION, *GIVING, Stage.COMMIT]
SECONDS = 0.3  # of a lease


class Killed(BaseException):
    """A process was killed."""


class ClusterWorld(World):
    """A leader and two more processes."""

    def __init__(self, folder: Path, shipped: Path, database: str) -> None:
        self.members: list[ClusterMember] = []
        self.rng = Random(0)
        super().__init__(folder, shipped, database=database)
        self.members = [self.new_member(), self.new_member()]

    def start(self) -> Coordinator:
        assert self.database is not None
        found: Lease | None = None
        watching = Database.server(self.database)
        if not self.members:
            Coordinator(self.folder, self.shipped, self.settings, SecureSummation, 0.0, self.database).close()  # tables
        while found is None:
            found = Lease.take(watching, SECONDS)
        watching.close()
        self.lease = found
        leader = ClusterLeader(self.folder, self.shipped, self.settings, self.now, self.database, found)
        self.prepare(leader)
        return leader

    def new_member(self) -> ClusterMember:
        return ClusterMember(self.folder, lambda: SETTINGS, self.now, self.database)

    @property
    def desk(self) -> EnrolledDevices:
        process: FederationInView = self.rng.choice([self.coordinator, *self.members])
        return process.devices

    def kill(self) -> None:
        """Kills the leader; another process leads."""
        self.coordinator.store.close()
        self.members.pop().store.close()  # it goes on as the leader
        self.coordinator = self.start()
        self.members.append(self.new_member())

    def kill_member(self, number: int) -> None:
        self.members.pop(number).store.close()

    def close(self) -> None:
        for member in self.members:
            member.close()
        super().close()


@pytest.fixture
def world(tmp_path: Path, tiny_model_folder: Path, new_database: Callable[[], str]) -> Iterator[ClusterWorld]:
    world = ClusterWorld(tmp_path / "coordinator", tiny_model_folder, new_database())
    yield world
    world.close()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("killed", ["the leader", "a member", "both members", "nobody"])
def test_a_round_goes_on_when_processes_are_killed(killed: str, stage: Stage, world: ClusterWorld) -> None:
    world.enrol(6)
    start = world.weights()
    world.coordinator.rounds.schedule(1)
    world.advance(stage)
    if killed == "the leader":
        if stage == Stage.COMMIT:
            world.coordinator.rounds.begin_unmasking()
        world.kill()
        assert world.round.stage == stage
    elif killed != "nobody":
        world.kill_member(0)
        if killed == "both members":
            world.kill_member(0)
    world.finish()
    world.check_models(start)
    assert [row.state for row in world.coordinator.store.rounds()] == ["committed"], "no round was repeated"
    left = [world.coordinator.store.rows(select(table)) for table in (round_events, partial_sums, open_rounds)]
    assert left == [[], [], []], "nothing of a round is kept"


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server for one test, which stops it."""
    with postgres_server(durable=False) as server:
        yield server


def test_rounds_go_on_after_the_database_was_away(
    own_server: PostgresServer, tmp_path: Path, tiny_model_folder: Path
) -> None:
    """It stops at every stage of a round; meanwhile devices ask, and at every other stage the leader is killed as well."""
    world = ClusterWorld(tmp_path / "coordinator", tiny_model_folder, own_server.new_database())
    world.enrol(6)
    start = world.weights()
    for number, stage in enumerate(STAGES):
        world.coordinator.rounds.schedule(1)
        world.advance(stage)
        own_server.stop()
        for device in [*world.devices, *world.devices]:  # any process may be asked
            with suppress(StoreError, MessageRefusedError):
                world.step(device)
        with suppress(StoreError):
            world.work()
        own_server.start()
        if number % 2:
            world.kill()
        # Each has a connection that is lost, and finds that out once.
        for process in (world.coordinator, *world.members):
            with suppress(StoreError):
                process.tick(world.now)
        world.finish()
    world.check_models(start)
    assert [row.state for row in world.coordinator.store.rounds()] == ["committed"] * len(STAGES)
    world.close()


def test_a_request_that_is_repeated_to_another_process_counts_once(world: ClusterWorld) -> None:
    """The answer of the first process was lost, and the device sends the same bytes to the others."""
    world.enrol(6)
    start = world.weights()
    world.coordinator.rounds.schedule(1)
    given = ReplicatedRound.give
    repeated = 0

    def give_to_all(self: ReplicatedRound, stage: Stage, device: str, message: bytes, now: float) -> None:
        nonlocal repeated
        given(self, stage, device, message, now)
        if self._replayed is None:
            for process in (world.coordinator, *world.members):
                with pytest.raises(MessageRefusedError) as refused:
                    process.in_view.tick(now)
                    opened = process.in_view.named(self.name).machine
                    assert isinstance(opened, ReplicatedRound)
                    given(opened, stage, device, message, now)
                assert refused.value.kind in (RefusalKind.REPEATED, RefusalKind.LATE)
                repeated += 1

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ReplicatedRound, "give", give_to_all)
        world.finish()
    world.check_models(start)
    assert repeated >= 3 * 5 * 3
    assert [row.counted for row in world.coordinator.store.rounds()] == [world.settings.rules.target]


@pytest.mark.parametrize("change", ["a plan without a field", "a rule that does not exist", "an unknown event"])
def test_a_round_that_another_version_of_the_coordinator_opened_is_repeated(change: str, world: ClusterWorld) -> None:
    world.enrol(6)
    start = world.weights()
    world.coordinator.rounds.schedule(1)
    world.advance(Stage.SHARES)
    database = world.coordinator.store.database
    row = database.rows(select(open_rounds))[0]
    plan, rules = json.loads(row.plan), json.loads(row.rules)
    if change == "an unknown event":
        database.change(update(round_events).where(round_events.c.place == 1).values(kind="dance"))
    elif change == "a plan without a field":
        del plan["softmax"]
    else:
        rules["patience"] = 1
    database.change(update(open_rounds).values(plan=json.dumps(plan), rules=json.dumps(rules)))
    with pytest.raises(DataError, match=r"another version of the coordinator opened it|update this coordinator"):
        world.new_member()
    world.kill()
    assert world.coordinator.rounds.current is None, "the process leads, and has ended that round"
    assert any("cannot go on with round 1" in line for _, line in world.coordinator.store.events.errors(10))
    world.finish()
    world.check_models(start)
    assert [row.state for row in world.coordinator.store.rounds()] == ["aborted", "committed"]


@pytest.mark.parametrize(("ahead", "said"), [(3_600.0, "3,600 seconds ahead of"), (-3_600.0, "3,600 seconds behind")])
def test_a_process_whose_clock_would_spoil_rounds_does_not_join(
    ahead: float, said: str, world: ClusterWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.coordinator.cluster.serving.steady_time", lambda: time.time() + ahead)
    places = Places(world.folder, None, "127.0.0.1", 0, None, 0, database=world.database)
    with pytest.raises(DataError, match=f"the clock of this machine is {said} that of the database's machine"):
        run_in_cluster(places, {}, 0, 0)


def test_no_process_has_the_sum_of_another(world: ClusterWorld) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.advance(Stage.CONSISTENCY)
    opened = world.coordinator.rounds.open_round
    assert opened is not None and isinstance(opened.machine, ReplicatedRound)
    rows = world.coordinator.store.rows(text("SELECT devices, sum FROM partial_sums"))
    assert len(rows) > 1 and sum(row.devices for row in rows) == len(opened.machine.counted)
    total = opened.machine.shared.partial.of_all()
    parts = [unpack(world.terms.layout, bytes(row.sum)) for row in rows]
    for number, segment in enumerate(world.terms.layout):
        modulus = 2**segment.bits
        assert ((total.vectors[number] - sum(part[number] for part in parts)) % modulus == 0).all()
    world.finish()


@pytest.mark.parametrize("seed", range(2))
def test_processes_are_killed_at_any_statement(seed: int, world: ClusterWorld) -> None:
    world.rng = rng = Random(seed)
    world.enrol(6)
    start = world.weights()
    world.coordinator.rounds.schedule(2)
    kills, spare = 0, list[Callable[[], None]]()
    for _ in range(400):
        victim: FederationInView = rng.choice([world.coordinator, *world.members])
        if kills < 12 and rng.random() < 0.2:
            spare.append(_kill_at(victim, rng.randrange(30)))
        try:
            device = rng.choice(world.devices)
            with suppress(MessageRefusedError):
                world.step(device)
            world.work()
            world.now += 0.2
            if not world.coordinator.store.schedule()[0] and world.coordinator.rounds.current is None:
                break
        except Killed:
            kills += 1
            _replace_dead(world)
    for one in spare:
        one()
    world.finish()
    world.check_models(start)
    assert kills >= 3
    assert sum(row.state == "committed" for row in world.coordinator.store.rounds()) == 2


def _kill_at(process: FederationInView, statements: int) -> Callable[[], None]:
    """Kills a process before the statement that follows this number of them, unless the function is called that is returned."""
    left, engine = [statements], process.store.database.connection.engine

    def count(*_arguments: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            process.store.killed = True  # type: ignore[attr-defined]
            raise Killed

    event.listen(engine, "before_cursor_execute", count)
    return lambda: event.remove(engine, "before_cursor_execute", count)


def _replace_dead(world: ClusterWorld) -> None:
    for number, member in enumerate(world.members):
        if hasattr(member.store, "killed"):
            member.store.close()
            world.members[number] = world.new_member()
    if hasattr(world.coordinator.store, "killed"):
        world.kill()


def test_a_process_that_slept_through_the_end_of_its_lease_changes_nothing(world: ClusterWorld) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.advance(Stage.REPORTING)
    slept, world.members = world.coordinator, [*world.members, world.new_member()]
    world.members.pop().store.close()
    world.coordinator = world.start()
    with pytest.raises(LeaseLostError):
        slept.rounds.stop(world.now)
    with pytest.raises(LeaseLostError):
        slept.store.events.add_error("it thinks that it leads", world.now)
    slept.store.close()
    assert world.lease.renew(world.coordinator.store.database)
    world.finish()
    assert [row.state for row in world.coordinator.store.rounds()] == ["committed"]


def test_a_message_that_is_refused_by_one_process_is_known_to_all(world: ClusterWorld) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.advance(Stage.REPORTING)
    device = world.devices[-1]
    assert not world.round.gave(device.name)
    with pytest.raises(MessageRefusedError) as refused:
        world.members[0].devices.give(device.name, device.round_name, Stage.REPORTING, b"no update", world.now)
    assert refused.value.kind == RefusalKind.INVALID
    world.now += 2 * 10
    world.coordinator.tick(world.now)
    assert world.coordinator.rounds.conduct.left_out(device.name, world.now) is not None
    world.members[1].tick(world.now)
    assert world.members[1].in_view.conduct.left_out(device.name, world.now) is not None
    world.finish()


def test_a_lease_is_taken_once_until_it_ends(
    new_database: Callable[[], str], tiny_model_folder: Path, tmp_path: Path
) -> None:
    url = new_database()
    with pytest.raises(DataError, match="has not begun yet"):
        ClusterMember(tmp_path / "coordinator", lambda: SETTINGS, 0.0, url)
    database = Database.server(url)
    first = Lease.take(database, 60.0)
    assert first is not None and Lease.take(database, 60.0) is None
    first.end(database)
    second = Lease.take(database, 60.0)
    assert second is not None and second.token == first.token + 1
    assert not first.renew(database) and second.renew(database)
    database.close()
