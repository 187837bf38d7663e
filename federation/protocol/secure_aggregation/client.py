"""A device's side of a secure round: four states, each left by one message for the next. Nothing here reads or writes anything.

Bonawitz et al. 2017, Section 4 and Figure 4 without its step 3, the consistency check, with the neighbours of Bell et al. 2020:

    `advertise`                         -> Advertised, Advert         two fresh key pairs, signed by the identity key
    `share`   on Neighbourhood          -> Shared, Shares             both secrets split among neighbours whose signatures hold
    `mask`    on Delivery, with vectors -> Masked, MaskedInput        the vectors under the self mask and one for each neighbour
    `reveal`  on Survivors              -> Revealed, Reveal           one share of each neighbour: of its self mask where it
                                                                      survived, else of its mask key

**Hand each state to one function once**, and put what it returns in its place before the message is sent: then a device reveals
once a round, and of no neighbour both secrets, and no two vectors are ever under the same masks, whose difference would be in the
clear. A message that gets lost is sent again as the bytes that it was, not made again. A message that is not for this round, this
device and this state raises `DataError`; the device leaves the round, or waits on for the right one in the state that it has.

**What is guaranteed.** The coordinator learns the sum over the survivors, and of a device's own vectors nothing else, as long as
it follows the protocol, enrols no devices of its own, and fewer of a device's neighbours than the threshold tell it what they know
(honest but curious: Section 6 of the paper has the proof for complete graphs, Section 3 of Bell et al. that for others). Whoever
stands between devices and coordinator can't put keys of their own in a device's place, as a device signs its keys for this very
round with the key that is its name; that a name belongs to an enrolled device is the coordinator's word. Where the threshold is
more than half of the neighbours, a coordinator that lies about who dropped out still learns only one of a device's two secrets,
as its neighbours would have to reveal twice. A coordinator's other lies (invented devices, a ring that it chose) are not guarded
against, nor is a device that lies in its own vectors: it can spoil the sum.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from data.errors import DataError, UserFacingError
from federation.protocol.secure_aggregation import keys, modular_vectors, sharing
from federation.protocol.secure_aggregation.masking import add_mask, pairwise_mask_key, pairwise_sign, self_mask_key
from federation.protocol.secure_aggregation.messages import (
    Advert,
    Delivery,
    MaskedInput,
    Neighbourhood,
    OpenShare,
    Reveal,
    SecureRound,
    Shares,
    Survivors,
)
from federation.protocol.secure_aggregation.neighbours import MIN_DEVICES

Random = Callable[[int], bytes]  # so many bytes that nobody can foretell: `secrets.token_bytes`


@dataclass(frozen=True)
class Advertised:
    """The keys are made and announced."""

    round: SecureRound
    device: bytes
    cipher_key: X25519PrivateKey = field(repr=False)
    mask_seed: bytes = field(repr=False)


@dataclass(frozen=True)
class Shared:
    """The secrets are split; nothing that depends on the vectors has left the device."""

    round: SecureRound
    device: bytes
    threshold: int
    mask_keys: dict[bytes, bytes]  # by neighbour
    agreed: dict[bytes, bytes] = field(repr=False)  # by neighbour, for the shares' encryption
    mask_seed: bytes = field(repr=False)
    self_seed: bytes = field(repr=False)


@dataclass(frozen=True)
class Masked:
    """The masked vectors are made; of its own secrets the device has kept none."""

    round: SecureRound
    device: bytes
    threshold: int
    shares: dict[bytes, dict[bytes, bytes]] = field(repr=False)  # by owner, by kind; none where they did not open


@dataclass(frozen=True)
class Revealed:
    """The device is done with the round, and has kept nothing."""

    round: SecureRound
    device: bytes


def advertise(secure_round: SecureRound, identity: Ed25519PrivateKey, random: Random) -> tuple[Advertised, Advert]:
    """Step 0: makes the round's keys and signs the public ones."""
    device, context = keys.device_id(identity), secure_round.context
    cipher_key, seed = X25519PrivateKey.from_private_bytes(random(32)), random(keys.SEED_SIZE)
    advert = keys.sign(identity, context, keys.public(cipher_key), keys.public(keys.mask_key(seed, context, device)))
    return Advertised(secure_round, device, cipher_key, seed), advert


