"""Whole rounds: the sum is exact or the round is aborted, whichever devices drop out; one device's upload looks like noise."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from data.errors import DataError, UserFacingError
from federation.benchmarks.loads.secure_round import CONFIRM, MASKED, REVEAL, SHARES, measure, run_round
from federation.protocol.delta_encoding import Encoding
from federation.protocol.secure_aggregation import client, keys, modular_vectors, sharing
from federation.protocol.secure_aggregation.keys import device_id, public
from federation.protocol.secure_aggregation.masking import add_mask, pairwise_mask_key
from federation.protocol.secure_aggregation.messages import (
    Confirmations,
    Confirmer,
    MaskedInput,
    SecureRound,
    Survivor,
    Survivors,
)
from federation.protocol.secure_aggregation.modular_vectors import Segment
from federation.protocol.secure_aggregation.neighbours import Assumptions, choose, connect
from federation.protocol.secure_aggregation.states import RoundAbortedError
from tests.federation.protocol.layouts import segments_of

NEVER = REVEAL + 1
SlowRounds = Callable[..., Any]  # the conftest's SlowRound


def identities(count: int) -> list[Ed25519PrivateKey]:
    return [Ed25519PrivateKey.from_private_bytes(bytes([i % 256, i // 256]) * 16) for i in range(count)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([SHARES, MASKED, CONFIRM, REVEAL, *[NEVER] * 5]), min_size=3, max_size=9), st.data())
def test_the_sum_is_exact_or_the_round_is_aborted_whoever_drops_out(steps: list[int], data: st.DataObject) -> None:
    layout = (Segment(4, 16), Segment(2, data.draw(st.integers(1, 64))))
    minimum, rng = data.draw(st.integers(3, len(steps))), np.random.default_rng(len(steps))
    devices = identities(len(steps))
    inputs = {d: [rng.integers(0, 2**s.bits - 1, s.length, np.uint64, endpoint=True) for s in layout] for d in devices}
    silent = {d: step for d, step in zip(devices, steps, strict=True) if step != NEVER}

    # The paper's promise for a complete graph: every secret that is needed has `threshold` holders left to reveal it.
    threshold = (len(steps) - 1) // 2 + 1
    shared, summed, confirmed, revealed = (sum(step > s for step in steps) for s in (SHARES, MASKED, CONFIRM, REVEAL))
    works = shared - 1 >= threshold and summed - 1 >= threshold and summed >= minimum
    works &= confirmed - 1 >= threshold  # the other devices that confirmed are enough for each of them
    works &= revealed - 1 >= threshold if revealed else False
    if revealed < summed:
        # All other devices can reveal the self mask of a device in the sum that reveals nothing.
        works &= revealed >= threshold
    try:
        result, _ = run_round(SecureRound("r", "m", layout), inputs, silent, minimum)
    except RoundAbortedError:
        assert not works
        return
    assert works
    present = [d for d, step in zip(devices, steps, strict=True) if step > MASKED]
    assert result.devices == {device_id(d) for d in present}
    for number, segment in enumerate(layout):
        total = sum(inputs[d][number].astype(object) for d in present) % 2**segment.bits
        assert result.vectors[number].astype(object).tolist() == total.tolist()


def test_a_large_cohort_on_a_ring() -> None:
    """A device with one neighbour too few to recover its secrets is left out; the sum is exact."""
    devices, rng, layout = identities(101), np.random.default_rng(1), (Segment(7, 9),)
    topology = choose(101)
    neighbours = connect([device_id(d) for d in devices], topology, seed=0)
    ring, by_name = _in_order(neighbours), {device_id(d): d for d in devices}
    deserted = ring[0]
    # All others keep enough neighbours, although most of theirs are also its neighbours.
    places = [11, *(sign * place for place in (1, 3, 5, 7, 9, 16, 17) for sign in (1, -1))]
    assert len(places) == topology.degree - topology.threshold + 1
    silent = {by_name[ring[place]]: SHARES for place in places}
    silent |= {by_name[ring[40 + 3 * i]]: step for i, step in enumerate([MASKED, CONFIRM, REVEAL] * 2)}
    inputs = {d: [rng.integers(0, 512, 7).astype(np.uint16)] for d in devices}
    result, cost = run_round(SecureRound("r", "m", layout), inputs, silent, minimum=50, seed=0)

    assert (cost.degree, cost.threshold) == (topology.degree, topology.threshold)
    assert deserted not in result.devices
    present = {device_id(d): d for d in devices if silent.get(d, NEVER) > MASKED}
    assert result.devices < present.keys()
    summed = np.sum([inputs[present[d]][0].astype(int) for d in result.devices], axis=0)
    assert result.vectors[0].tolist() == (summed % 512).tolist()


def test_real_deltas_come_out_as_their_mean() -> None:
    encoding, rng = Encoding(5000, 1.0, 100, 8, 16, 3), np.random.default_rng(4)
    deltas = [(rng.standard_normal(5000) / 100).astype(np.float32) for _ in range(8)]
    weights = [10, 20, 100, 400, 0, 7, 50, 1]
    devices = identities(8)
    inputs = {d: encoding.encode(delta, w, rng) for d, delta, w in zip(devices, deltas, weights, strict=True)}
    result, _ = run_round(
        SecureRound("r", "m", segments_of(encoding)), inputs, {devices[1]: MASKED, devices[6]: MASKED}
    )
    mean = encoding.decode_mean(result.vectors[0], int(result.vectors[1][0]))
    present = [i for i in range(8) if i not in (1, 6)]
    capped = {i: min(weights[i], 100) for i in present}
    expected = sum(capped[i] * deltas[i] for i in present) / sum(capped.values())
    assert np.linalg.norm(mean - expected) < 0.01 * np.linalg.norm(expected)


def test_the_cost_of_a_round_is_measured_on_exact_sums() -> None:
    small, large = measure(5, 50, 16), measure(12, 50, 16)
    assert (small.degree, small.threshold, large.degree) == (4, 3, 11)
    assert small.up_bytes > 5 * 100
    assert large.up_bytes / 12 > small.up_bytes / 5, "shares for more neighbours"


def chi_square(data: bytes) -> float:
    """Returns the probability that uniform bytes are at least as uneven as these."""
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
    expected = len(data) / 256
    return float(chi2.sf(np.sum((counts - expected) ** 2) / expected, 255))


@pytest.mark.parametrize("bits", [16, 9])
def test_the_upload_of_one_device_is_noise_and_the_sum_is_exact(slow_round: SlowRounds, bits: int) -> None:
    layout = (Segment(40_000, bits),)
    run = slow_round(3, layout)
    constant = np.full(40_000, 3, np.uint16)
    run.inputs = {d: [constant] for d in run.devices}  # as far from noise as possible
    sent: list[bytes] = []

    def record(step: str, data: bytes) -> bytes:
        if step == "masked":
            sent.append(MaskedInput.from_bytes(data).packed)
        return data

    result = run.reveal(run.confirm(run.mask(run.share(run.advertise()), network=record)))
    assert result.vectors[0].tolist() == [9] * 40_000
    assert chi_square(modular_vectors.pack(layout, (constant,))) < 1e-100, (
        "the test detects a vector that is not masked"
    )
    for packed in sent:
        assert chi_square(packed) > 1e-4
        (masked,) = modular_vectors.unpack(layout, packed)
        values = masked.astype(float) / 2**bits - 0.5
        assert abs(values.mean()) < 4.5 / np.sqrt(12 * 40_000)
        assert abs(np.mean(values[1:] * values[:-1])) < 4.5 / (12 * np.sqrt(40_000)), (
            "nor are neighbouring numbers correlated"
        )
    first, second, _ = (modular_vectors.unpack(layout, packed)[0] for packed in sent)
    two = modular_vectors.pack(layout, modular_vectors.reduce(layout, [first + second]))
    assert chi_square(two) > 1e-4, "the sum of two without the third is noise"


def test_uploads_differ_between_rounds(slow_round: SlowRounds) -> None:
    sent = {}
    for round_id in ("a", "b"):
        run = slow_round(3, round_id=round_id)

        def record(step: str, data: bytes, round_id: str = round_id) -> bytes:
            if step == "masked":
                sent[round_id, data[36:68]] = data[68:]
            return data

        run.mask(run.share(run.advertise()), network=record)  # with the same randomness, so the same keys
    assert len(set(sent.values())) == len(sent) == 6


def test_two_devices_share_a_mask_that_differs_between_rounds() -> None:
    first, second = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    names, rounds = (b"a" * 32, b"b" * 32, b"c" * 32), (b"1" * 32, b"2" * 32)
    key = pairwise_mask_key(first, public(second), rounds[0], names[0], names[1])
    assert key == pairwise_mask_key(second, public(first), rounds[0], names[1], names[0])
    assert key != pairwise_mask_key(first, public(second), rounds[1], names[0], names[1])
    assert key != pairwise_mask_key(first, public(second), rounds[0], names[0], names[2])


def test_a_mask_is_one_keystream_whatever_the_chunks() -> None:
    layout = (Segment(300_000, 16), Segment(3, 40), Segment(100_001, 8))
    vectors = [np.zeros(s.length, s.dtype) for s in layout]
    add_mask(layout, vectors, bytes(range(32)), 1)
    whole = (Segment(600_000 + 24 + 100_001, 8),)
    stream = [np.zeros(whole[0].length, np.uint8)]
    add_mask(whole, stream, bytes(range(32)), 1)
    assert b"".join(v.tobytes() for v in vectors) == stream[0].tobytes()
    add_mask(layout, vectors, bytes(range(32)), -1)
    assert not any(v.any() for v in vectors)


def test_a_lie_about_who_dropped_out_reveals_at_most_one_secret(slow_round: SlowRounds) -> None:
    """A coordinator that tells half the devices that one dropped out, and half that it did not, gets too few shares."""
    run = slow_round(7)
    to = run.mask(run.share(run.advertise()))
    victim, kinds = run.devices[0], Counter[bytes]()
    for number, device in enumerate(run.devices[1:]):
        lie = tuple(s for s in to[device].survivors if number % 2 or s.device != victim)
        confirmed, _ = client.confirm(run.clients[device], replace(to[device], survivors=lie), run.identities[device])
        # As if the consistency check had been passed by every list.
        signed = {d: keys.sign_survivors(run.identities[d], run.round.context, confirmed.digest) for d in run.devices}
        told = tuple(Confirmer(d, signed[d]) for d in confirmed.survivors)
        _, reveal = client.reveal(confirmed, Confirmations(run.round.context, device, told))
        kinds.update(s.kind for s in reveal.shares if s.device == victim)
    threshold = run.server.collected.topology.threshold
    assert sum(kinds.values()) == 6
    assert not all(count >= threshold for count in (kinds[b"k"], kinds[b"s"]))


class LyingCoordinator:
    """A coordinator that tells each device survivors of its choice, and shows each the best of the signatures that it collects.

    It unmasks as much as it can: each secret of which enough shares were revealed.
    """

    def __init__(self, run: Any, lists: Mapping[bytes, frozenset[bytes]]) -> None:
        self.run, self.threshold = run, run.server.topology.threshold
        context, signatures = run.round.context, dict[tuple[bytes, bytes], bytes]()
        confirmed = {}
        for device, named in lists.items():
            told = Survivors(context, device, tuple(map(Survivor, sorted(named))))
            with suppress(DataError):
                confirmed[device], signed = client.confirm(run.clients[device], told, run.identities[device])
                signatures[device, confirmed[device].digest] = signed.signature
        self.shares: dict[tuple[bytes, bytes], dict[bytes, bytes]] = {}  # by owner and kind, by holder
        self.revealing: list[bytes] = []
        for device, state in confirmed.items():
            signers = [d for d in state.survivors if (d, state.digest) in signatures]
            shown = tuple(Confirmer(d, signatures[d, state.digest]) for d in signers)
            with suppress(DataError):
                _, revealed = client.reveal(state, Confirmations(context, device, shown))
                self.revealing.append(device)
                for s in revealed.shares:
                    self.shares.setdefault((s.device, s.kind), {})[device] = s.share

    def knows(self, device: bytes, kind: bytes) -> bool:
        return len(self.shares.get((device, kind), {})) >= self.threshold


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 9), st.data())
def test_a_coordinator_that_tells_different_lists_learns_one_sum_at_most(
    slow_round: SlowRounds, count: int, data: st.DataObject
) -> None:
    """Whatever it tells whom, and whoever drops out: never both secrets of a device, and never the sum of a smaller group."""
    run = slow_round(count)
    run.mask(run.share(run.advertise()))
    run.server = run.server.collected
    few = [frozenset(data.draw(st.sets(st.sampled_from(run.devices)))) for _ in range(data.draw(st.integers(1, 3)))]
    lists = {d: data.draw(st.sampled_from([*few, frozenset(run.devices)])) for d in run.devices}
    lying = LyingCoordinator(run, lists)
    assert len({lists[d] for d in lying.revealing}) <= 1, "all devices that reveal anything were told the same"
    for device in run.devices:
        assert not (lying.knows(device, sharing.KEY) and lying.knows(device, sharing.SELF))
    unmasked = {d for d in run.devices if lying.knows(d, sharing.SELF)}
    if unmasked:
        (told,) = {lists[d] for d in lying.revealing}
        assert unmasked == told and len(told) > max(2, lying.threshold)


def test_two_lists_of_dropouts_do_not_give_a_victims_update(slow_round: SlowRounds) -> None:
    """With a threshold of 2 of 4, and half of its neighbours told that it dropped out, both its secrets were known."""
    run = slow_round(5)
    neighbourhoods = {d: replace(m, threshold=2) for d, m in run.advertise().items()}
    with pytest.raises(DataError, match="does not keep this device's secrets"):
        run.share(neighbourhoods)

    run = slow_round(5)
    run.mask(run.share(run.advertise()))
    run.server = run.server.collected
    victim, *others = run.devices
    everyone, without = frozenset(run.devices), frozenset(others)
    for told in itertools.product((everyone, without), repeat=4):
        for to_victim in (everyone, without):
            lying = LyingCoordinator(run, {victim: to_victim, **dict(zip(others, told, strict=True))})
            assert not (lying.knows(victim, sharing.KEY) and lying.knows(victim, sharing.SELF))


def test_on_a_ring_two_groups_are_told_different_lists(slow_round: SlowRounds) -> None:
    """Each half believes its own list. Devices at the edges see too few signatures, and their masks stay in either sum."""
    run = slow_round(40)
    few_neighbours = Assumptions(dropout=0.1, corrupt=0.0, complete_up_to=0)
    run.mask(run.share(run.advertise(assumptions=few_neighbours)))
    run.server = run.server.collected
    degree, threshold = run.server.topology.degree, run.server.topology.threshold
    assert degree < len(run.devices) // 2, "the devices are on a ring"
    ring = _in_order(run.server.neighbours)
    half = len(ring) // 2
    lists = {d: frozenset(ring[:half] if place < half else ring[half:]) for place, d in enumerate(ring)}
    lying = LyingCoordinator(run, lists)
    assert lying.revealing, "far from the other half, devices see enough signatures"
    # The list names too few neighbours of the devices at a half's edge, which therefore do not sign. The next ones miss their
    # signatures.
    margin = 2 * (threshold - degree // 2)
    for place, device in enumerate(ring):
        edge = min(place % half, half - 1 - place % half)
        assert (device in lying.revealing) == (edge >= margin)
        if edge < margin:
            assert not lying.knows(device, sharing.KEY) and not lying.knows(device, sharing.SELF)


def _in_order(neighbours: Mapping[bytes, tuple[bytes, ...]]) -> list[bytes]:
    """Returns the devices of a ring in their order: two that are next to each other have the most neighbours in common."""
    ring = [min(neighbours)]
    while len(ring) < len(neighbours):
        near = [d for d in neighbours[ring[-1]] if d not in ring]
        ring.append(max(near, key=lambda d: (len({*neighbours[d]} & {*neighbours[ring[-1]]}), d)))
    return ring


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(
        ["advert", "neighbourhood", "shares", "delivery", "survivors", "confirmation", "confirmations", "reveal"]
    ),
    st.data(),
)
def test_a_bit_flipped_on_the_way_never_changes_the_sum(slow_round: SlowRounds, step: str, data: st.DataObject) -> None:
    run, once = slow_round(4), data.draw(st.integers(0, 3))
    seen = 0

    def change(at: str, message: bytes) -> bytes:
        nonlocal seen
        if at != step:
            return message
        seen += 1
        if seen - 1 != once:
            return message
        changed = bytearray(message)
        changed[data.draw(st.integers(0, len(message) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        return bytes(changed)

    try:
        neighbourhoods = run.advertise(network=change)
        deliveries = run.share(neighbourhoods, network=change)
        survivors = run.mask(deliveries, network=change)
        confirmations = run.confirm(survivors, network=change)
        result = run.reveal(confirmations, network=change)
    except UserFacingError:
        return
    assert run.is_the_sum(result)
