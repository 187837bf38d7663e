"""Messages as JSON, read strictly: every field must be present and of its declared type, and other fields are refused.

A type may carry bounds: `Annotated[float, Between(0.1, 10.0)]`, `Annotated[str, Matching("[0-9a-f]{64}")]`. A message whose fields
are not all within them cannot be made, so that nothing is computed from one.

The arrays that belong to a message travel beside it, as weights files.
"""

import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin, get_type_hints

from data.errors import DataError, UserFacingError


def read_json(text: str) -> Any:
    """Returns the value of a JSON text (RFC 8259) that has only one reading: names in an object are unique, numbers finite.

    Raises:
      DataError: the text is not JSON, repeats a name, or contains a number that is not finite.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_finite)
    except UserFacingError:
        raise
    except (ValueError, RecursionError) as error:  # a number is too long, or brackets are nested too deeply
        raise DataError(f"the text is not JSON: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise DataError(f"a name is repeated in an object: {_short(', '.join(name for name, _ in pairs))}")
    return content


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise DataError(f"a number must be finite, and {_short(text)} is not")
    return number


@dataclass(frozen=True)
class Between:
    """The bounds of a number, both included; with `or_zero` the number may also be 0."""

    least: float
    most: float
    or_zero: bool = False

    def check(self, what: str, value: Any) -> None:
        """Raises a DataError unless a number is within the bounds."""
        if not (self.least <= value <= self.most or (self.or_zero and value == 0)):
            zero = "0, or " if self.or_zero else ""
            least, most = (str(bound) if isinstance(bound, int) else f"{bound:g}" for bound in (self.least, self.most))
            raise DataError(f"{what} must be {zero}between {least} and {most}, not {_short(value)}")


@dataclass(frozen=True)
class Matching:
    """A regular expression that the whole of a text matches."""

    pattern: str

    def check(self, what: str, value: Any) -> None:
        """Raises a DataError unless a text matches."""
        if re.fullmatch(self.pattern, value) is None:
            raise DataError(f"{what} is not of the form {self.pattern}: {_short(value)}")


_Declared = tuple[Mapping[str, Any], Mapping[str, Between | Matching]]  # the types and the bounds of a message's fields
_DECLARED: dict[type, _Declared] = {}  # of the messages used so far


@dataclass(frozen=True)
class JsonMessage:
    """A message that travels as a JSON object, one name for each field.

    A field is a `str`, `int`, `float` or `bool`, another `JsonMessage` (a nested object), or a union of these and `None`. Numbers
    and texts may have bounds.

    Raises:
      DataError: a field is not within the bounds that its type carries.
    """

    def __post_init__(self) -> None:
        self.check_fields(**{name: getattr(self, name) for name in _kinds(type(self))})

    @classmethod
    def check_fields(cls, **values: object) -> None:
        """Raises a DataError unless the values of these fields are within the bounds that their types carry."""
        for name, value in values.items():
            cls.check_field(name, value, f"{name} of a {cls.__name__}")

    @classmethod
    def check_field(cls, name: str, value: object, label: str) -> None:
        """Raises a DataError, in which `label` names the field, unless its value is within the bounds that its type carries."""
        if (bounds := _bounds(cls).get(name)) is not None:
            bounds.check(label, value)

    def to_json(self) -> str:
        """Returns the message as the text of one JSON object. The same message always gives the same text.

        Raises:
          DataError: a number is not finite.
        """
        return json.dumps(self.to_content())

    def to_content(self) -> dict[str, Any]:
        """Returns the JSON object as a dictionary.

        Raises:
          DataError: a number is not finite.
        """
        kind = type(self).__name__
        return {name: _write(f"{name} of a {kind}", getattr(self, name), k) for name, k in _kinds(type(self)).items()}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads the output of `to_json`.

        Raises:
          DataError: the text is not this message.
        """
        return cls.from_content(read_json(text))

    @classmethod
    def from_content(cls, content: object) -> Self:
        """Reads the output of `to_content`.

        Raises:
          DataError: the content is not this message.
        """
        kinds = _kinds(cls)
        if not isinstance(content, dict):
            raise DataError(f"a {cls.__name__} is a JSON object, not {_short(content)}")
        if content.keys() != kinds.keys():
            found = _short(", ".join(content))
            raise DataError(f"a {cls.__name__} has the fields {', '.join(kinds)}; this one has {found}")
        values = {name: _read(f"{name} of a {cls.__name__}", content[name], kind) for name, kind in kinds.items()}
        try:
            return cls(**values)
        except OverflowError as error:  # the message computes with a whole number that is too large for a float
            raise DataError(f"a {cls.__name__} has a number that is too large: {error}") from error


