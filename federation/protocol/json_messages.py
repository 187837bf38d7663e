"""The messages of a round. The arrays that go with them travel as weights files beside them."""

import json
import math
import sys
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, cast

from data.errors import DataError, UserFacingError


def read_json(text: str) -> Any:
    """What JSON says (RFC 8259), where it says one thing: no name twice in an object, and only numbers that are finite.

    Raises:
      DataError: it is no JSON, or says more or less than that.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_finite)
    except UserFacingError:
        raise
    except (ValueError, RecursionError) as error:  # a number too long, brackets too deep
        raise DataError(f"this is no JSON: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise DataError(f"a name is there twice among {', '.join(name for name, _ in pairs)}")
    return content


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise DataError(f"a number must be finite, and {text} is not")
    return number


@dataclass(frozen=True)
class JsonMessage:
    """A message of plain fields, as JSON."""

    def to_json(self) -> str:
        """One JSON object.

        Raises:
          DataError: a number is not finite.
        """
        try:
            return json.dumps(asdict(self), allow_nan=False)
        except ValueError as error:
            raise DataError(f"a {type(self).__name__} holds a number that is not finite") from error

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` gave.

        Raises:
          DataError: the text is not this message.
        """
        try:
            content = read_json(text)
            kinds = {f.name: cast(type, f.type) for f in fields(cls)}
            if content.keys() != kinds.keys():
                raise DataError(f"a {cls.__name__} has {', '.join(kinds)}; this one has {', '.join(content)}")
            for name, kind in kinds.items():
                if type(content[name]) is not kind and not (kind is float and type(content[name]) is int):
                    raise DataError(f"{name} of a {cls.__name__} must be {kind.__name__}, not {content[name]!r}")
                if kind is float and abs(content[name]) > sys.float_info.max:
                    raise DataError(f"{name} of a {cls.__name__} is too large a number")
                if kind is str and any(0xD800 <= ord(c) <= 0xDFFF for c in content[name]):
                    raise DataError(f"{name} of a {cls.__name__} has half a surrogate pair, which is no character")
            return cls(**content)
        except AttributeError as error:  # no object
            raise DataError(f"this is no {cls.__name__}: {error}") from error


@dataclass(frozen=True)
class Invitation(JsonMessage):
    """The desktop asks a keyboard to train the round's global weights, which lie beside it, on its own words.

    The fields after the first are `model.device.learning.finetuning.FineTuning`, and the seed of the order of the rows.
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
