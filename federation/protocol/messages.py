"""The messages of a round. The arrays that go with them travel as weights files beside them."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Self, cast

from data.errors import DataError


@dataclass(frozen=True)
class JsonMessage:
    """A message of plain fields, as JSON."""

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` gave.

        Raises:
          DataError: the text is not this message.
        """
        try:
            content = json.loads(text)
            kinds = {f.name: cast(type, f.type) for f in fields(cls)}
            if content.keys() != kinds.keys():
                raise DataError(f"a {cls.__name__} has {', '.join(kinds)}; this one has {', '.join(content)}")
            for name, kind in kinds.items():
                if type(content[name]) is not kind and not (kind is float and type(content[name]) is int):
                    raise DataError(f"{name} of a {cls.__name__} must be {kind.__name__}, not {content[name]!r}")
                if kind is str and any(0xD800 <= ord(c) <= 0xDFFF for c in content[name]):
                    raise DataError(f"{name} of a {cls.__name__} has half a surrogate pair, which is no character")
            return cls(**content)
        except (ValueError, RecursionError, AttributeError) as error:  # a number too long, brackets too deep
            if isinstance(error, DataError):
                raise
            raise DataError(f"this is no {cls.__name__}: {error}") from error


@dataclass(frozen=True)
class Invitation(JsonMessage):
    """The desktop asks a keyboard to train the round's global weights, which lie beside it, on its own words.

    The fields after the first are `model.device.finetuning.FineTuning`, and the seed of the order of the rows.
    """

    round_id: str
    learning_rate: float
    clipping_norm: float
    passes: int
    max_words: int
    seed: int


@dataclass(frozen=True)
class Contribution(JsonMessage):
    """A keyboard's answer; its model delta lies beside it. Losses are means over its own words, in nats."""

    round_id: str
    words: int  # targets trained on, each counted once: the weight of the delta in the mean; 0 where there were none
    loss_before: float  # of the round's global weights
    loss_after: float  # of the same after training
    error: str = ""  # why there is no delta, in one line; empty where there is one

    @classmethod
    def nothing(cls, round_id: str, error: str) -> Self:
        """The answer where there is no delta, with the reason in one line."""
        return cls(round_id, 0, 0.0, 0.0, error)
