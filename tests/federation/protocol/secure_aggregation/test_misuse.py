"""Misuse that devices and coordinator refuse: steps out of order, other devices' messages, replays, forged keys and shares."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from data.errors import DataError
from federation.protocol.secure_aggregation import client, keys, server, sharing, unmasking
from federation.protocol.secure_aggregation.messages import (
    Confirmation,
    Confirmer,
    Delivery,
    MaskedInput,
    Neighbourhood,
    OpenShare,
    Reveal,
    SecureRound,
    Shares,
    Survivor,
    Survivors,
)
from federation.protocol.secure_aggregation.modular_vectors import Segment
from federation.protocol.secure_aggregation.neighbours import Assumptions
from federation.protocol.secure_aggregation.states import RoundAbortedError

SlowRounds = Callable[..., Any]  # the conftest's SlowRound


class Recorded:
    """A round of four devices. The states and messages of the first are kept; the last drops out after sharing."""

    def __init__(self, slow_round: SlowRounds) -> None:
        self.run = run = slow_round(4)
        self.me, self.dropped = run.devices[0], run.devices[3]
        self.servers: list[object] = [run.server]
        neighbourhoods = run.advertise()
        self.advertised, self.neighbourhood = run.clients[self.me], neighbourhoods[self.me]
        self.servers.append(run.server)
        deliveries = run.share(neighbourhoods)
        self.shared, self.delivery = run.clients[self.me], deliveries[self.me]
        self.servers.append(run.server)
        survivors = run.mask(deliveries, silent=(self.dropped,))
        self.masked, self.survivors = run.clients[self.me], survivors[self.me]
        self.servers.append(run.server)
        confirmations = run.confirm(survivors)
        self.confirmed, self.confirmations = run.clients[self.me], confirmations[self.me]
        self.servers.append(run.server)
        self.result = run.reveal(confirmations)
        self.revealed = run.clients[self.me]
        self.finished = run.server


@pytest.fixture(scope="module")
def recorded(slow_round: SlowRounds) -> Recorded:
    return Recorded(slow_round)


def test_a_device_accepts_each_message_in_one_state_only(recorded: Recorded) -> None:
    vectors = recorded.run.inputs[recorded.me]
    steps: list[tuple[Callable[..., object], object, tuple[object, ...]]] = [
        (client.share, recorded.advertised, (recorded.neighbourhood, recorded.run.random[recorded.me])),
        (client.mask, recorded.shared, (recorded.delivery, vectors)),
        (client.confirm, recorded.masked, (recorded.survivors, recorded.run.identities[recorded.me])),
        (client.reveal, recorded.confirmed, (recorded.confirmations,)),
    ]
    states = [recorded.advertised, recorded.shared, recorded.masked, recorded.confirmed, recorded.revealed]
    for step, right, arguments in steps:
        for state in states:
            if state is right:
                step(state, *arguments)
            else:
                with pytest.raises(DataError, match="accepts no"):
                    step(state, *arguments)


def test_a_device_reveals_once_and_never_both_secrets_of_a_neighbour(recorded: Recorded) -> None:
    after, reveal = client.reveal(recorded.confirmed, recorded.confirmations)
    assert {s.device: s.kind for s in reveal.shares} == {
        d: sharing.KEY if d == recorded.dropped else sharing.SELF for d in recorded.run.devices[1:]
    }
    with pytest.raises(DataError):
        client.reveal(after, recorded.confirmations)  # type: ignore[arg-type]
    assert not [name for name in vars(after) if name not in ("round", "device")], (
        "the device has nothing left to reveal"
    )
    for state in (recorded.masked, recorded.confirmed):
        assert not hasattr(state, "self_seed"), "the device keeps none of its own secrets after masking"


def test_messages_of_another_round_or_for_another_device_are_refused(recorded: Recorded) -> None:
    cases = [
        (client.share, recorded.advertised, recorded.neighbourhood, (recorded.run.random[recorded.me],)),
        (client.mask, recorded.shared, recorded.delivery, (recorded.run.inputs[recorded.me],)),
        (client.confirm, recorded.masked, recorded.survivors, (recorded.run.identities[recorded.me],)),
        (client.reveal, recorded.confirmed, recorded.confirmations, ()),
    ]
    for step, state, message, rest in cases:
        with pytest.raises(DataError, match="another round"):
            step(state, replace(message, context=bytes(32)), *rest)  # type: ignore[operator]
        with pytest.raises(DataError, match="another device"):
            step(state, replace(message, device=recorded.dropped), *rest)  # type: ignore[operator]


def test_keys_that_their_device_did_not_sign_are_refused(recorded: Recorded) -> None:
    """As if a coordinator, or an attacker on the network, had replaced a device's key by its own."""
    mine = keys.public(X25519PrivateKey.generate())
    random = recorded.run.random[recorded.me]
    first, *others = recorded.neighbourhood.neighbours
    for forged in (
        replace(first, mask_key=mine),
        replace(first, cipher_key=mine),
        replace(first, cipher_key=first.mask_key, mask_key=first.cipher_key),
        replace(first, signature=others[0].signature),
        replace(first, device=bytes(32)),
    ):
        with pytest.raises(DataError, match="not signed"):
            client.share(recorded.advertised, replace(recorded.neighbourhood, neighbours=(forged, *others)), random)
    _, replayed = client.advertise(
        SecureRound("an earlier one", "m", recorded.run.round.layout), recorded.run.identities[first.device], random
    )
    earlier = replace(first, cipher_key=replayed.cipher_key, mask_key=replayed.mask_key, signature=replayed.signature)
    with pytest.raises(DataError, match="not signed"):
        client.share(recorded.advertised, replace(recorded.neighbourhood, neighbours=(earlier, *others)), random)


