"""Messages as bytes: fields of fixed size, then records or one payload. Each message has exactly one form.

A message is a frozen dataclass derived from `BinaryMessage`. Its fields are declared by `octets(n)`, n bytes; by `number()`, a
whole number in 2 bytes, big-endian; and the last one also by `records(kind, most)`, up to `most` records, or by `payload(most)`,
the remaining bytes. Its bytes are "FK", the format's version, the message's kind, and its fields. Two messages are equal if
and only if their bytes are.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from data.errors import DataError

_HEAD = b"FK\x02"
_FORMATS: dict[type, "_Format"] = {}  # formats of the classes used so far


def octets(size: int) -> Any:
    """Declares a field of `size` bytes."""
    return field(metadata={"size": size})


def number() -> Any:
    """Declares a field that is a whole number below 2^16."""
    return field(metadata={"size": 2, "number": True})


def records(kind: type["Record"], most: int) -> Any:
    """Declares the last field: up to `most` records of a kind."""
    return field(metadata={"kind": kind, "most": most})


def payload(most: int) -> Any:
    """Declares the last field: up to `most` bytes."""
    return field(metadata={"most": most})


@dataclass(frozen=True)
class Record:
    """A sequence of fields.

    Raises:
      DataError: a field does not fit its declaration.
    """

    def __post_init__(self) -> None:
        for name, form in _format(type(self)).fields:
            value, size, most = getattr(self, name), form.get("size"), form.get("most", 0)
            if form.get("number"):
                fits = type(value) is int and 0 <= value < 2**16
            elif "kind" in form:
                fits = isinstance(value, tuple) and len(value) <= most and all(type(v) is form["kind"] for v in value)
            else:
                fits = isinstance(value, bytes) and len(value) == size if size else _is_payload(value, most)
            if not fits:
                raise DataError(f"{name} of a {type(self).__name__} does not fit its declaration")

    def to_bytes(self) -> bytes:
        """Returns the fields, concatenated."""
        form = _format(type(self))
        values = list(vars(self).values())
        if form.last is None:
            return form.fixed.pack(*values)
        last = values.pop()
        if kind := form.last.get("kind"):
            pack = _format(kind).fixed.pack
            last = b"".join([pack(*vars(record).values()) for record in last])
        return b"".join((form.fixed.pack(*values), last))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads the output of `to_bytes`. A payload is a view of the bytes, not a copy.

        Raises:
          DataError: the bytes are too many or too few.
        """
        return cls._read(memoryview(data), 0)

    @classmethod
    def _read(cls, data: memoryview, start: int) -> Self:
        form = _format(cls)
        end = start + form.fixed.size
        if len(data) < end or (form.last is None and len(data) > end):
            raise DataError(f"a {cls.__name__} is {end} bytes long, not {len(data)}")
        values = form.fixed.unpack_from(data, start)
        if form.last is None:
            return cls._made(values)
        rest, most = data[end:], form.last["most"]
        if (kind := form.last.get("kind")) is None:
            if len(rest) > most:
                raise DataError(f"a {cls.__name__} holds at most {most} bytes")
            return cls._made((*values, rest))
        records = _format(kind).fixed
        if len(rest) % records.size or len(rest) > most * records.size:
            raise DataError(f"a {cls.__name__} holds at most {most} {form.names[-1]} of {records.size} bytes each")
        return cls._made((*values, tuple(map(kind._made, records.iter_unpack(rest)))))

    @classmethod
    def _made(cls, values: tuple[Any, ...]) -> Self:
        """Makes a record of values that its format has read. They are not checked again: records can be tens of thousands."""
        made = object.__new__(cls)
        vars(made).update(zip(_format(cls).names, values, strict=True))
        return made

    @classmethod
    def size(cls, extra: int = 0) -> int:
        """Returns the size in bytes with `extra` records or payload bytes."""
        form = _format(cls)
        if form.last is None:
            return form.fixed.size
        return form.fixed.size + extra * (form.last["kind"].size() if "kind" in form.last else 1)


@dataclass(frozen=True)
class BinaryMessage(Record):
    """A record as it is sent: preceded by the format's version and the message's kind."""

    KIND: ClassVar[int]

    def to_bytes(self) -> bytes:
        """Returns the message as it is sent."""
        return _HEAD + bytes([self.KIND]) + super().to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads the output of `to_bytes`.

        Raises:
          DataError: the bytes are not this message.
        """
        head = len(_HEAD) + 1
        if data[:head] != _HEAD + bytes([cls.KIND]):
            raise DataError(f"the bytes are not a {cls.__name__}")
        return cls._read(memoryview(data), head)

    @classmethod
    def size(cls, extra: int = 0) -> int:
        """Returns the size in bytes as sent, with `extra` records or payload bytes: the most that a reader has to accept."""
        return len(_HEAD) + 1 + super().size(extra)


@dataclass(frozen=True)
class _Format:
    """The byte format of a class."""

    fields: tuple[tuple[str, Mapping[str, Any]], ...]
    names: tuple[str, ...]
    fixed: struct.Struct  # all fields but a last one of variable size
    last: Mapping[str, Any] | None  # the declaration of a last field of variable size


def _format(cls: type[Record]) -> _Format:
    if cls not in _FORMATS:
        _FORMATS[cls] = _format_of(cls)
    return _FORMATS[cls]


def _format_of(cls: type[Record]) -> _Format:
    found = tuple((f.name, f.metadata) for f in fields(cls))
    open_ended = bool(found) and "size" not in found[-1][1]
    sizes = ["H" if form.get("number") else f"{form['size']}s" for _, form in (found[:-1] if open_ended else found)]
    names = tuple(name for name, _ in found)
    return _Format(found, names, struct.Struct(">" + "".join(sizes)), found[-1][1] if open_ended else None)


def _is_payload(value: object, most: int) -> bool:
    return isinstance(value, bytes | memoryview) and len(value) <= most
