"""The coordinator's side of a secure round: five states, each filled by the devices' messages and then closed.

Bonawitz et al. 2017, Figure 4, with the neighbours of Bell et al. 2020 (the docstring of `client` says what is guaranteed):

    `open_round`     -> Advertising      `receive_advert`  until `close_adverts` -> Sharing, a Neighbourhood for each device
    Sharing:                             `receive_shares`  until `close_shares`  -> Collecting, a Delivery for each
    Collecting:                          `receive_masked`  until `close_masked`  -> Confirming, Survivors for each
    Confirming:                  `receive_confirmation` until `close_confirmations` -> Unmasking, Confirmations for each
    Unmasking:                           `unmasking.receive_reveal` until `enough`, then `finish` -> the sum and its devices

Every function returns a new state and changes only the running sum (`RunningSum`). There is no clock, and no randomness but the
seed of `close_adverts`, so that the same messages in the same order give the same states. A message that is refused (`DataError`)
leaves the round as it was. `RoundAbortedError`, from a `close_…` function or `finish`, ends the round with nothing revealed.
Masked inputs are added to the sum as they arrive and not kept. The transport has to check who sent a message, and the caller of
`open_round` decides who may take part.
"""

from collections.abc import Collection
from dataclasses import replace

from data.errors import DataError, UserFacingError
from federation.protocol.secure_aggregation import keys, modular_vectors, sharing, unmasking
from federation.protocol.secure_aggregation.messages import (
    Advert,
    Confirmation,
    Confirmations,
    Confirmer,
    Delivery,
    MaskedInput,
    Neighbour,
    Neighbourhood,
    SealedShares,
    SecureRound,
    Shares,
    Survivor,
    Survivors,
)
from federation.protocol.secure_aggregation.neighbours import MIN_DEVICES, Assumptions, choose, connect, connected
from federation.protocol.secure_aggregation.states import (
    Advertising,
    Collecting,
    Confirming,
    RoundAbortedError,
    RunningSum,
    Sharing,
    Unmasking,
    check,
    check_number,
    check_sender,
    expect,
    holders,
)


def open_round(secure_round: SecureRound, invited: Collection[bytes], minimum: int = MIN_DEVICES) -> Advertising:
    """Opens a round to enrolled devices. It ends in a sum over at least `minimum` of them or is aborted.

    Raises:
      DataError: the minimum is below three, or above the number of devices invited.
    """
    if not MIN_DEVICES <= minimum <= len(set(invited)):
        raise DataError(
            f"a secure round needs at least {MIN_DEVICES} devices and invites at least as many as it needs: "
            f"{minimum} are needed and {len(invited)} invited"
        )
    return Advertising(secure_round, frozenset(invited), minimum, {}, frozenset())


def receive_advert(state: Advertising, message: Advert) -> Advertising:
    """Takes a device's keys.

    Raises:
      DataError: the message is not for this state and round, or is from a device that is not invited or has sent one before; the
        device has not signed its keys, they cannot be agreed with, or another device has them.
    """
    check(state, Advertising, message)
    check_sender(message.device, state.invited, state.adverts, "keys")
    keys.verify(message)
    for key in (message.cipher_key, message.mask_key):
        keys.check_agreeable(key)
        if key in state.keys:
            raise DataError("another device has this key")
    known = state.keys | {message.cipher_key, message.mask_key}
    return replace(state, adverts={**state.adverts, message.device: message}, keys=known)


