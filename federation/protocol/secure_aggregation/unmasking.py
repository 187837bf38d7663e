"""How the masks come off a sum: devices reveal shares, the secrets are recovered from them, and what they masked is subtracted.

The last step of `secure_server`, whose rules hold here: Bonawitz et al. 2017, Figure 4, round 4.
"""

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
    expect,
    holders,
    once,
)


def _needed(state: Collecting) -> tuple[tuple[bytes, bytes], ...]:
    """Owner and kind of the secrets that take the masks off: none of a device that dropped out with all its neighbours."""
    lost = [d for d in state.mask_keys if d not in state.devices and holders(state, d)]
    return (*((d, sharing.SELF) for d in sorted(state.devices)), *((d, sharing.KEY) for d in sorted(lost)))


def begin(state: Collecting) -> Unmasking:
    """The masked inputs are all there: what is needed to take the masks off.

    Raises:
      RoundAbortedError: too few neighbours of a device are in the sum to recover its secret.
    """
    secrets = _needed(state)
    for owner, _ in secrets:
        if len(holders(state, owner)) < state.topology.threshold:
            raise RoundAbortedError(
                "too many devices dropped out: the masks of one can't be recovered from the neighbours that are left"
            )
    return Unmasking(state, secrets, len(secrets), frozenset(), {})


def receive_reveal(state: Unmasking, message: Reveal) -> Unmasking:
    """Takes the shares that a device reveals.

    Raises:
      DataError: the message is not for this state and round, or from a device that is not in the sum or has revealed; a share is
        not the one that its owner published the digest of, or of a secret that is not asked for.
    """
    check(state, Unmasking, message)
    collected = state.collected
    once(message.device, collected.devices, state.answered, "shares revealed")
    revealed = dict(state.revealed)
    threshold, missing = collected.topology.threshold, state.missing
    for s in message.shares:
        asked = sharing.SELF if s.device in collected.devices else sharing.KEY
        if s.device not in collected.mask_keys or s.kind != asked:
            raise DataError("a share is revealed that was not asked for")
        known = collected.digests.get((s.device, message.device, s.kind))
        if known != sharing.digest(collected.round.context, s.device, message.device, s.kind, s.share):
            raise DataError("a share is revealed that is not the one its owner made")
        before = revealed.get((s.device, s.kind), {})
        revealed[s.device, s.kind] = {**before, message.device: s.share}
        missing -= len(before) < threshold == len(revealed[s.device, s.kind])
    return replace(state, missing=missing, answered=state.answered | {message.device}, revealed=revealed)


def enough(state: Unmasking) -> bool:
    """Whether the shares revealed recover all masks, so that the round can be finished without waiting on."""
    expect(state, Unmasking, "enough")
    return not state.missing


def finish(state: Unmasking) -> SecureSum:
    """Takes the masks off the sum: the self masks of those in it, and the pairwise masks with those that dropped out.

    Raises:
      RoundAbortedError: a secret has fewer shares revealed than the threshold, or was not split as its owner said.
    """
    if not enough(state):
        raise RoundAbortedError("too few devices revealed their shares: the masks can't be recovered")
    collected = state.collected
    context, layout = collected.round.context, collected.round.layout
    vectors = tuple(vector.copy() for vector in collected.masked.vectors)
    for owner, kind in state.needed:
        threshold, neighbours = collected.topology.threshold, collected.neighbours[owner]
        seed = sharing.combine(state.revealed[owner, kind], threshold, neighbours)
        if kind == sharing.SELF:
            if sharing.commitment(context, owner, seed) != collected.commitments[owner]:
                raise RoundAbortedError(
                    f"device {owner.hex()[:8]} split another self mask than it said: leave it out of the next round"
                )
            add_mask(layout, vectors, self_mask_key(seed, context, owner), -1)
        else:
            key = keys.mask_key(seed, context, owner)
            if keys.public(key) != collected.mask_keys[owner]:
                raise RoundAbortedError(
                    f"device {owner.hex()[:8]} split another mask key than it said: leave it out of the next round"
                )
            for other in holders(collected, owner):
                pair = pairwise_mask_key(key, collected.mask_keys[other], context, owner, other)
                # As its owner would have added it: the other's half of it is gone then.
                add_mask(layout, vectors, pair, pairwise_sign(owner, other))
    return SecureSum(modular_vectors.reduce(layout, vectors), collected.devices)
