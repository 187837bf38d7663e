"""A device's side of a secure round: five states, each left by one message for the next. Nothing here does input or output.

Bonawitz et al. 2017, Section 4 and Figure 4, with the neighbours of Bell et al. 2020:

    `advertise`                         -> Advertised, Advert         two fresh key pairs, signed by the identity key
    `share`   on Neighbourhood          -> Shared, Shares             both secrets split among neighbours with valid signatures
    `mask`    on Delivery, with vectors -> Masked, MaskedInput        the vectors under the self mask and one for each neighbour
    `confirm` on Survivors              -> Confirmed, Confirmation    its signature over all devices in the sum
    `reveal`  on Confirmations          -> Revealed, Reveal           one share of each neighbour: of its self mask if it survived,
                                                                      else of its mask key

**Hand each state to one function once**, and before the message is sent, replace the state by the one that the function returns.
A device then reveals once in a round, never reveals both secrets of a neighbour, and never puts two vectors under the same masks,
whose difference would be in the clear. A lost message is sent again as the same bytes, not made again.
`federation.protocol.device_round` follows these rules. A message that is not for this round, this device and this state raises
`DataError`; the device then leaves the round, or waits in the same state for the right message.

**What is guaranteed.** The coordinator learns the sum over the survivors and nothing else about a device's own vectors, as long as
it follows the protocol, enrols no devices of its own, and fewer of a device's neighbours than the threshold tell it what they know
(honest but curious: Section 6 of the paper proves it for complete graphs, Section 3 of Bell et al. for others). An attacker
between devices and coordinator cannot replace a device's keys, because a device signs its keys for this round with the key that is
its name. Only the coordinator vouches that a name belongs to an enrolled device.

**A coordinator that lies about who dropped out** learns only one of a device's two secrets: the threshold is more than half of the
neighbours, so they would have to reveal twice. It also cannot tell devices different survivors, in order to unmask the sum over
fewer devices than those were told that helped to unmask it. (A few others in the sum may have been told another list: they reveal
nothing.) A device signs the whole list of survivors, once in a round, and reveals nothing before it
has seen as many signatures of its neighbours over the same list as the threshold. Two lists would need two signatures of one
honest neighbour. The whole list is signed, not the part that a device's neighbours make up, because two devices see different
parts. On a ring, two lists could still each find believers far apart from each other. Between them stand devices that see too few
signatures for either list and reveal nothing, and masks shared with these cannot be removed.

There is no protection against a coordinator's other lies (invented devices, a ring of its choice), nor against a device that sends
false vectors and so spoils the sum.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from data.errors import DataError, UserFacingError
from federation.protocol.secure_aggregation import keys, modular_vectors, sharing
from federation.protocol.secure_aggregation.masking import add_mask, pairwise_mask_key, pairwise_sign, self_mask_key
from federation.protocol.secure_aggregation.messages import (
    Advert,
    Confirmation,
    Confirmations,
    Delivery,
    MaskedInput,
    Neighbourhood,
    OpenShare,
    Reveal,
    SecureRound,
    Shares,
    Survivors,
)
from federation.protocol.secure_aggregation.modular_vectors import UnsignedArray
from federation.protocol.secure_aggregation.neighbours import MIN_DEVICES, keeps_secrets

Random = Callable[[int], bytes]  # takes a number and returns as many unpredictable bytes, as `secrets.token_bytes` does


@dataclass(frozen=True)
class Advertised:
    """The state after step 0: the device has made its keys and announced the public ones."""

    round: SecureRound
    device: bytes
    cipher_key: X25519PrivateKey = field(repr=False)
    mask_seed: bytes = field(repr=False)


@dataclass(frozen=True)
class Shared:
    """The state after step 1: the secrets are split, and nothing that depends on the vectors has left the device."""

    round: SecureRound
    device: bytes
    threshold: int
    mask_keys: dict[bytes, bytes]  # public keys of the pairwise masks, by neighbour
    agreed: dict[bytes, bytes] = field(repr=False)  # secrets that encrypt the shares, by neighbour
    mask_seed: bytes = field(repr=False)
    self_seed: bytes = field(repr=False)


@dataclass(frozen=True)
class Masked:
    """The state after step 2: the masked vectors are made, and the device has kept none of its own secrets."""

    round: SecureRound
    device: bytes
    threshold: int
    neighbours: frozenset[bytes]
    # By owner, by kind; empty if they could not be opened.
    shares: dict[bytes, dict[bytes, bytes]] = field(repr=False)


@dataclass(frozen=True)
class Confirmed:
    """The state after step 3: the device has signed the list of survivors that it was told."""

    round: SecureRound
    device: bytes
    threshold: int
    digest: bytes  # of the list
    survivors: frozenset[bytes]  # the neighbours in the list
    shares: dict[bytes, dict[bytes, bytes]] = field(repr=False)  # as in `Masked`


@dataclass(frozen=True)
class Revealed:
    """The state after step 4: the device is done with the round, and has kept nothing."""

    round: SecureRound
    device: bytes


DeviceState = Advertised | Shared | Masked | Confirmed | Revealed


def advertise(secure_round: SecureRound, identity: Ed25519PrivateKey, random: Random) -> tuple[Advertised, Advert]:
    """Makes the round's keys and signs the public ones: step 0."""
    device, context = keys.device_id(identity), secure_round.context
    cipher_key, seed = X25519PrivateKey.from_private_bytes(random(32)), random(keys.SEED_SIZE)
    advert = keys.sign(identity, context, keys.public(cipher_key), keys.public(keys.mask_key(seed, context, device)))
    return Advertised(secure_round, device, cipher_key, seed), advert