def test_neighbourhoods_that_do_not_keep_the_secrets_are_refused(recorded: Recorded) -> None:
    random, right = recorded.run.random[recorded.me], recorded.neighbourhood
    first, second, third = right.neighbours
    myself = replace(first, device=recorded.me)
    for wrong in (
        replace(right, threshold=0),
        replace(right, threshold=1),  # half of the neighbours, rounded down
        replace(right, threshold=4),
        replace(right, neighbours=()),
        replace(right, neighbours=(first,), threshold=1),
        replace(right, neighbours=(first, first, second)),
        replace(right, neighbours=(first, second, myself)),
    ):
        with pytest.raises(DataError):
            client.share(recorded.advertised, wrong, random)
    twin = keys.sign(
        recorded.run.identities[third.device], recorded.run.round.context, first.cipher_key, third.mask_key
    )
    copied = replace(third, cipher_key=first.cipher_key, signature=twin.signature)
    with pytest.raises(DataError, match="a key twice"):
        client.share(recorded.advertised, replace(right, neighbours=(first, second, copied)), random)


def test_a_key_of_low_order_is_refused(recorded: Recorded, slow_round: SlowRounds) -> None:
    run = slow_round(3)
    identity = run.identities[run.devices[0]]
    for low in (bytes(32), b"\x01" + bytes(31)):
        advert = keys.sign(identity, run.round.context, low, keys.public(X25519PrivateKey.generate()))
        with pytest.raises(DataError, match="agreed"):
            server.receive_advert(run.server, advert)
    one = keys.public(X25519PrivateKey.generate())
    with pytest.raises(DataError, match="two"):
        server.receive_advert(run.server, keys.sign(identity, run.round.context, one, one))


def test_deliveries_and_survivors_that_do_not_fit_are_refused(recorded: Recorded) -> None:
    vectors, shares = recorded.run.inputs[recorded.me], recorded.delivery.shares
    stranger = replace(shares[0], device=bytes(32))
    for wrong in (shares[:1], (), (*shares, shares[0]), (*shares, stranger)):
        with pytest.raises(DataError):
            client.mask(recorded.shared, replace(recorded.delivery, shares=wrong), vectors)
    for values in ([], vectors[:2], [v + v.dtype.type(0) for v in vectors[:2]] + [np.full(3, 512, np.uint16)]):
        with pytest.raises(DataError):
            client.mask(recorded.shared, recorded.delivery, values)
    me, (one, two) = Survivor(recorded.me), [Survivor(d) for d in recorded.run.devices[1:3]]
    identity = recorded.run.identities[recorded.me]
    assert set(recorded.survivors.survivors) == {me, one, two}
    for survivors in ((), (me,), (me, one), (one, two), (me, one, two, two), (me, one, Survivor(bytes(32)))):
        with pytest.raises(DataError):
            client.confirm(recorded.masked, replace(recorded.survivors, survivors=survivors), identity)


def test_confirmations_that_are_not_of_the_same_survivors_are_refused(recorded: Recorded) -> None:
    run, right = recorded.run, recorded.confirmations
    one, two = right.confirmers
    digest = keys.survivors_digest([s.device for s in recorded.survivors.survivors])

    def by(device: bytes, of: bytes = digest, context: bytes = run.round.context) -> Confirmer:
        return Confirmer(device, keys.sign_survivors(run.identities[device], context, of))

    assert by(one.device) == one
    for wrong in (
        (),
        (one,),
        (one, one),
        (one, replace(two, signature=one.signature)),
        (one, by(two.device, of=keys.survivors_digest(run.devices))),  # it was told that nobody dropped out
        (one, by(two.device, context=bytes(32))),  # in another round
        (one, by(recorded.me)),
        (one, by(recorded.dropped)),
    ):
        with pytest.raises(DataError):
            client.reveal(recorded.confirmed, replace(right, confirmers=wrong))
    client.reveal(recorded.confirmed, replace(right, confirmers=(two, one)))


