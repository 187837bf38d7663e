"""The server's side of secure aggregation, stage by stage, with messages as bytes."""

import secrets
from collections.abc import Collection, Mapping
from typing import TypeVar

from data.errors import DataError
from federation.coordinator.round_machine import Rules, Stage
from federation.protocol.api_messages import PlanOfRound, secure_round
from federation.protocol.secure_aggregation import modular_vectors, server, unmasking
from federation.protocol.secure_aggregation.binary_messages import BinaryMessage
from federation.protocol.secure_aggregation.messages import Advert, Confirmation, MaskedInput, Reveal, Shares
from federation.protocol.secure_aggregation.neighbours import Assumptions
from federation.protocol.secure_aggregation.states import Advertising, Collecting, Confirming, Sharing, Unmasking

_ASSUMPTIONS = Assumptions()

_State = TypeVar("_State", Advertising, Sharing, Collecting, Confirming, Unmasking)
_Message = TypeVar("_Message", Advert, Shares, MaskedInput, Confirmation, Reveal)


class SecureSummation:
    """The states of `federation.protocol.secure_aggregation.server` for one round; implements `round_machine.Summation`."""

    def __init__(self, plan: PlanOfRound, rules: Rules) -> None:
        self._round, self._rules = secure_round(plan), rules
        self._state: Advertising | Sharing | Collecting | Confirming | Unmasking | None = None
        self._messages: Mapping[bytes, BinaryMessage] = {}  # for each device, in the current stage

    def open(self, devices: Collection[str]) -> None:
        """Starts with the selected devices, whose keys come next. Raises a DataError if they are too few."""
        self._state = server.open_round(self._round, [bytes.fromhex(d) for d in devices], self._rules.minimum)

    def receive(self, stage: Stage, device: str, message: bytes) -> None:
        """Takes a device's message of a stage. Raises a DataError, and changes nothing, if anything is wrong with it."""
        match stage:
            case Stage.KEYS:
                self._state = server.receive_advert(self._at(Advertising), _read(Advert, message, device))
            case Stage.SHARES:
                self._state = server.receive_shares(self._at(Sharing), _read(Shares, message, device))
            case Stage.REPORTING:
                self._state = server.receive_masked(self._at(Collecting), _read(MaskedInput, message, device))
            case Stage.CONSISTENCY:
                confirmation = _read(Confirmation, message, device)
                self._state = server.receive_confirmation(self._at(Confirming), confirmation)
            case Stage.UNMASKING:
                self._state = unmasking.receive_reveal(self._at(Unmasking), _read(Reveal, message, device))
            case _:
                raise DataError(f"devices send nothing in {stage}")

    def close(self, stage: Stage) -> set[str]:
        """Ends a stage; returns the devices that continue. Raises a RoundAbortedError if they are too few."""
        match stage:
            case Stage.KEYS:
                # The graph's seed is drawn after the keys, so that no device can choose its keys by the graph.
                self._state, self._messages = server.close_adverts(self._at(Advertising), _ASSUMPTIONS, self._seed())
            case Stage.SHARES:
                self._state, self._messages = server.close_shares(self._at(Sharing))
            case Stage.REPORTING:
                self._state, self._messages = server.close_masked(self._at(Collecting))
            case Stage.CONSISTENCY:
                self._state, self._messages = server.close_confirmations(self._at(Confirming))
            case _:
                raise DataError(f"secure aggregation has nothing to close after {stage}")
        return {device.hex() for device in self._messages}

    def message(self, device: str) -> bytes:
        """Returns the coordinator's message to a device for the current stage; empty in the stage of keys."""
        message = self._messages.get(bytes.fromhex(device))
        return message.to_bytes() if message else b""

    def largest(self, stage: Stage) -> int:
        """Returns the most bytes that a message of a stage may have."""
        match stage:
            case Stage.KEYS:
                return Advert.size()
            case Stage.SHARES:
                return Shares.size(self._rules.selected)
            case Stage.REPORTING:
                return MaskedInput.size(modular_vectors.packed_size(self._round.layout))
            case Stage.CONSISTENCY:
                return Confirmation.size()
            case Stage.UNMASKING:
                return Reveal.size(self._rules.selected)
            case _:
                return 0

    def can_unmask(self) -> bool:
        """Returns whether the shares received are enough to unmask the sum."""
        return unmasking.enough(self._at(Unmasking))

    def disputes(self) -> set[frozenset[str]]:
        """Returns the pairs of devices of which one lies, because they contradict each other about a secret's shares."""
        pairs = unmasking.disputes(self._at(Unmasking))
        return {frozenset((owner.hex(), holder.hex())) for owner, holder in pairs}

    def unmask(self) -> bytes:
        """Returns the sum, packed by the round's layout; takes seconds for large cohorts.

        Raises a RoundAbortedError if the sum cannot be recovered.
        """
        return modular_vectors.pack(self._round.layout, unmasking.finish(self._at(Unmasking)).vectors)

    def _seed(self) -> int:
        """Draws the seed of the graph."""
        return secrets.randbits(63)

    def _at(self, expected: type[_State]) -> _State:
        if not isinstance(self._state, expected):
            raise DataError(f"secure aggregation is not at the step {expected.__name__.lower()}")
        return self._state


def _read(kind: type[_Message], message: bytes, device: str) -> _Message:
    read = kind.from_bytes(message)
    if read.device != bytes.fromhex(device):
        raise DataError("the message is in another device's name")
    return read
