"""The coordinator's side of a secure round: four states, filled by the devices' messages and closed one after the other.

Bonawitz et al. 2017, Figure 4, with the neighbours of Bell et al. 2020 (`secure_client` says what is guaranteed):

    `open_round`     -> Advertising      `receive_advert`  until `close_adverts` -> Sharing, a Neighbourhood for each device
    Sharing:                             `receive_shares`  until `close_shares`  -> Collecting, a Delivery for each
    Collecting:                          `receive_masked`  until `close_masked`  -> Unmasking, Survivors for each
    Unmasking:                           `receive_reveal`  until `enough`, then `finish` -> the sum, and over whom

Every function returns a new state and changes nothing; there is no clock and no randomness but the seed of `close_adverts`, so
that the same messages in the same order give the same states. A message that is refused (`DataError`) leaves the round as it was;
`AbortedError`, from a `close_…` or `finish`, ends it with nothing revealed. Masked inputs are added up as they come in, not kept.
Whether the sender is who the message says is for the transport to check, and who may take part for whoever calls `open_round`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from data.errors import DataError
from federation.protocol import keys, ring, sharing
from federation.protocol.graph import MIN_DEVICES, Assumptions, Topology, choose, connect, connected
from federation.protocol.masking import add_mask, pairwise_mask_key, pairwise_sign, self_mask_key
from federation.protocol.secure_messages import (
    Advert,
    Delivery,
    MaskedInput,
    Neighbour,
    Neighbourhood,
    Reveal,
    SealedShares,
    SecureRound,
    Shares,
    Survivor,
    Survivors,
)

Neighbours = dict[bytes, tuple[bytes, ...]]


class AbortedError(DataError):
    """The round is over without a sum."""


@dataclass(frozen=True)
class Advertising:
    """Step 0: devices announce their keys."""

    round: SecureRound
    invited: frozenset[bytes]
    minimum: int  # devices in the sum
    adverts: Mapping[bytes, Advert]


@dataclass(frozen=True)
class Sharing:
    """Step 1: devices share their secrets with their neighbours."""

    round: SecureRound
    minimum: int
    topology: Topology
    neighbours: Neighbours
    adverts: Mapping[bytes, Advert]
    shares: Mapping[bytes, Shares]


@dataclass(frozen=True)
class Collecting:
    """Step 2: devices send their masked inputs."""

    round: SecureRound
    minimum: int
    topology: Topology
    neighbours: Neighbours  # as the secrets were split: the order numbers the shares
    mask_keys: Mapping[bytes, bytes]  # by device that has shared: these are masked with
    commitments: Mapping[bytes, bytes]
    digests: Mapping[tuple[bytes, bytes, bytes], bytes]  # by owner, holder and kind
    devices: frozenset[bytes]  # whose masked inputs are in the sum
    masked: tuple[ring.Vector, ...] = field(repr=False)  # their sum, modulo the types' width


@dataclass(frozen=True)
class Unmasking:
    """Step 4: the surviving devices reveal shares."""

    collected: Collecting
    answered: frozenset[bytes]
    revealed: Mapping[tuple[bytes, bytes], Mapping[bytes, bytes]] = field(repr=False)  # by owner and kind, by holder

    @property
    def round(self) -> SecureRound:
        """What is summed."""
        return self.collected.round


AnyState = Advertising | Sharing | Collecting | Unmasking


@dataclass(frozen=True)
class SecureSum:
    """What a round comes to."""

    vectors: tuple[ring.Vector, ...]  # by the round's layout, modulo 2^bits
    devices: frozenset[bytes]  # that are in it


def open_round(secure_round: SecureRound, invited: Collection[bytes], minimum: int = MIN_DEVICES) -> Advertising:
    """Opens a round to enrolled devices, which comes to a sum over at least `minimum` of them or to nothing.

    Raises:
      DataError: the minimum is below three, or above the devices invited.
    """
    if not MIN_DEVICES <= minimum <= len(set(invited)):
        raise DataError(
            f"a secure round needs {MIN_DEVICES} devices, and invites as many as it needs; {minimum} of {len(invited)}"
        )
    return Advertising(secure_round, frozenset(invited), minimum, {})


def receive_advert(state: Advertising, message: Advert) -> Advertising:
    """Takes a device's keys.

    Raises:
      DataError: the message is not for this state and round, or from a device that is not invited or has sent one; its keys are
        not signed by it, none that can be agreed with, or another's.
    """
    _check(state, Advertising, message)
    _once(message.device, state.invited, state.adverts, "keys")
    keys.verify(message)
    for key in (message.cipher_key, message.mask_key):
        keys.check_agreeable(key)
        if any(key in (a.cipher_key, a.mask_key) for a in state.adverts.values()):
            raise DataError("another device has this key")
    return replace(state, adverts={**state.adverts, message.device: message})


def close_adverts(
    state: Advertising, assumptions: Assumptions, seed: int
) -> tuple[Sharing, dict[bytes, Neighbourhood]]:
    """Draws the graph over the devices that announced keys; returns what each is sent.

    Args:
      state: filled.
      assumptions: what the graph must withstand.
      seed: of the graph, unpredictable before this.

    Raises:
      AbortedError: there are too few devices, or too few for the assumptions.
    """
    _expect(state, Advertising, "close_adverts")
    _enough(len(state.adverts), state.minimum, "announced keys")
    try:
        topology = choose(len(state.adverts), assumptions)
    except DataError as error:
        raise AbortedError(str(error)) from error
    neighbours = connect(list(state.adverts), topology, seed)
    known = {d: Neighbour(d, a.cipher_key, a.mask_key, a.signature) for d, a in state.adverts.items()}
    messages = {
        d: Neighbourhood(state.round.context, d, topology.threshold, tuple(known[other] for other in neighbours[d]))
        for d in state.adverts
    }
    return Sharing(state.round, state.minimum, topology, neighbours, state.adverts, {}), messages


def receive_shares(state: Sharing, message: Shares) -> Sharing:
    """Takes a device's sealed shares.

    Raises:
      DataError: the message is not for this state and round, or from a device that announced no keys or has shared; its shares are
        not for its neighbours, each once.
    """
    _check(state, Sharing, message)
    _once(message.device, state.adverts, state.shares, "shares")
    if tuple(sorted(s.device for s in message.shares)) != state.neighbours[message.device]:
        raise DataError("shares are for a device's neighbours, one for each")
    return replace(state, shares={**state.shares, message.device: message})


def close_shares(state: Sharing) -> tuple[Collecting, dict[bytes, Delivery]]:
    """Hands the shares on; returns what each device is sent. Devices with too few neighbours left for theirs are out of the round.

    Raises:
      AbortedError: too few devices are left.
    """
    _expect(state, Sharing, "close_shares")
    left = frozenset(state.shares)
    while out := {d for d in left if sum(n in left for n in state.neighbours[d]) < state.topology.threshold}:
        left -= out
    _enough(len(left), state.minimum, "shared their secrets")
    inbox: dict[bytes, list[SealedShares]] = {device: [] for device in left}
    digests = {}
    for owner in sorted(left):
        for s in state.shares[owner].shares:
            if s.device in left:
                inbox[s.device].append(replace(s, device=owner))
                digests[owner, s.device, sharing.KEY] = s.key_digest
                digests[owner, s.device, sharing.SELF] = s.self_digest
    collecting = Collecting(
        state.round,
        state.minimum,
        state.topology,
        state.neighbours,
        {d: state.adverts[d].mask_key for d in left},
        {d: state.shares[d].commitment for d in left},
        digests,
        frozenset(),
        tuple(np.zeros(segment.length, segment.dtype) for segment in state.round.layout),
    )
    return collecting, {d: Delivery(state.round.context, d, tuple(inbox[d])) for d in left}


def receive_masked(state: Collecting, message: MaskedInput) -> Collecting:
    """Adds a device's masked input to the sum.

    Raises:
      DataError: the message is not for this state and round, or from a device that has not shared or is in the sum; it is of
        another size than the round's layout says.
    """
    _check(state, Collecting, message)
    _once(message.device, state.mask_keys, state.devices, "masked input")
    vectors = ring.unpack(state.round.layout, message.packed)
    masked = tuple(total + vector for total, vector in zip(state.masked, vectors, strict=True))
    return replace(state, devices=state.devices | {message.device}, masked=masked)


def close_masked(state: Collecting) -> tuple[Unmasking, dict[bytes, Survivors]]:
    """Settles who is in the sum; returns what each of them is sent.

    Raises:
      AbortedError: too few devices are in the sum, or too few neighbours of one to recover its secret, or it would fall into
        parts.
    """
    _expect(state, Collecting, "close_masked")
    _enough(len(state.devices), state.minimum, "sent their masked input")
    for owner, _ in _needed(state):
        if len(_holders(state, owner)) < state.topology.threshold:
            raise AbortedError(
                "too many devices dropped out: the masks of one can't be recovered from the neighbours that are left"
            )
    if not connected(state.neighbours, state.devices):
        raise AbortedError("too many devices dropped out: the sum would fall into parts")
    messages = {d: Survivors(state.round.context, d, tuple(map(Survivor, _holders(state, d)))) for d in state.devices}
    return Unmasking(state, frozenset(), {}), messages


def receive_reveal(state: Unmasking, message: Reveal) -> Unmasking:
    """Takes the shares that a device reveals.

    Raises:
      DataError: the message is not for this state and round, or from a device that is not in the sum or has revealed; a share is
        not the one that its owner published the digest of, or of a secret that is not asked for.
    """
    _check(state, Unmasking, message)
    collected = state.collected
    _once(message.device, collected.devices, state.answered, "shares revealed")
    revealed = dict(state.revealed)
    for s in message.shares:
        asked = sharing.SELF if s.device in collected.devices else sharing.KEY
        if s.device not in collected.mask_keys or s.kind != asked:
            raise DataError("a share is revealed that was not asked for")
        known = collected.digests.get((s.device, message.device, s.kind))
        if known != sharing.digest(collected.round.context, s.device, message.device, s.kind, s.share):
            raise DataError("a share is revealed that is not the one its owner made")
        revealed[s.device, s.kind] = {**revealed.get((s.device, s.kind), {}), message.device: s.share}
    return replace(state, answered=state.answered | {message.device}, revealed=revealed)


def enough(state: Unmasking) -> bool:
    """Whether the shares revealed recover all masks, so that the round can be finished without waiting on."""
    _expect(state, Unmasking, "enough")
    threshold = state.collected.topology.threshold
    return all(len(state.revealed.get(secret, ())) >= threshold for secret in _needed(state.collected))


def finish(state: Unmasking) -> SecureSum:
    """Takes the masks off the sum: the self masks of those in it, and the pairwise masks with those that dropped out.

    Raises:
      AbortedError: a secret has fewer shares revealed than the threshold, or was not split as its owner said.
    """
    if not enough(state):
        raise AbortedError("too few devices revealed their shares: the masks can't be recovered")
    collected = state.collected
    context, layout = collected.round.context, collected.round.layout
    vectors = tuple(vector.copy() for vector in collected.masked)
    for owner, kind in _needed(collected):
        threshold, neighbours = collected.topology.threshold, collected.neighbours[owner]
        seed = sharing.combine(state.revealed[owner, kind], threshold, neighbours)
        if kind == sharing.SELF:
            if sharing.commitment(context, owner, seed) != collected.commitments[owner]:
                raise AbortedError(
                    f"device {owner.hex()[:8]} split another self mask than it said: leave it out of the next round"
                )
            add_mask(layout, vectors, self_mask_key(seed, context, owner), -1)
        else:
            key = keys.mask_key(seed, context, owner)
            if keys.public(key) != collected.mask_keys[owner]:
                raise AbortedError(
                    f"device {owner.hex()[:8]} split another mask key than it said: leave it out of the next round"
                )
            for other in _holders(collected, owner):
                pair = pairwise_mask_key(key, collected.mask_keys[other], context, owner, other)
                # As its owner would have added it: the other's half of it is gone then.
                add_mask(layout, vectors, pair, pairwise_sign(owner, other))
    return SecureSum(ring.reduce(layout, vectors), collected.devices)


def _needed(state: Collecting) -> list[tuple[bytes, bytes]]:
    """Owner and kind of the secrets that take the masks off: none of a device that dropped out with all its neighbours."""
    lost = [d for d in state.mask_keys if d not in state.devices and _holders(state, d)]
    return [(d, sharing.SELF) for d in sorted(state.devices)] + [(d, sharing.KEY) for d in sorted(lost)]


def _holders(state: Collecting, device: bytes) -> list[bytes]:
    """The device's neighbours that are in the sum: who can reveal shares of its secrets."""
    return [n for n in state.neighbours[device] if n in state.devices]


def _expect(state: AnyState, expected: type, what: str) -> None:
    if not isinstance(state, expected):
        raise DataError(f"{what} while the round is {type(state).__name__.lower()}")


def _check(state: AnyState, expected: type, message: Advert | Shares | MaskedInput | Reveal) -> None:
    _expect(state, expected, type(message).__name__)
    if message.context != state.round.context:
        raise DataError("the message belongs to another round, model or layout")


def _once(device: bytes, allowed: Collection[bytes], had: Collection[bytes], what: str) -> None:
    if device not in allowed:
        raise DataError(f"device {device.hex()[:8]} takes no part in this step of the round")
    if device in had:
        raise DataError(f"device {device.hex()[:8]} has sent its {what} before")


def _enough(devices: int, minimum: int, did: str) -> None:
    if devices < minimum:
        raise AbortedError(f"{devices} devices {did}, fewer than the {minimum} that the round needs")
