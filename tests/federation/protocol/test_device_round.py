"""A device makes each message of a round once, in order, and repeats its bytes; it reveals once."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.api_messages import CONSISTENCY, KEYS, REPORTING, SHARES, UNMASKING
from federation.protocol.device_round import DeviceRound
from federation.protocol.secure_aggregation import server, sharing, unmasking
from federation.protocol.secure_aggregation.keys import device_id, sign_survivors, survivors_digest
from federation.protocol.secure_aggregation.messages import (
    Advert,
    Confirmation,
    Confirmations,
    Confirmer,
    Delivery,
    MaskedInput,
    Neighbourhood,
    Reveal,
    SecureRound,
    Shares,
    Survivor,
    Survivors,
)
from federation.protocol.secure_aggregation.modular_vectors import Segment, UnsignedArray
from federation.protocol.secure_aggregation.neighbours import Assumptions
from federation.protocol.secure_aggregation.states import SecureSum

STAGES = (KEYS, SHARES, REPORTING, CONSISTENCY, UNMASKING)
ROUND = SecureRound("r", "model", (Segment(5, 16), Segment(2, 40)), "terms")
DEVICES = 4


def device_round(number: int) -> DeviceRound:
    """Returns a device that draws the same keys each time, so that it can be started again in the same round."""
    identity = Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32)
    return DeviceRound(ROUND, identity, np.random.default_rng(number).bytes)


def vectors_of(number: int) -> list[UnsignedArray]:
    rng = np.random.default_rng(number)
    return [rng.integers(0, 2**s.bits, s.length, np.uint64).astype(s.dtype) for s in ROUND.layout]


class Recorded:
    """A round of four devices; each message is requested `times` times. The first device's inputs and messages are kept."""

    def __init__(self, times: int = 1) -> None:
        self.needed: dict[str, bytes] = {KEYS: b""}
        self.given: dict[str, bytes] = {}
        self._times = times
        self._rounds = [device_round(number) for number in range(DEVICES)]
        self._names = [device_id(r._identity) for r in self._rounds]

        advertising = server.open_round(ROUND, self._names)
        for data in self._answers(KEYS, dict.fromkeys(self._names, b"")):
            advertising = server.receive_advert(advertising, Advert.from_bytes(data))
        shares, neighbourhoods = server.close_adverts(advertising, Assumptions(), seed=1)
        for data in self._answers(SHARES, {d: m.to_bytes() for d, m in neighbourhoods.items()}):
            shares = server.receive_shares(shares, Shares.from_bytes(data))
        collecting, deliveries = server.close_shares(shares)
        for data in self._answers(REPORTING, {d: m.to_bytes() for d, m in deliveries.items()}):
            collecting = server.receive_masked(collecting, MaskedInput.from_bytes(data))
        confirming, survivors = server.close_masked(collecting)
        for data in self._answers(CONSISTENCY, {d: m.to_bytes() for d, m in survivors.items()}):
            confirming = server.receive_confirmation(confirming, Confirmation.from_bytes(data))
        opening, confirmations = server.close_confirmations(confirming)
        for data in self._answers(UNMASKING, {d: m.to_bytes() for d, m in confirmations.items()}):
            opening = unmasking.receive_reveal(opening, Reveal.from_bytes(data))
        self.result: SecureSum = unmasking.finish(opening)

    def _answers(self, stage: str, needed: dict[bytes, bytes]) -> list[bytes]:
        answers = []
        for number, (name, device) in enumerate(zip(self._names, self._rounds, strict=True)):
            vectors = partial(vectors_of, number)
            asked = [device.message(stage, needed[name], vectors) for _ in range(self._times)]
            assert set(asked) == {asked[0]}
            answers.append(asked[0])
        self.needed[stage], self.given[stage] = needed[self._names[0]], answers[0]
        return answers


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded()


class Vectors:
    """Computes the first device's vectors; counts the calls, and fails in the first `failures` ones."""

    def __init__(self, failures: int = 0) -> None:
        self.calls, self._failures = 0, failures

    def __call__(self) -> Sequence[UnsignedArray]:
        self.calls += 1
        if self.calls <= self._failures:
            raise InterruptedError("the device is in use")
        return vectors_of(0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STAGES), st.sampled_from([*STAGES, "noise"])), max_size=14))
def test_a_message_is_made_once_in_order_and_repeated_as_the_same_bytes(
    recorded: Recorded, requests: list[tuple[str, str]]
) -> None:
    """Whichever stage the coordinator requests, and whichever message it sends with the request."""
    device, vectors, done = device_round(0), Vectors(), 0
    for stage, sent in requests:
        needed = b"noise" if sent == "noise" else recorded.needed[sent]
        number = STAGES.index(stage)
        assert device.has(stage) == (number < done)
        if number < done or (number == done and (stage == KEYS or sent == stage)):
            device.check(stage, needed)
            assert device.message(stage, needed, vectors) == recorded.given[stage]
            done = max(done, number + 1)
        else:
            with pytest.raises(DataError):
                device.check(stage, needed)
            with pytest.raises(DataError):
                device.message(stage, needed, vectors)
    assert vectors.calls == (1 if done > STAGES.index(REPORTING) else 0)


