"""A device's part in one secure round: it makes the message of each stage once, and in order."""

import secrets
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.errors import DataError
from federation.protocol.api_messages import CONSISTENCY, KEYS, REPORTING, SHARES, UNMASKING
from federation.protocol.secure_aggregation import client
from federation.protocol.secure_aggregation.binary_messages import BinaryMessage
from federation.protocol.secure_aggregation.client import Advertised, Confirmed, DeviceState, Masked, Random, Shared
from federation.protocol.secure_aggregation.messages import (
    Confirmations,
    Delivery,
    Neighbourhood,
    SecureRound,
    Survivors,
)
from federation.protocol.secure_aggregation.modular_vectors import UnsignedArray

LazyVectors = Callable[[], Sequence[UnsignedArray]]  # the device's part of the sum: values of the round's layout


class DeviceRound:
    """A device in one secure round. Sending and receiving is up to the caller.

    1. `keys`: the device draws two key pairs for this round and sends the public keys, signed with its identity key.
    2. `shares`: it receives its neighbours' keys (`Neighbourhood`), checks their signatures, and sends shares of the secrets
       behind its masks, one for each neighbour and encrypted for it.
    3. `reporting`: it receives the neighbours' shares (`Delivery`), computes its vectors, and sends them under its masks. From
       here on it keeps none of its own secrets.
    4. `consistency`: it learns which devices are in the sum (`Survivors`) and signs their list.
    5. `unmasking`: it receives its neighbours' signatures (`Confirmations`), checks that they are over the same list, and reveals
       one share of each neighbour: of the self mask of a neighbour in the sum, of the mask key of any other. It keeps nothing
       afterwards.

    These rules hold whatever the coordinator sends, and make the guarantees of `secure_aggregation.client` hold:

    - Each state is handed to one function, once, and replaced by its successor before the message is returned. The device
      therefore never puts two vectors under the same masks, whose difference would be in the clear, never signs two lists of
      survivors, and never reveals both secrets of a neighbour.
    - The message of a stage is made once and kept as bytes. When the stage is requested again, because a message or its answer
      was lost, those bytes are returned, whatever the coordinator sends with the second request. The device thus reveals once.
    - A stage out of order, and a message for another round, device or stage, raises a `DataError` and changes nothing.
    - A failure while the vectors are computed changes nothing either: no mask has been used, and the stage may be tried again.

    State and messages live in memory only. A device that restarts has left the round. The caller limits the number of
    rounds on one model (`keyboard_app.federating.model_history`), because two sums over the same model can be compared.
    """

    def __init__(
        self, secure_round: SecureRound, identity: Ed25519PrivateKey, random: Random = secrets.token_bytes
    ) -> None:
        """Begins a round. `random` takes a number and returns as many unpredictable bytes; only tests replace the default."""
        self.round = secure_round
        self._identity, self._random = identity, random
        self._state: DeviceState | None = None
        self._given: dict[str, bytes] = {}  # the messages made, by stage

    def has(self, stage: str) -> bool:
        """Returns whether the message of a stage exists. The input of that stage then need not be fetched again."""
        return stage in self._given

    def check(self, stage: str, needed: bytes) -> None:
        """Raises a DataError if `message` would refuse these arguments. Call it before a long computation of vectors."""
        if stage not in self._given:
            self._step(stage, needed)

    def message(self, stage: str, needed: bytes, vectors: LazyVectors) -> bytes:
        """Returns the device's message of a stage, the same bytes each time.

        Args:
          stage: KEYS, SHARES, REPORTING, CONSISTENCY or UNMASKING of `api_messages`.
          needed: the coordinator's message for the stage; empty for KEYS.
          vectors: computes the device's vectors; called in REPORTING only, after `needed` is checked.

        Raises:
          DataError: the stage is unknown or out of order, `needed` is not the coordinator's message to this device for it, or the
            vectors do not fit the round's layout. Errors of `vectors` pass through.
        """
        if stage not in self._given:
            state, made = self._step(stage, needed)(vectors)
            self._state, self._given[stage] = state, made.to_bytes()
        return self._given[stage]

    def _step(self, stage: str, needed: bytes) -> Callable[[LazyVectors], tuple[DeviceState, BinaryMessage]]:
        """Returns the function that makes the message of a stage and the state after it, once its input is checked."""
        state = self._state
        if stage == KEYS and state is None:
            return lambda _: client.advertise(self.round, self._identity, self._random)
        if stage == SHARES and isinstance(state, Advertised):
            neighbourhood = Neighbourhood.from_bytes(needed)
            client.check(state, Advertised, neighbourhood)
            return lambda _: client.share(state, neighbourhood, self._random)
        if stage == REPORTING and isinstance(state, Shared):
            delivery = Delivery.from_bytes(needed)
            client.check_delivery(state, delivery)
            return lambda vectors: client.mask(state, delivery, vectors())
        if stage == CONSISTENCY and isinstance(state, Masked):
            survivors = Survivors.from_bytes(needed)
            client.check(state, Masked, survivors)
            return lambda _: client.confirm(state, survivors, self._identity)
        if stage == UNMASKING and isinstance(state, Confirmed):
            confirmations = Confirmations.from_bytes(needed)
            client.check(state, Confirmed, confirmations)
            return lambda _: client.reveal(state, confirmations)
        if stage not in (KEYS, SHARES, REPORTING, CONSISTENCY, UNMASKING):
            raise DataError(f"the coordinator requests the stage {stage!r}, which this device does not know: update it")
        done = "has not begun the round" if state is None else f"has {type(state).__name__.lower()}"
        raise DataError(f"the stage {stage} is out of order: this device {done}")
