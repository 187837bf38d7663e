"""Keyboards in word discoveries: which words leave them, how often, and what they refuse."""

import json
import secrets
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from federation.coordinator.round_machine import Round, Stage
from federation.coordinator.rounds import OpenRound
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.words.discovery_store import FOUND, DiscoveryTerms
from federation.protocol.api_messages import COUNTED, NOT_COUNTED
from federation.protocol.discovery.round_plans import (
    COUNT,
    REVEAL,
    CountPlan,
    RevealPlan,
    WordPlan,
    most_published,
    packed_buckets,
)
from federation.protocol.discovery.word_counts import CountTerms, bucket_of
from federation.protocol.secure_aggregation.modular_vectors import unpack
from keyboard_app.federating.membership import SharedUpdate
from tests.keyboard_app.federating.in_process import Coordinator, Keyboard

NEW = ["byu", "provo", "semester"]
TERMS = DiscoveryTerms(3, counts=CountTerms(2**12))


def own(number: int) -> str:
    return f"{'abc'[number]}zorp"


@pytest.fixture
def keyboards(coordinator: Coordinator, tmp_path: Path) -> list[Keyboard]:
    """All three have the first two new words, and each has one of its own."""
    made = [Keyboard(coordinator, tmp_path / str(n), n, secrets.randbits) for n in range(3)]
    for number, keyboard in enumerate(made):
        keyboard.texts = [*keyboard.texts, f"i think {NEW[0]} is {NEW[1]}.", f"i think {own(number)} is."]
    return made


def discover(coordinator: Coordinator, keyboards: list[Keyboard], turns: int = 60, start: bool = True) -> None:
    """Runs a discovery to its end."""
    world = coordinator.world
    if start:
        world.coordinator.rounds.discover_words(TERMS, world.now)
    for _ in range(turns):
        if world.coordinator.rounds.discoveries.current is None:
            break
        for keyboard in keyboards:
            keyboard.turn()
        world.work()
        world.now += 1
    for keyboard in keyboards:  # they hear the outcome
        keyboard.turn()
    assert world.coordinator.rounds.discoveries.current is None


def found(coordinator: Coordinator) -> dict[str, int]:
    newest = coordinator.world.coordinator.rounds.discoveries.newest
    assert newest is not None and newest.state == FOUND
    return {word.word: word.devices for word in newest.words}


def offers(keyboard: Keyboard) -> list[tuple[str, tuple[str, ...], str]]:
    return [
        (one.offered.kind, tuple(sorted(one.offered.words)), one.outcome)
        for one in keyboard.membership.shared()
        if one.offered is not None
    ]


def advance(coordinator: Coordinator, keyboards: list[Keyboard], stage: Stage) -> OpenRound:
    """Takes turns until the round is at a stage."""
    world = coordinator.world
    for _ in range(60):
        for keyboard in keyboards:
            opened = world.coordinator.rounds.open_round
            if opened is not None and opened.machine.stage == stage:
                return opened
            keyboard.turn()
        world.coordinator.tick(world.now)
        world.now += 1
    raise AssertionError(f"the round never reached {stage}")