@settings(deadline=None)
@given(st.sets(st.integers(1, 3), min_size=2), st.lists(st.sets(st.integers(0, 3)), max_size=4))
def test_a_device_confirms_and_reveals_once_whichever_survivors_are_named(
    recorded: Recorded, first: set[int], later: list[set[int]]
) -> None:
    """The first device, by number 0, is told lists of the others, which confirm the first of these lists."""
    device = advanced_to(CONSISTENCY, recorded)
    keys = [Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32) for number in range(DEVICES)]
    everyone = Survivors.from_bytes(recorded.needed[CONSISTENCY])

    def survivors(which: set[int]) -> bytes:
        return replace(everyone, survivors=tuple(Survivor(device_id(keys[n])) for n in sorted(which))).to_bytes()

    signed = device.message(CONSISTENCY, survivors(first | {0}), Vectors())
    digest = survivors_digest([device_id(keys[n]) for n in first | {0}])

    def confirmations(which: set[int]) -> bytes:
        told = [Confirmer(device_id(keys[n]), sign_survivors(keys[n], ROUND.context, digest)) for n in sorted(which)]
        return Confirmations(ROUND.context, device_id(keys[0]), tuple(told)).to_bytes()

    for wrong in (set[int](), {0}, {0, 1, 2, 3}, {min(first)}):
        with pytest.raises(DataError):
            device.message(UNMASKING, confirmations(wrong), Vectors())
    revealed = device.message(UNMASKING, confirmations(first), Vectors())
    kinds = {share.device: share.kind for share in Reveal.from_bytes(revealed).shares}
    assert len(kinds) == len(Reveal.from_bytes(revealed).shares) == 3, "one share of each neighbour"
    for number in range(1, DEVICES):
        assert kinds[device_id(keys[number])] == (sharing.SELF if number in first else sharing.KEY)
    for other in later:
        assert device.message(CONSISTENCY, survivors(other), Vectors()) == signed
        assert device.message(UNMASKING, confirmations(other), Vectors()) == revealed


def advanced_to(stage: str, recorded: Recorded) -> DeviceRound:
    """Returns the first device, with the messages of all stages before this one made."""
    device = device_round(0)
    for earlier in STAGES[: STAGES.index(stage)]:
        device.message(earlier, recorded.needed[earlier], Vectors())
    return device


@given(st.integers(1, 3))
def test_interrupted_training_changes_nothing(recorded: Recorded, failures: int) -> None:
    device, vectors = advanced_to(REPORTING, recorded), Vectors(failures)
    for _ in range(failures):
        with pytest.raises(InterruptedError):
            device.message(REPORTING, recorded.needed[REPORTING], vectors)
        assert not device.has(REPORTING)
    for _ in range(2):
        assert device.message(REPORTING, recorded.needed[REPORTING], vectors) == recorded.given[REPORTING]
    assert vectors.calls == failures + 1


def test_vectors_of_another_layout_change_nothing(recorded: Recorded) -> None:
    device = advanced_to(REPORTING, recorded)
    with pytest.raises(DataError, match="this round sums"):
        device.message(REPORTING, recorded.needed[REPORTING], lambda: vectors_of(0)[:1])
    assert device.message(REPORTING, recorded.needed[REPORTING], Vectors()) == recorded.given[REPORTING]


@pytest.mark.parametrize(
    ("stage", "kind"),
    [(SHARES, Neighbourhood), (REPORTING, Delivery), (CONSISTENCY, Survivors), (UNMASKING, Confirmations)],
)
def test_a_message_for_another_round_or_device_changes_nothing(
    recorded: Recorded, stage: str, kind: type[Neighbourhood] | type[Delivery] | type[Survivors] | type[Confirmations]
) -> None:
    device, vectors = advanced_to(stage, recorded), Vectors()
    right = kind.from_bytes(recorded.needed[stage])
    for wrong, reason in (
        (replace(right, context=bytes(32)), "another round"),
        (replace(right, device=bytes(32)), "another device"),
    ):
        with pytest.raises(DataError, match=reason):
            device.check(stage, wrong.to_bytes())
        with pytest.raises(DataError, match=reason):
            device.message(stage, wrong.to_bytes(), vectors)
    assert vectors.calls == 0, "a device does not train for a message that it refuses"
    assert device.message(stage, recorded.needed[stage], vectors) == recorded.given[stage]


def test_a_stage_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DataError, match="update it"):
        device_round(0).message("baking", b"", Vectors())


@pytest.mark.parametrize("times", [1, 3])
def test_repeated_requests_leave_the_sum_exact(times: int) -> None:
    result = Recorded(times).result
    assert len(result.devices) == DEVICES
    for number, segment in enumerate(ROUND.layout):
        total = sum(vectors_of(device)[number].astype(object) for device in range(DEVICES)) % 2**segment.bits
        assert result.vectors[number].astype(object).tolist() == total.tolist()
