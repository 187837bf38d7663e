"""What a keyboard says became of its updates is what the coordinator's store says, whoever is killed, and when."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation.coordinator.round_machine import Stage
from federation.protocol.api_messages import COUNTED, NOT_COUNTED, UNKNOWN
from keyboard_app.federating import headless
from keyboard_app.federating.client import RefusedError, UnreachableError
from tests.keyboard_app.federating.in_process import Coordinator, Keyboard


class Killed(BaseException):
    """In a test, the process is killed here."""


@pytest.fixture
def coordinator(tmp_path: Path, small_model_folder: Path) -> Iterator[Coordinator]:
    coordinator = Coordinator(tmp_path / "coordinator", small_model_folder)
    coordinator.simulate(3)
    yield coordinator
    coordinator.close()


@pytest.fixture
def keyboard(coordinator: Coordinator, tmp_path: Path) -> Keyboard:
    return Keyboard(coordinator, tmp_path / "keyboard", 0, lambda _bits: 7)


def truth(coordinator: Coordinator, keyboard: Keyboard) -> dict[str, str]:
    """Returns the outcomes by the coordinator's store."""
    store = coordinator.world.coordinator.store
    return {
        row.name: COUNTED if row.state == "committed" and keyboard.name in store.counted(row.number) else NOT_COUNTED
        for row in store.rounds()
    }


def check_record(coordinator: Coordinator, keyboard: Keyboard) -> list[str]:
    """Checks the record once there is nothing left to wait for; returns its outcomes."""
    for _ in range(3):
        keyboard.turn()
    expected = truth(coordinator, keyboard)
    shared = keyboard.membership.shared()
    assert [one.outcome for one in shared] == [expected[one.round_name] for one in shared]
    return [one.outcome for one in shared]


class Kill:
    """Kills a keyboard's process at one point: before a request, between its arrival and its answer, or in a transaction."""

    def __init__(self, keyboard: Keyboard, point: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self.happened = point, False
        send = keyboard.client._send

        def sending(*arguments):
            self.point()
            answer = send(*arguments)
            self.point()
            return answer

        monkeypatch.setattr(keyboard.client, "_send", sending)
        insert = keyboard.membership.sent

        def recording(*arguments):
            self.point()
            insert(*arguments)
            self.point()

        monkeypatch.setattr(keyboard.membership, "sent", recording)

    def point(self) -> None:
        self.left -= 1
        if self.left < 0 and not self.happened:
            self.happened = True
            raise Killed


def run_round(coordinator: Coordinator, keyboard: Keyboard) -> None:
    """Continues until a round is committed. The keyboard is the last to take a turn, so the sum may not need its shares."""
    world = coordinator.world
    world.coordinator.rounds.schedule(1)
    for _ in range(60):
        for device in coordinator.devices:
            world.step(device)
        try:
            keyboard.turn()
        except Killed:
            keyboard.restart()
        world.work()
        world.now += 1
        if world.coordinator.store.schedule()[0] == 0 and world.coordinator.rounds.current is None:
            return
    raise AssertionError("no round was committed")


def test_a_keyboard_is_killed_at_each_point_of_a_round(
    coordinator: Coordinator, keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[str] = []
    for point in itertools.count():
        kill = Kill(keyboard, point, monkeypatch)
        run_round(coordinator, keyboard)
        killed, kill.happened = kill.happened, True  # no later
        outcomes = check_record(coordinator, keyboard)
        if not killed:
            break
    assert point > 15 and {COUNTED, NOT_COUNTED} == set(outcomes)


def before_unmasking(coordinator: Coordinator) -> None:
    """Does nothing: the shares are there, and the sum is not."""


def while_unmasking(coordinator: Coordinator) -> None:
    coordinator.world.coordinator.rounds.begin_unmasking()


def before_the_model(coordinator: Coordinator) -> None:
    coordinator.world.unmask()


def before_the_commit(coordinator: Coordinator) -> None:
    before_the_model(coordinator)
    summed = coordinator.world.coordinator.rounds.summed()
    assert summed is not None
    coordinator.world.learn(summed.number, summed.total)


def after_the_commit(coordinator: Coordinator) -> None:
    coordinator.world.work()


MOMENTS = (before_unmasking, while_unmasking, before_the_model, before_the_commit, after_the_commit)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_coordinator_takes_long_or_is_killed_around_its_commit(
    moment: Callable[[Coordinator], None], coordinator: Coordinator, keyboard: Keyboard
) -> None:
    world = coordinator.world
    for coordinator_dies, keyboard_dies in itertools.product((False, True), repeat=2):
        world.coordinator.rounds.schedule(1)
        opened = None
        for _ in range(30):
            for device in coordinator.devices:
                world.step(device)
            current = world.coordinator.rounds.current
            if current is not None and current.stage == Stage.COMMIT:
                break
            keyboard.turn()
            world.coordinator.tick(world.now)
            world.prepare(world.coordinator)
        opened = world.coordinator.rounds.open_round
        assert opened is not None and keyboard.name in opened.machine.counted
        moment(coordinator)
        for _ in range(3):  # the keyboard asks again and again: there is no answer yet
            keyboard.turn()
        outcome = {one.round_name: one.outcome for one in keyboard.membership.shared()}[opened.plan.round_name]
        assert outcome == (COUNTED if moment == after_the_commit else "sent")
        if keyboard_dies:
            keyboard.restart()
        if coordinator_dies:
            coordinator.kill()
            for device in coordinator.devices:
                device.forget()
            keyboard.connect()
        run_round(coordinator, keyboard)
        check_record(coordinator, keyboard)


def test_an_update_without_an_answer_is_unknown_once_nobody_can_be_asked(
    coordinator: Coordinator, keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    membership = keyboard.membership
    membership.sent("https://coordinator", "0123", "a model", 10, 1_000, clipped=False)
    check = [one.outcome for one in membership.shared()]
    keyboard.turn()  # a coordinator restored from a backup does not know that round
    assert (check, [one.outcome for one in membership.shared()]) == (["sent"], [UNKNOWN])
    membership.sent("https://coordinator", "4567", "a model", 10, 1_000, clipped=False)

    def nobody(*_: object) -> None:
        raise UnreachableError("nobody answers")

    monkeypatch.setattr(keyboard.client, "_send", nobody)
    with pytest.raises(UnreachableError):
        keyboard.turn()
    assert [one.outcome for one in membership.shared()] == [UNKNOWN, "sent"]
    assert "could not be told" in headless.leave(membership)
    assert [one.outcome for one in membership.shared()] == [UNKNOWN, UNKNOWN]


def test_outcomes_stay_unknown_once_the_owner_has_removed_the_keyboard(
    coordinator: Coordinator, keyboard: Keyboard
) -> None:
    keyboard.membership.sent("https://coordinator", "0123", "a model", 10, 1_000, clipped=False)
    coordinator.world.coordinator.devices.leave(keyboard.name, coordinator.world.now, removed=True)
    with pytest.raises(RefusedError, match="this federation removed this keyboard"):
        keyboard.turn()
    assert [one.outcome for one in keyboard.membership.shared()] == [UNKNOWN]
