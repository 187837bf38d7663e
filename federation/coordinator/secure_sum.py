"""The server's side of secure aggregation as a round of the coordinator asks for it: messages as bytes, stage by stage."""

import secrets
from collections.abc import Callable, Collection
from typing import Any

from data.errors import DataError
from federation.coordinator.round_machine import Rules, Stage
from federation.protocol.api_messages import Plan, secure_round
from federation.protocol.secure_aggregation import modular_vectors, server, unmasking
from federation.protocol.secure_aggregation.binary_messages import BinaryMessage
from federation.protocol.secure_aggregation.messages import Advert, MaskedInput, Reveal, Shares
from federation.protocol.secure_aggregation.neighbours import Assumptions

_ASSUMPTIONS = Assumptions()

_TAKES: dict[str, tuple[type[BinaryMessage], Callable[[Any, Any], Any]]] = {
    Stage.KEYS: (Advert, server.receive_advert),
    Stage.SHARES: (Shares, server.receive_shares),
    Stage.REPORTING: (MaskedInput, server.receive_masked),
    Stage.UNMASKING: (Reveal, unmasking.receive_reveal),
}
_CLOSES: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    Stage.SHARES: server.close_shares,
    Stage.REPORTING: server.close_masked,
}


class SecureSummation:
    """The states of `federation.protocol.secure_aggregation.server`, one after the other, for one round; implements `SecureSum`."""

    def __init__(self, plan: Plan, rules: Rules) -> None:
        """For a round of this plan."""
        self._round, self._rules = secure_round(plan), rules
        self._state: Any = None
        self._messages: dict[bytes, BinaryMessage] = {}

    def open(self, devices: Collection[str]) -> None:
        """The devices are selected; their keys are next. Raises a DataError if they are too few."""
        self._state = server.open_round(self._round, [bytes.fromhex(d) for d in devices], self._rules.minimum)

    def receive(self, stage: str, device: str, message: bytes) -> None:
        """Takes a device's message of a stage; whatever is wrong with it raises a DataError and changes nothing."""
        kind, receive = _TAKES[stage]
        read = kind.from_bytes(message)
        if getattr(read, "device") != bytes.fromhex(device):  # noqa: B009 (all four kinds have one)
            raise DataError("the message is in another device's name")
        self._state = receive(self._state, read)

    def close(self, stage: str) -> set[str]:
        """The stage is over; returns the devices that go on. Raises a DataError if they are too few."""
        if stage == Stage.KEYS:
            seed = secrets.randbits(63)  # of the graph: drawn now that no device can choose its keys by it
            self._state, messages = server.close_adverts(self._state, _ASSUMPTIONS, seed)
            self._messages = dict(messages)
        else:
            self._state, self._messages = _CLOSES[stage](self._state)
        return {device.hex() for device in self._messages}

    def message(self, device: str) -> bytes:
        """What a device needs for its part in the stage that goes on; nothing for its keys."""
        message = self._messages.get(bytes.fromhex(device))
        return message.to_bytes() if message else b""

    def largest(self, stage: str) -> int:
        """The most bytes that a message of a stage may have."""
        if stage == Stage.REPORTING:
            return MaskedInput.size(modular_vectors.packed_size(self._round.layout))
        return _TAKES[stage][0].size(0 if stage == Stage.KEYS else self._rules.called)

    def can_unmask(self) -> bool:
        """Whether the shares that came in are enough."""
        return unmasking.enough(self._state)

    def unmask(self) -> bytes:
        """The sum, packed by the round's layout; takes seconds for large cohorts. Raises a DataError where it cannot be had."""
        return modular_vectors.pack(self._round.layout, unmasking.finish(self._state).vectors)