def close_adverts(
    state: Advertising, assumptions: Assumptions, seed: int
) -> tuple[Sharing, dict[bytes, Neighbourhood]]:
    """Draws the graph over the devices that announced keys; returns the message for each.

    Args:
      state: the state with the adverts.
      assumptions: the failures that the graph must withstand.
      seed: seed of the graph, unpredictable until now.

    Raises:
      RoundAbortedError: there are too few devices, or too few for the assumptions.
    """
    expect(state, Advertising, "close_adverts")
    check_number(len(state.adverts), state.minimum, "announced keys")
    try:
        topology = choose(len(state.adverts), assumptions)
    except UserFacingError as error:
        raise RoundAbortedError(str(error)) from error
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
      DataError: the message is not for this state and round, or is from a device that announced no keys or has shared before; its
        shares are not one for each of its neighbours.
    """
    check(state, Sharing, message)
    check_sender(message.device, state.adverts, state.shares, "shares")
    if tuple(sorted(s.device for s in message.shares)) != state.neighbours[message.device]:
        raise DataError("shares must be for a device's neighbours, one for each")
    return replace(state, shares={**state.shares, message.device: message})


def close_shares(state: Sharing) -> tuple[Collecting, dict[bytes, Delivery]]:
    """Distributes the shares; returns the message for each device.

    A device is left out of the round if so few of its neighbours are left that they could not recover its secrets.

    Raises:
      RoundAbortedError: too few devices are left.
    """
    expect(state, Sharing, "close_shares")
    left = frozenset(state.shares)
    while out := {d for d in left if sum(n in left for n in state.neighbours[d]) < state.topology.threshold}:
        left -= out
    check_number(len(left), state.minimum, "shared their secrets")
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
        RunningSum(state.round.layout),
    )
    return collecting, {d: Delivery(state.round.context, d, tuple(inbox[d])) for d in left}


def receive_masked(state: Collecting, message: MaskedInput) -> Collecting:
    """Adds a device's masked input to the sum.

    Raises:
      DataError: the message is not for this state and round, or is from a device that has not shared or is in the sum already; its
        size is not that of the round's layout; or another input was added to this same state before.
    """
    check(state, Collecting, message)
    check_sender(message.device, state.mask_keys, state.devices, "masked input")
    state.masked.add(modular_vectors.unpack(state.round.layout, message.packed), len(state.devices))
    return replace(state, devices=state.devices | {message.device})


def count_masked(state: Collecting, device: bytes) -> Collecting:
    """Notes that a device's masked input is in a sum that is kept elsewhere (`with_sum`).

    Raises:
      DataError: the device has not shared, or is in the sum already.
    """
    expect(state, Collecting, "count_masked")
    check_sender(device, state.mask_keys, state.devices, "masked input")
    return replace(state, devices=state.devices | {device})


def with_sum(state: Unmasking, total: RunningSum) -> Unmasking:
    """Returns the last state of a round of which the masked inputs were added elsewhere, with their sum.

    Raises:
      DataError: the sum is over another number of devices.
    """
    if total.devices != len(state.collected.devices):
        raise DataError(
            f"the sum is over {total.devices} devices, not over the {len(state.collected.devices)} of the round"
        )
    return replace(state, collected=replace(state.collected, masked=total))


def close_masked(state: Collecting) -> tuple[Confirming, dict[bytes, Survivors]]:
    """Settles which devices are in the sum; returns the message for each of them.

    Raises:
      RoundAbortedError: too few devices are in the sum, a device has too few neighbours left to recover its secret, or the
        graph of the devices falls apart, so that the sums of its parts would be known.
    """
    expect(state, Collecting, "close_masked")
    check_number(len(state.devices), state.minimum, "sent their masked input")
    unmasking.check_recoverable(state, state.devices)
    if not connected(state.neighbours, state.devices):
        raise RoundAbortedError("too many devices dropped out: the sums of separate groups would be known")
    survivors = tuple(map(Survivor, sorted(state.devices)))
    messages = {d: Survivors(state.round.context, d, survivors) for d in state.devices}
    return Confirming(state, keys.survivors_digest(state.devices), {}), messages


def receive_confirmation(state: Confirming, message: Confirmation) -> Confirming:
    """Takes a device's signature over the survivors.

    Raises:
      DataError: the message is not for this state and round, or is from a device that is not in the sum or has confirmed before;
        the signature is not the device's over these survivors.
    """
    check(state, Confirming, message)
    check_sender(message.device, state.collected.devices, state.signatures, "confirmation")
    keys.verify_survivors(message.device, state.round.context, state.digest, message.signature)
    return replace(state, signatures={**state.signatures, message.device: message.signature})


def close_confirmations(state: Confirming) -> tuple[Unmasking, dict[bytes, Confirmations]]:
    """Passes on the signatures; returns the message for each device that can be shown enough of them.

    A device that confirmed is left out if fewer of its neighbours than the threshold did: it would reveal nothing.

    Raises:
      RoundAbortedError: the devices that are left cannot recover a device's secret.
    """
    expect(state, Confirming, "close_confirmations")
    collected, messages = state.collected, dict[bytes, Confirmations]()
    needed = collected.topology.threshold
    for device in state.signatures:
        signers = [n for n in holders(collected, device) if n in state.signatures][:needed]
        if len(signers) == needed:
            confirmers = tuple(Confirmer(n, state.signatures[n]) for n in signers)
            messages[device] = Confirmations(state.round.context, device, confirmers)
    return unmasking.begin(collected, frozenset(messages)), messages