def share(state: Advertised, message: Neighbourhood, random: Random) -> tuple[Shared, Shares]:
    """Splits the seeds of the mask key and of the self mask among the neighbours: step 1.

    Raises:
      DataError: the message is not for this state, names too few neighbours, repeats a neighbour or a key, contains a key that its
        device has not signed, or has a threshold of at most half of the neighbours or above their number (`keeps_secrets`).
    """
    check(state, Advertised, message)
    context, me, neighbours = state.round.context, state.device, {n.device: n for n in message.neighbours}
    if me in neighbours or len(neighbours) < len(message.neighbours):
        raise DataError("a neighbourhood names a device twice")
    if not keeps_secrets(message.threshold, len(neighbours)):
        raise DataError(
            f"a threshold of {message.threshold} of {len(neighbours)} neighbours does not keep this device's secrets: "
            "it takes more than half of at least two"
        )
    public = [key for n in message.neighbours for key in (n.cipher_key, n.mask_key)]
    if len(set(public)) < len(public):
        raise DataError("a neighbourhood contains a key twice")
    for n in message.neighbours:
        keys.verify(Advert(context, n.device, n.cipher_key, n.mask_key, n.signature))

    self_seed, ordered = random(keys.SEED_SIZE), sorted(neighbours)
    key_shares = sharing.split(state.mask_seed, message.threshold, ordered, random)
    self_shares = sharing.split(self_seed, message.threshold, ordered, random)
    agreed = {other: keys.agree(state.cipher_key, neighbours[other].cipher_key) for other in ordered}
    sealed = [sharing.seal(agreed[n], context, me, n, key_shares[n], self_shares[n]) for n in ordered]
    mask_keys = {other: neighbours[other].mask_key for other in ordered}
    shared = Shared(state.round, me, message.threshold, mask_keys, agreed, state.mask_seed, self_seed)
    return shared, Shares(context, me, sharing.commitment(context, me, self_seed), tuple(sealed))


def mask(state: Shared, message: Delivery, vectors: Sequence[UnsignedArray]) -> tuple[Masked, MaskedInput]:
    """Masks the device's vectors with the neighbours that have shared: step 2.

    Shares that cannot be opened are left out. That is their owner's fault, and the owner's secrets may then not be recovered.

    Args:
      state: after `share`.
      message: the neighbours' shares.
      vectors: the device's part of the sum: unsigned integers below 2^bits for each segment of the round's layout.

    Raises:
      DataError: as `check_delivery`, or the vectors do not fit the layout.
    """
    check_delivery(state, message)
    context, me, layout = state.round.context, state.device, state.round.layout
    masked = modular_vectors.as_vectors(layout, vectors)
    key, opened = keys.mask_key(state.mask_seed, context, me), dict[bytes, dict[bytes, bytes]]()
    for shares in message.shares:
        other = shares.device
        pair = pairwise_mask_key(key, state.mask_keys[other], context, me, other)
        add_mask(layout, masked, pair, pairwise_sign(me, other))
        try:
            opened[other] = sharing.unseal(state.agreed[other], context, other, me, shares)
        except UserFacingError:
            opened[other] = {}
    add_mask(layout, masked, self_mask_key(state.self_seed, context, me), 1)
    packed = modular_vectors.pack(layout, modular_vectors.reduce(layout, masked))
    masked_state = Masked(state.round, me, state.threshold, frozenset(state.mask_keys), opened)
    return masked_state, MaskedInput(context, me, packed)