def _kinds(cls: type[JsonMessage]) -> Mapping[str, Any]:
    """Returns the declared type of each field, by name, without its bounds."""
    return _declared(cls)[0]


def _bounds(cls: type[JsonMessage]) -> Mapping[str, Between | Matching]:
    """Returns the bounds of the fields that have some, by name."""
    return _declared(cls)[1]


def _declared(cls: type[JsonMessage]) -> _Declared:
    if cls not in _DECLARED:
        hints = get_type_hints(cls, include_extras=True)
        declared = {field.name: hints[field.name] for field in fields(cls)}
        bounded = {name: kind for name, kind in declared.items() if get_origin(kind) is Annotated}
        kinds = {name: get_args(kind)[0] if name in bounded else kind for name, kind in declared.items()}
        _DECLARED[cls] = kinds, {name: get_args(kind)[1] for name, kind in bounded.items()}
    return _DECLARED[cls]


def _write(what: str, value: object, kind: Any) -> object:
    if isinstance(value, JsonMessage):
        return value.to_content()
    if type(value) is int and float in (kind, *get_args(kind)) and int not in get_args(kind):
        return float(value)  # a reader makes it a float too, and would otherwise write a different text
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"{what} is a number that is not finite")
    return value


def _read(what: str, value: object, kind: Any) -> object:
    """Returns the value if it is of the declared type, whole numbers as floats where those are declared."""
    if get_origin(kind) in (UnionType, Union):
        return _read(what, value, _alternative(what, value, get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, JsonMessage):
        return kind.from_content(value)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise DataError(f"{what} must be {_kind_name(kind)}, not {_short(value)}")
    if isinstance(value, int | float) and kind is float and abs(value) > sys.float_info.max:
        raise DataError(f"{what} is too large a number")
    if kind is float and isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and not _is_text(value):
        raise DataError(f"{what} contains half a surrogate pair, which is not a character")
    return value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _alternative(what: str, value: object, kinds: tuple[Any, ...]) -> Any:
    """Returns the member of a union that a value belongs to: for an object, the message with its fields."""
    for kind in kinds:
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, JsonMessage):
            if value.keys() == _kinds(kind).keys():
                return kind
        elif type(value) is kind:
            return kind
    if type(value) is int and float in kinds:
        return float
    raise DataError(f"{what} must be {' or '.join(map(_kind_name, kinds))}, not {_short(value)}")


def _kind_name(kind: Any) -> str:
    return "null" if kind is NoneType else str(kind.__name__)


def one_line(text: str) -> str:
    """Returns a text that another machine sent as one line of printable characters, which cannot control a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _short(value: object) -> str:
    """Returns a value for people, in one short line. Lists and objects are only named, since they can be nested deeply."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = one_line((value if isinstance(value, str) else repr(value))[:100])
    return text if len(text) < 100 else f"{text}…"


@dataclass(frozen=True)
class Invitation(JsonMessage):
    """A desktop's invitation to a keyboard to train the round's global weights, stored beside this message, on its own words.

    All fields but `round_id` and `seed` are those of `model.device.learning.finetuning.FineTuning`.
    """

    round_id: str
    learning_rate: float
    clipping_norm: float
    passes: int
    max_words: int
    seed: int  # seed of the order of the training rows
    trainable: str = "all"
    softmax: str = "full"


@dataclass(frozen=True)
class Contribution(JsonMessage):
    """A keyboard's answer to an invitation, with its delta stored beside it. Losses are means over its own words, in nats."""

    round_id: str
    words: int  # targets trained on, each counted once: the weight of the delta in the mean; 0 if there is no delta
    loss_before: float  # of the round's global weights
    loss_after: float  # of the same weights after training
    error: str = ""  # why there is no delta, in one line; empty if there is one

    @classmethod
    def nothing(cls, round_id: str, error: str) -> Self:
        """Returns the answer of a keyboard that has no delta, with the reason in one line."""
        return cls(round_id, 0, 0.0, 0.0, error)