def test_keyboards_find_the_words_that_all_have_and_list_the_words_that_left(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    discover(coordinator, keyboards)
    assert found(coordinator) == {"byu": 3, "provo": 3}
    for number, keyboard in enumerate(keyboards):
        first, second = offers(keyboard)
        assert first == (COUNT, tuple(sorted(["byu", "provo", own(number)])), COUNTED)
        assert second == (REVEAL, ("byu", "provo"), COUNTED)
        assert keyboard.membership.history().questions() == []
    content = (keyboards[0].folder / "federation.sqlite").read_bytes()
    assert not any(word.encode() in content for word in (*NEW, own(0))), "the record is encrypted"


def test_a_word_is_offered_once_for_a_vocabulary_also_after_a_restart(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    discover(coordinator, keyboards)
    for keyboard in keyboards:
        keyboard.restart()
        keyboard.texts.append(f"i think {NEW[2]} is {NEW[0]}")
    discover(coordinator, keyboards)
    assert found(coordinator) == {"semester": 3}
    assert [offers(keyboard)[2][1] for keyboard in keyboards] == [("semester",)] * 3
    assert keyboards[0].membership.word_record().used("0" * 64) == frozenset(), "another vocabulary begins anew"


def test_a_keyboard_without_new_words_takes_part_with_zeros_and_one_that_shares_none_does_not(
    coordinator: Coordinator, keyboards: list[Keyboard], tmp_path: Path
) -> None:
    nothing = Keyboard(coordinator, tmp_path / "nothing", 7, secrets.randbits)
    discover(coordinator, [*keyboards, nothing])
    assert found(coordinator) == {"byu": 3, "provo": 3}
    assert [(kind, words) for kind, words, _ in offers(nothing)] == [(COUNT, ()), (REVEAL, ())]
    sizes = {one.bytes for keyboard in (*keyboards, nothing) for one in keyboard.membership.shared()}
    assert len(sizes) == 2, "one for each round: the size says nothing about the words"
    nothing.shares = False
    nothing.texts.append("wonderwall is snazzle")
    for keyboard in keyboards:
        keyboard.texts.append("wonderwall is snazzle")
    discover(coordinator, [*keyboards, nothing])
    assert found(coordinator) == {"snazzle": 3, "wonderwall": 3} and len(offers(nothing)) == 2


def test_words_of_messages_that_were_deleted_between_the_rounds_are_not_revealed(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    world = coordinator.world
    world.coordinator.rounds.discover_words(TERMS, world.now)
    for _ in range(40):
        newest = world.coordinator.rounds.discoveries.newest
        if newest is not None and newest.state == REVEAL:
            break
        for keyboard in keyboards:
            keyboard.turn()
        world.work()
        world.now += 1
    keyboards[0].texts = [text.replace("provo", "byu") for text in keyboards[0].texts]
    discover(coordinator, keyboards, start=False)
    assert offers(keyboards[0])[1] == (REVEAL, ("byu",), COUNTED)
    assert found(coordinator) == {"byu": 3}


def test_a_round_that_ended_before_shares_were_given_is_repeated_with_the_same_words(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    world = coordinator.world
    world.coordinator.rounds.discover_words(TERMS, world.now)
    for stage in (Stage.CONSISTENCY, Stage.UNMASKING):
        advance(coordinator, keyboards, stage)
        coordinator.kill()
        for keyboard in keyboards:
            keyboard.connect()
            keyboard.turn()
    discover(coordinator, keyboards, start=False)
    assert found(coordinator) == {"byu": 3, "provo": 3}
    for number, keyboard in enumerate(keyboards):
        words = tuple(sorted(["byu", "provo", own(number)]))
        assert offers(keyboard)[:3] == [(COUNT, words, NOT_COUNTED)] * 2 + [(COUNT, words, COUNTED)]


def lose_sum(coordinator: Coordinator, keyboards: list[Keyboard]) -> np.ndarray:
    """Runs the first round of a discovery until its sum is known, and has it fail; returns the counts."""
    world = coordinator.world
    world.coordinator.rounds.discover_words(TERMS, world.now)
    opened = advance(coordinator, keyboards, Stage.COMMIT)
    world.unmask()
    summed = world.coordinator.rounds.summed()
    assert summed is not None and isinstance(opened.plan, CountPlan)
    world.coordinator.rounds.fail("the sum is said to be lost", world.now)
    for keyboard in keyboards:
        keyboard.turn()
        keyboard.turn()
    (counts,) = unpack(opened.plan.layout, summed.total)
    return counts


def test_a_coordinator_that_says_that_sums_were_lost_gets_three_of_them_each_over_other_words(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    """The second and third leave each word out with a probability of one half: their difference is no keyboard's words."""
    for keyboard in keyboards:
        keyboard.texts += [f"i think wa{a}{b}so is" for a in "abcdefgh" for b in "aeiou"]
    sums = [lose_sum(coordinator, keyboards) for _ in range(4)]
    words = [[set(words) for _, words, _ in offers(keyboard)] for keyboard in keyboards]
    for offered in words:
        assert len(offered) == 4
        first, second, third, fourth = offered
        assert len(first) == 43 and second < first and third < first and second != third
        assert 8 < len(second) < 35 and 8 < len(third) < 35
        assert fourth == first - {w for w in first if w in second and w in third} or fourth < first
        assert not any(sum(word in one for one in offered) > 3 for word in first), "three sums at most"
    assert words[0][1] != words[1][1] != words[2][1]
    assert 3 * 38 <= int(sums[0].sum()) <= 3 * 43, "words of one keyboard may share a bucket"


def changed(opened: OpenRound, coordinator: Coordinator, plan: WordPlan) -> OpenRound:
    """Replaces the plan of a round that has just opened."""
    world = coordinator.world
    rules = world.coordinator.rounds.settings.rules
    machine = Round(plan.round_name, rules, SecureSummation(plan, rules), world.now)
    world.coordinator.rounds.open_round = OpenRound(opened.number, plan, machine)
    return opened


def reveal_again(coordinator: Coordinator, keyboards: list[Keyboard], plan: RevealPlan) -> list[str]:
    """Opens another second round by a plan of the coordinator's choice; returns what the keyboards say."""
    world = coordinator.world
    world.coordinator.rounds.discover_words(TERMS, world.now)
    opened = world.coordinator.rounds.open_round
    assert opened is not None
    before = [len(keyboard.lines) for keyboard in keyboards]
    changed(opened, coordinator, replace(plan, round_name=opened.plan.round_name))
    for _ in range(12):
        for keyboard in keyboards:
            keyboard.turn()
        world.coordinator.tick(world.now)
        world.now += 1
    world.coordinator.rounds.stop(world.now)
    if world.coordinator.rounds.open_round is not None:
        world.coordinator.rounds.fail("its sum is not wanted", world.now)
    for keyboard in keyboards:
        keyboard.turn()
    return [line for keyboard, lines in zip(keyboards, before, strict=True) for line in keyboard.lines[lines:]]


def test_a_keyboard_reveals_the_words_of_a_first_round_once_and_for_one_list_of_buckets(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    discover(coordinator, keyboards)
    plan = coordinator.world.coordinator.rounds.discoveries.plan_of(2)
    assert isinstance(plan, RevealPlan)
    for keyboard in keyboards:
        keyboard.restart()
    reveal_again(coordinator, keyboards, plan)
    assert all(offers(keyboard)[2][:2] == (REVEAL, ()) for keyboard in keyboards), "zeros"
    own_words = [bucket_of(own(number), plan.counts) for number in range(3)]
    other = replace(plan, published=packed_buckets({*plan.buckets, *own_words}))
    lines = reveal_again(coordinator, keyboards, other)
    assert sum("asks for the words of other buckets than before" in line for line in lines) == 3
    terms = replace(plan, counts=replace(plan.counts, seed=plan.counts.seed ^ 1))
    lines = reveal_again(coordinator, keyboards, terms)
    assert sum("other terms of the first round than it did then" in line for line in lines) == 3
    unknown = replace(plan, counted_in="abcd", published=packed_buckets(own_words))
    reveal_again(coordinator, keyboards, unknown)
    revealed = {word for k in keyboards for kind, words, _ in offers(k) if kind == REVEAL for word in words}
    assert revealed == {"byu", "provo"}


def test_a_list_of_too_many_buckets_is_refused_and_costs_nothing_but_the_round(
    coordinator: Coordinator, keyboards: list[Keyboard]
) -> None:
    discover(coordinator, keyboards)
    discoveries = coordinator.world.coordinator.rounds.discoveries
    plan = discoveries.plan_of(2)
    assert isinstance(plan, RevealPlan)
    most = most_published(plan.counts)
    accepted = replace(plan, published=packed_buckets(range(most)))
    too_many = packed_buckets(range(most + 1))
    before = [offers(keyboard) for keyboard in keyboards]
    world = coordinator.world
    world.coordinator.rounds.discover_words(TERMS, world.now)
    opened = world.coordinator.rounds.open_round
    assert opened is not None

    # A plan that this program would not make.
    content = accepted.to_content() | {"round_name": opened.plan.round_name, "published": too_many}
    answer = json.dumps(content).encode()
    for keyboard in keyboards:
        call = keyboard.client._call
        keyboard.client._call = (  # type: ignore[method-assign]
            lambda method, path, *rest, _call=call, **options: (
                answer if path.endswith("/plan") else _call(method, path, *rest, **options)
            )
        )
    advance(coordinator, keyboards, Stage.KEYS)
    lines = [keyboard.turn() or keyboard.lines[-1] for keyboard in keyboards]
    assert all(f"{most + 1:,} of {plan.counts.buckets:,} buckets are published" in line for line in lines), lines
    assert all(len(line) < 300 for line in lines)
    assert [offers(keyboard) for keyboard in keyboards] == before
    world.coordinator.rounds.stop(world.now)
    for keyboard in keyboards:
        keyboard.restart()
        keyboard.texts.append("i think snazzle is")
    discover(coordinator, keyboards)
    assert found(coordinator) == {"snazzle": 3}


def test_offered_words_do_not_count_as_updates_on_a_model(coordinator: Coordinator, keyboards: list[Keyboard]) -> None:
    discover(coordinator, keyboards)
    history, model = keyboards[0].membership.history(), coordinator.world.coordinator.rounds.model_digest
    shared: list[SharedUpdate] = keyboards[0].membership.shared()
    assert {one.model for one in shared} == {model} and history.updates(model) == 0