def share(state: Advertised, message: Neighbourhood, random: Random) -> tuple[Shared, Shares]:
    """Step 1: splits the seeds of mask key and self mask among the neighbours.

    Raises:
      DataError: the message is not for this state, too few neighbours, one twice, a key twice, or one not signed by its device; or
        a threshold that would leave the secrets to one neighbour, or to none.
    """
    _check(state, Advertised, message)
    context, me, neighbours = state.round.context, state.device, {n.device: n for n in message.neighbours}
    if me in neighbours or len(neighbours) < len(message.neighbours):
        raise DataError("a device is named twice among those of a neighbourhood")
    if len(neighbours) < MIN_DEVICES - 1 or not 2 <= message.threshold <= len(neighbours):
        raise DataError(f"{len(neighbours)} neighbours and a threshold of {message.threshold} keep no secret")
    public = [key for n in message.neighbours for key in (n.cipher_key, n.mask_key)]
    if len(set(public)) < len(public):
        raise DataError("a key is there twice among those of a neighbourhood")
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


def mask(state: Shared, message: Delivery, vectors: Sequence[NDArray]) -> tuple[Masked, MaskedInput]:
    """Step 2: masks the device's vectors, for the neighbours that have shared.

    Shares that don't open, by their owner's fault, are left out: it is the owner whose secrets may then not be recovered.

    Args:
      state: after `share`.
      message: the neighbours' shares.
      vectors: what the device adds to the sum: unsigned integers below 2^bits for each segment of the round's layout.

    Raises:
      DataError: the message is not for this state, is of others than neighbours, of one twice, or of fewer than the threshold;
        or the vectors are not what the layout says.
    """
    _check(state, Shared, message)
    context, me, layout = state.round.context, state.device, state.round.layout
    shares = {s.device: s for s in message.shares}
    if len(shares) < len(message.shares) or shares.keys() - state.mask_keys.keys():
        raise DataError("a delivery holds the shares of each neighbour once, and of nobody else")
    if len(shares) < state.threshold:
        raise DataError(
            f"{len(shares)} neighbours are left, fewer than the threshold of {state.threshold}: the round is off"
        )

    masked = modular_vectors.as_vectors(layout, vectors)
    key, opened = keys.mask_key(state.mask_seed, context, me), {}
    for other in shares:
        pair = pairwise_mask_key(key, state.mask_keys[other], context, me, other)
        add_mask(layout, masked, pair, pairwise_sign(me, other))
        try:
            opened[other] = sharing.unseal(state.agreed[other], context, other, me, shares[other])
        except UserFacingError:
            opened[other] = {}
    add_mask(layout, masked, self_mask_key(state.self_seed, context, me), 1)
    packed = modular_vectors.pack(layout, modular_vectors.reduce(layout, masked))
    return Masked(state.round, me, state.threshold, opened), MaskedInput(context, me, packed)


def reveal(state: Masked, message: Survivors) -> tuple[Revealed, Reveal]:
    """Step 4: of each neighbour the share that unmasks the sum, and only that.

    Raises:
      DataError: the message is not for this state (a second one never is), or names others than neighbours that shared, one twice,
        or fewer than the threshold.
    """
    _check(state, Masked, message)
    survivors = {s.device for s in message.survivors}
    if len(survivors) < len(message.survivors) or survivors - state.shares.keys():
        raise DataError("the survivors are each named once, and none that a device has not masked with")
    if len(survivors) < state.threshold:
        raise DataError(
            f"{len(survivors)} neighbours survived, fewer than the threshold of {state.threshold}: nothing is revealed"
        )
    open_shares = []
    for owner, shares in state.shares.items():
        kind = sharing.SELF if owner in survivors else sharing.KEY
        if shares:
            open_shares.append(OpenShare(owner, kind, shares[kind]))
    return Revealed(state.round, state.device), Reveal(state.round.context, state.device, tuple(open_shares))


def _check(
    state: Advertised | Shared | Masked | Revealed, expected: type, message: Neighbourhood | Delivery | Survivors
) -> None:
    if not isinstance(state, expected):
        raise DataError(f"a device that has {type(state).__name__.lower()} takes no {type(message).__name__}")
    if message.context != state.round.context:
        raise DataError("the message belongs to another round, model or layout")
    if message.device != state.device:
        raise DataError("the message is for another device")