def check_delivery(state: Shared, message: Delivery) -> None:
    """Checks the shares that a device masks with. Call it before the device computes its vectors.

    Raises:
      DataError: the message is not for this state, or its shares are from devices that are not neighbours, from a device twice,
        or from fewer devices than the threshold.
    """
    check(state, Shared, message)
    owners = {s.device for s in message.shares}
    if len(owners) < len(message.shares) or owners - state.mask_keys.keys():
        raise DataError("a delivery must contain the shares of each neighbour once, and of no other device")
    if len(owners) < state.threshold:
        raise DataError(f"{len(owners)} neighbours are left, fewer than the threshold of {state.threshold}")


def confirm(state: Masked, message: Survivors, identity: Ed25519PrivateKey) -> tuple[Confirmed, Confirmation]:
    """Signs the list of survivors that the coordinator tells this device: step 3.

    Raises:
      DataError: the message is not for this state (which a second one never is); it names a device twice, fewer than three devices
        or neighbours than the threshold, or a neighbour that this device did not mask with; or it leaves this device out.
    """
    check(state, Masked, message)
    named = frozenset(s.device for s in message.survivors)
    if len(named) < max(len(message.survivors), MIN_DEVICES) or state.device not in named:
        raise DataError(
            f"the survivors must be {MIN_DEVICES} devices or more, each named once, and this device among them"
        )
    survivors = named & state.neighbours
    if survivors - state.shares.keys():
        raise DataError("a neighbour that this device did not mask with is named as a survivor")
    if len(survivors) < state.threshold:
        raise DataError(
            f"{len(survivors)} neighbours survived, fewer than the threshold of {state.threshold}: nothing is revealed"
        )
    context, digest = state.round.context, keys.survivors_digest(named)
    signature = keys.sign_survivors(identity, context, digest)
    confirmed = Confirmed(state.round, state.device, state.threshold, digest, survivors, state.shares)
    return confirmed, Confirmation(context, state.device, signature)


def reveal(state: Confirmed, message: Confirmations) -> tuple[Revealed, Reveal]:
    """Reveals the one share of each neighbour that unmasks the sum: step 4.

    Raises:
      DataError: the message is not for this state (which a second one never is), or a signature in it is not a surviving
        neighbour's over the same survivors, is there twice, or fewer are there than the threshold.
    """
    check(state, Confirmed, message)
    signers = {c.device for c in message.confirmers}
    if len(signers) < len(message.confirmers) or signers - state.survivors:
        raise DataError("the survivors must be confirmed by neighbours of this device that survived, once each")
    if len(signers) < state.threshold:
        raise DataError(
            f"{len(signers)} neighbours confirm the survivors, fewer than the threshold of {state.threshold}: "
            "nothing is revealed"
        )
    for c in message.confirmers:
        keys.verify_survivors(c.device, state.round.context, state.digest, c.signature)
    open_shares = []
    for owner, shares in state.shares.items():
        kind = sharing.SELF if owner in state.survivors else sharing.KEY
        if shares:
            open_shares.append(OpenShare(owner, kind, shares[kind]))
    return Revealed(state.round, state.device), Reveal(state.round.context, state.device, tuple(open_shares))


def check(
    state: DeviceState, expected: type[DeviceState], message: Neighbourhood | Delivery | Survivors | Confirmations
) -> None:
    """Raises a DataError unless the state is the expected one and the message is for its round and device."""
    if not isinstance(state, expected):
        raise DataError(f"a device that has {type(state).__name__.lower()} accepts no {type(message).__name__}")
    if message.context != state.round.context:
        raise DataError("the message belongs to another round, model or layout")
    if message.device != state.device:
        raise DataError("the message is for another device")