def test_a_neighbour_that_the_device_did_not_mask_with_is_no_survivor(slow_round: SlowRounds) -> None:
    """Its shares never arrived, so the device left it out of its masks."""
    run = slow_round(5)
    deliveries = run.share(run.advertise())
    victim, left_out = run.devices[0], run.devices[1]
    kept = tuple(s for s in deliveries[victim].shares if s.device != left_out)
    deliveries[victim] = replace(deliveries[victim], shares=kept)
    survivors = run.mask(deliveries)
    with pytest.raises(DataError, match="did not mask with"):
        client.confirm(run.clients[victim], survivors[victim], run.identities[victim])


def test_altered_shares_are_left_out_and_the_sum_is_exact(recorded: Recorded, slow_round: SlowRounds) -> None:
    run = slow_round(4)
    deliveries = run.share(run.advertise())
    victim, cheat = run.devices[0], run.devices[1]
    spoiled = tuple(replace(s, sealed=bytes(48)) if s.device == cheat else s for s in deliveries[victim].shares)
    deliveries[victim] = replace(deliveries[victim], shares=spoiled)
    confirmations = run.confirm(run.mask(deliveries))
    _, reveal = client.reveal(run.clients[victim], confirmations[victim])
    assert cheat not in {s.device for s in reveal.shares}
    assert run.is_the_sum(run.reveal(confirmations)), "two other neighbours can reveal"


def test_the_coordinator_accepts_each_message_in_one_state_only(recorded: Recorded) -> None:
    states = recorded.servers
    context, me = recorded.run.round.context, recorded.me
    _, advert = client.advertise(recorded.run.round, recorded.run.identities[me], recorded.run.random[me])
    steps: list[tuple[int, Callable[..., object], tuple[object, ...]]] = [
        (0, server.receive_advert, (advert,)),
        (0, server.close_adverts, (Assumptions(), 0)),
        (1, server.receive_shares, (Shares(context, me, bytes(32), ()),)),
        (1, server.close_shares, ()),
        (2, server.receive_masked, (MaskedInput(context, me, b""),)),
        (2, server.close_masked, ()),
        (3, server.receive_confirmation, (Confirmation(context, me, bytes(64)),)),
        (3, server.close_confirmations, ()),
        (4, unmasking.receive_reveal, (Reveal(context, me, ()),)),
        (4, unmasking.finish, ()),
    ]
    for right, step, arguments in steps:
        for number, state in enumerate(states):
            if number != right:
                with pytest.raises(DataError, match="while the round is"):
                    step(state, *arguments)


def test_the_coordinator_refuses_strangers_repetitions_and_other_rounds(
    recorded: Recorded, slow_round: SlowRounds
) -> None:
    run, stranger = slow_round(4), slow_round(5).devices[4]
    other = SecureRound("another", "model", run.round.layout, "terms")
    me = run.devices[0]

    def both(receive: Callable[..., object], state: object, message: object) -> None:
        for wrong in ({"context": other.context}, {"device": stranger}):
            with pytest.raises(DataError):
                receive(state, replace(message, **wrong))  # type: ignore[type-var]
        with pytest.raises(DataError, match="before"):
            receive(receive(state, message), message)

    opened = run.server
    identity = slow_round(5).identities[stranger]
    for secure_round, who in ((other, run.identities[me]), (run.round, identity)):
        with pytest.raises(DataError):
            server.receive_advert(opened, client.advertise(secure_round, who, run.random[me])[1])
    _, advert = client.advertise(run.round, run.identities[me], run.random[me])
    both(server.receive_advert, opened, advert)
    with pytest.raises(DataError, match="another device has this key"):
        copied = keys.sign(run.identities[run.devices[1]], run.round.context, advert.cipher_key, advert.mask_key)
        server.receive_advert(server.receive_advert(opened, advert), copied)

    neighbourhoods = run.advertise()
    _, shares = client.share(run.clients[me], neighbourhoods[me], run.random[me])
    both(server.receive_shares, run.server, shares)
    for wrong_shares in (
        shares.shares[:2],
        (*shares.shares, shares.shares[0]),
        (*shares.shares[:2], replace(shares.shares[2], device=me)),
    ):
        with pytest.raises(DataError, match="for a device's neighbours"):
            server.receive_shares(run.server, replace(shares, shares=wrong_shares))

    deliveries = run.share(neighbourhoods)
    run.clients[me], masked = client.mask(run.clients[me], deliveries[me], run.inputs[me])
    for packed in (b"", masked.packed + b"\0", masked.packed[:-1]):
        with pytest.raises(DataError, match="bytes where"):
            server.receive_masked(run.server, replace(masked, packed=packed))
    for wrong in ({"context": other.context}, {"device": stranger}):
        with pytest.raises(DataError):
            server.receive_masked(run.server, replace(masked, **wrong))
    past, run.server = run.server, server.receive_masked(run.server, masked)
    with pytest.raises(DataError, match="before"):
        server.receive_masked(run.server, masked)
    with pytest.raises(DataError, match="is past"):
        server.receive_masked(past, masked)

    del deliveries[me]
    survivors = run.mask(deliveries)
    run.clients[me], confirmation = client.confirm(run.clients[me], survivors[me], run.identities[me])
    both(server.receive_confirmation, run.server, confirmation)
    with pytest.raises(DataError, match="has not signed the same"):
        server.receive_confirmation(run.server, replace(confirmation, signature=bytes(64)))
    run.server = server.receive_confirmation(run.server, confirmation)

    del survivors[me]
    confirmations = run.confirm(survivors)
    _, reveal = client.reveal(run.clients[me], confirmations[me])
    both(unmasking.receive_reveal, run.server, reveal)
    share = reveal.shares[0]
    for wrong_share in (
        replace(share, share=bytes(16)),
        replace(share, kind=sharing.KEY),
        replace(share, kind=b"?"),
        replace(share, device=me),
        OpenShare(stranger, sharing.KEY, bytes(16)),
    ):
        with pytest.raises(DataError, match="a share is revealed"):
            unmasking.receive_reveal(run.server, replace(reveal, shares=(wrong_share,)))
    assert run.is_the_sum(run.reveal(confirmations)), "and the round is unaffected"


