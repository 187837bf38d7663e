"""Unmasking a sum: devices reveal shares, these recover secrets, and the masks made from the secrets are subtracted from the sum.

The last step of `server`, whose rules hold here: Bonawitz et al. 2017, Figure 4, round 4.
"""

from collections.abc import Collection
from dataclasses import replace

from data.errors import DataError
from federation.protocol.secure_aggregation import keys, modular_vectors, sharing
from federation.protocol.secure_aggregation.masking import add_mask, pairwise_mask_key, pairwise_sign, self_mask_key
from federation.protocol.secure_aggregation.messages import Reveal
from federation.protocol.secure_aggregation.states import (
    Collecting,
    RoundAbortedError,
    SecureSum,
    Unmasking,
    check,
    check_sender,
    expect,
    holders,
)


def _needed(state: Collecting) -> tuple[tuple[bytes, bytes], ...]:
    """Returns owner and kind of each secret that unmasks the sum: none of a device that dropped out with all its neighbours."""
    lost = [d for d in state.mask_keys if d not in state.devices and holders(state, d)]
    return (*((d, sharing.SELF) for d in sorted(state.devices)), *((d, sharing.KEY) for d in sorted(lost)))


def check_recoverable(state: Collecting, revealing: Collection[bytes]) -> None:
    """Raises a RoundAbortedError unless the devices that can reveal shares can recover every secret that is needed."""
    for owner, _ in _needed(state):
        if sum(holder in revealing for holder in holders(state, owner)) < state.topology.threshold:
            raise RoundAbortedError(
                "too many devices dropped out: too few neighbours of one are left to recover its masks"
            )


def begin(state: Collecting, revealing: frozenset[bytes]) -> Unmasking:
    """Begins the step once the devices have confirmed the survivors: determines the secrets that are needed.

    Raises:
      RoundAbortedError: too few of a device's neighbours can reveal shares of its secret.
    """
    check_recoverable(state, revealing)
    secrets = _needed(state)
    return Unmasking(state, revealing, secrets, len(secrets), frozenset(), {})


def receive_reveal(state: Unmasking, message: Reveal) -> Unmasking:
    """Takes the shares that a device reveals.

    Raises:
      DataError: the message is not for this state and round, or is from a device that may not reveal or has revealed before; a
        share does not match its owner's digest, or is of a secret that was not requested.
    """
    check(state, Unmasking, message)
    collected = state.collected
    check_sender(message.device, state.revealing, state.answered, "shares revealed")
    revealed = dict(state.revealed)
    threshold, missing = collected.topology.threshold, state.missing
    for s in message.shares:
        asked = sharing.SELF if s.device in collected.devices else sharing.KEY
        if s.device not in collected.mask_keys or s.kind != asked:
            raise DataError("a share is revealed that was not requested")
        known = collected.digests.get((s.device, message.device, s.kind))
        if known != sharing.digest(collected.round.context, s.device, message.device, s.kind, s.share):
            raise DataError("a share is revealed that does not match its owner's digest")
        before = revealed.get((s.device, s.kind), {})
        revealed[s.device, s.kind] = {**before, message.device: s.share}
        missing -= len(before) < threshold == len(revealed[s.device, s.kind])
    return replace(state, missing=missing, answered=state.answered | {message.device}, revealed=revealed)


def enough(state: Unmasking) -> bool:
    """Returns whether the shares revealed so far recover all masks, so that the round can be finished."""
    expect(state, Unmasking, "enough")
    return not state.missing


def disputes(state: Unmasking) -> frozenset[tuple[bytes, bytes]]:
    """Returns the pairs of devices that contradict each other about a secret with too few shares: owner and holder.

    The holder has answered and revealed no share of the owner's secret, as if the owner had sent it none that it can open. One of
    the two lies: nobody but the owner could encrypt the shares, and nobody but the holder could decrypt them.
    """
    collected = state.collected
    found = set[tuple[bytes, bytes]]()
    for owner, kind in state.needed:
        shares = state.revealed.get((owner, kind), {})
        if len(shares) < collected.topology.threshold:
            found |= {(owner, h) for h in holders(collected, owner) if h in state.answered and h not in shares}
    return frozenset(found)


def finish(state: Unmasking) -> SecureSum:
    """Unmasks the sum: subtracts the self masks of its devices, and their pairwise masks with devices that dropped out.

    Raises:
      RoundAbortedError: fewer shares of a secret were revealed than the threshold, or owners split other secrets than they
        announced; the error names these.
    """
    if not enough(state):
        raise RoundAbortedError("too few devices revealed their shares: the masks cannot be recovered")
    collected = state.collected
    context, layout = collected.round.context, collected.round.layout
    vectors = tuple(vector.copy() for vector in collected.masked.vectors)
    culprits = set[bytes]()
    for owner, kind in state.needed:
        threshold, neighbours = collected.topology.threshold, collected.neighbours[owner]
        seed = sharing.combine(state.revealed[owner, kind], threshold, neighbours)
        if kind == sharing.SELF:
            if sharing.commitment(context, owner, seed) != collected.commitments[owner]:
                culprits.add(owner)
                continue
            add_mask(layout, vectors, self_mask_key(seed, context, owner), -1)
        else:
            key = keys.mask_key(seed, context, owner)
            if keys.public(key) != collected.mask_keys[owner]:
                culprits.add(owner)
                continue
            for other in holders(collected, owner):
                pair = pairwise_mask_key(key, collected.mask_keys[other], context, owner, other)
                # Added as its owner would have done, it cancels the other device's half.
                add_mask(layout, vectors, pair, pairwise_sign(owner, other))
    if culprits:  # their shares match the digests that they published, so that nobody else can be at fault
        named = ", ".join(sorted(device.hex()[:8] for device in culprits))
        raise RoundAbortedError(f"devices split other secrets than they announced: {named}", culprits)
    return SecureSum(modular_vectors.reduce(layout, vectors), collected.devices)
