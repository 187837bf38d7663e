"""A coordinator that compares sums over one model with and without a keyboard, or returns to an older model."""

import secrets
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from data.generators import result_of
from federation.coordinator.round_machine import Stage
from federation.protocol.secure_aggregation.modular_vectors import unpack
from keyboard_app.federating import headless
from keyboard_app.federating.model_history import AGAIN, OLDER, UPDATES_PER_MODEL
from keyboard_app.federating.round_training import learn
from model.device.folder import WEIGHTS
from model.device.weights import digest, save_weights
from tests.keyboard_app.federating.in_process import HOW, Coordinator, Keyboard

SEED, DRAWN = 1, 7


@pytest.fixture
def keyboards(coordinator: Coordinator, tmp_path: Path) -> list[Keyboard]:
    """The last one is the victim. Its draws are known, so that the test knows its update."""
    draws = [*[secrets.randbits] * 3, lambda _bits: DRAWN]
    return [Keyboard(coordinator, tmp_path / str(n), n, draw) for n, draw in enumerate(draws)]


def run(
    coordinator: Coordinator, keyboards: list[Keyboard], until: Stage = Stage.COMMIT, **plan: object
) -> bytes | None:
    """Opens a round and lets keyboards take turns; returns the sum, of which no model is made, or None without one."""
    world, opened = coordinator.world, coordinator.open(seed=SEED, **plan)
    for _ in range(30):
        for keyboard in keyboards:
            keyboard.turn()
            if opened.machine.stage == until != Stage.COMMIT:
                world.coordinator.rounds.stop(world.now)
                return None
        if opened.machine.stage == Stage.COMMIT:
            world.unmask()
            summed = world.coordinator.rounds.summed()
            assert summed is not None
            world.coordinator.rounds.fail("no model is wanted", world.now)
            return summed.total
        if opened.machine.over:
            return None
        world.now += 1
        world.coordinator.tick(world.now)
    raise AssertionError("the round does not end")


def commit(coordinator: Coordinator, keyboards: list[Keyboard]) -> None:
    coordinator.world.coordinator.rounds.schedule(1)
    for _ in range(40):
        for keyboard in keyboards:
            keyboard.turn()
        coordinator.world.work()
        coordinator.world.now += 1
        if not coordinator.world.coordinator.store.schedule()[0]:
            break
    for keyboard in keyboards:
        keyboard.turn()  # hears the outcome
        keyboard.turn()  # installs the model
        assert digest(keyboard.model.weights) == coordinator.world.coordinator.rounds.model_digest


def test_the_difference_of_two_sums_is_not_the_update_of_the_keyboard_that_is_in_one_of_them(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    """With the coordinator's seed alone it would be, up to the rounding, of less than a hundredth."""
    victim, terms = keyboards[-1], coordinator.world.terms
    learned = result_of(learn(victim.model, victim.messages(victim.model), HOW, (SEED, DRAWN)))
    update = terms.encoding.decode(terms.contribution(learned, np.random.default_rng(DRAWN))[0])
    sums = [run(coordinator, who) for who in (keyboards, keyboards[:-1], keyboards[:-1])]
    decoded = [terms.encoding.decode(unpack(terms.layout, total)[0]) for total in sums if total is not None]
    assert len(decoded) == 3 and len(victim.membership.shared()) == 1
    with_one, *without = decoded
    for others in (without[0], np.mean(without, axis=0)):
        assert np.linalg.norm(with_one - others - update) > 0.15 * np.linalg.norm(update)


def test_a_keyboard_gives_three_updates_on_one_model_and_then_asks_its_person(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    three = keyboards[:3]
    assert all(run(coordinator, three) for _ in range(UPDATES_PER_MODEL))
    assert run(coordinator, three) is None
    asked = [keyboard.membership.history().questions() for keyboard in three]
    assert [[question.kind for question in questions] for questions in asked] == [[AGAIN]] * 3
    assert "gives at most 3 on one model unless you say yes" in three[0].lines[-1]
    for keyboard in three:  # after a restart as before, and even if they leave and join again
        keyboard.restart()
    headless.answer(three[0].membership, yes=False)
    three[1].membership.leave()
    three[1].join()
    assert run(coordinator, three) is None
    assert [len(keyboard.membership.shared()) for keyboard in three] == [UPDATES_PER_MODEL] * 3
    assert three[0].participant.question is not None and three[2].participant.question is not None
    for keyboard in three:
        headless.answer(keyboard.membership, yes=True)
    assert run(coordinator, three) and run(coordinator, three)
    with pytest.raises(DataError, match="no question"):
        headless.answer(three[0].membership, yes=True)


def test_rounds_that_end_before_the_masked_input_can_be_repeated(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    for stage in (Stage.SHARES, Stage.REPORTING) * UPDATES_PER_MODEL:
        assert run(coordinator, keyboards, until=stage) is None
    assert run(coordinator, keyboards)


def test_a_keyboard_gives_one_update_in_a_round_of_one_name(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    """Else its record would show one, and count one."""
    assert run(coordinator, keyboards[:3], round_name="abcd")
    for keyboard in keyboards:
        keyboard.turn()  # hears that the round is over
    assert run(coordinator, keyboards[:3], round_name="abcd") is None
    assert "already given an update in round abcd" in " ".join(keyboards[0].lines)


@pytest.mark.parametrize("met", [True, False])
def test_a_keyboard_never_returns_to_an_older_model_without_its_persons_word(
    met: bool, coordinator: Coordinator, keyboards: list[Keyboard], tmp_path: Path
) -> None:
    rounds, three = coordinator.world.coordinator.rounds, keyboards[:3]
    first = rounds.model
    commit(coordinator, three)
    commit(coordinator, three)
    newest = digest(three[0].model.weights)
    if met:  # the same weights, whatever round the coordinator says they are of
        older = replace(first, provenance=replace(first.provenance, round=99))
    else:  # weights that no keyboard has met, of an earlier round
        weights = {name: array + np.float32(1e-3) for name, array in first.weights.items()}
        older = replace(first, weights=weights, provenance=replace(first.provenance, round=1))
    rounds.model, rounds.model_digest = older, digest(older.weights)
    for keyboard in three:
        keyboard.restart()
    save_weights(rounds.newest_folder / WEIGHTS, older.weights, older.provenance)
    for _ in range(2):
        assert run(coordinator, three) is None
        assert all(digest(keyboard.model.weights) == newest for keyboard in three)
        assert [[q.kind for q in k.membership.history().questions()] for k in three] == [[OLDER]] * 3
        for keyboard in three:
            keyboard.restart()
    assert [len(keyboard.membership.shared()) for keyboard in three] == [2] * 3
    assert any("does not go back unless you say yes" in line for line in three[0].lines)
    for keyboard in three:
        headless.answer(keyboard.membership, yes=True)
    assert run(coordinator, three)
    assert all(digest(keyboard.model.weights) == rounds.model_digest for keyboard in three)