def test_a_device_that_splits_another_secret_than_announced_aborts_the_round_and_is_named(
    slow_round: SlowRounds,
) -> None:
    for kind in (sharing.SELF, sharing.KEY):
        run = slow_round(4)
        neighbourhoods = run.advertise()
        cheat = run.devices[0]
        honest = run.clients[cheat]

        def forge(step: str, data: bytes, cheat: bytes = cheat, kind: bytes = kind) -> bytes:
            if step != "shares" or (shares := Shares.from_bytes(data)).device != cheat:
                return data
            return replace(shares, commitment=bytes(32)).to_bytes() if kind == sharing.SELF else data

        if kind == sharing.KEY:
            run.clients[cheat] = replace(honest, mask_seed=bytes(16))
        survivors = run.mask(run.share(neighbourhoods, network=forge), silent=(cheat,) if kind == sharing.KEY else ())
        with pytest.raises(RoundAbortedError, match=cheat.hex()[:8]):
            run.reveal(run.confirm(survivors))


def test_below_the_minimum_nothing_is_revealed(slow_round: SlowRounds) -> None:
    run = slow_round(5, minimum=5)
    with pytest.raises(RoundAbortedError, match="4 devices announced"):
        run.advertise(silent=run.devices[:1])
    run = slow_round(5, minimum=5)
    with pytest.raises(RoundAbortedError, match="4 devices shared"):
        run.share(run.advertise(), silent=run.devices[:1])
    run = slow_round(5, minimum=5)
    with pytest.raises(RoundAbortedError, match="4 devices sent"):
        run.mask(run.share(run.advertise()), silent=run.devices[:1])
    run = slow_round(5)
    survivors = run.mask(run.share(run.advertise()))
    with pytest.raises(RoundAbortedError, match="too few neighbours of one are left"):
        run.confirm(survivors, silent=run.devices[:3])
    run = slow_round(5)
    confirmations = run.confirm(run.mask(run.share(run.advertise())))
    with pytest.raises(RoundAbortedError, match="too few devices revealed"):
        run.reveal(confirmations, silent=run.devices[:3])
    for devices, minimum in ((2, 2), (2, 3), (5, 2), (5, 6)):
        with pytest.raises(DataError):
            server.open_round(run.round, run.devices[:devices], minimum)


def test_states_do_not_print_their_secrets(recorded: Recorded) -> None:
    for state in (recorded.advertised, recorded.shared, recorded.masked, recorded.confirmed):
        for name in ("cipher_key", "mask_seed", "self_seed", "agreed", "shares"):
            assert f"{name}=" not in repr(state)


def test_messages_are_bound_to_the_layout(recorded: Recorded) -> None:
    same = recorded.run.round
    wider = SecureRound(same.round_id, same.model_sha256, (*same.layout[:2], Segment(3, 10)), same.terms)
    assert wider.context != same.context
    assert isinstance(recorded.neighbourhood, Neighbourhood)
    assert isinstance(recorded.delivery, Delivery)
    assert isinstance(recorded.survivors, Survivors)
