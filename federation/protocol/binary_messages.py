"""Messages as bytes: fixed fields one behind the other, then records or one payload; nothing in them is left to interpretation.

A message is a frozen dataclass over `BinaryMessage`. Its fields are declared by `octets(n)`, n bytes; `number()`, a whole number in 2
bytes, big-endian; and, as the last one, by `records(kind, most)`, any number of records up to `most`, or by `payload(most)`, the
bytes that remain. As bytes it is "FK", the format's version, the message's kind, and its fields. Two messages are equal exactly
when their bytes are.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from data.errors import DataError

_HEAD = b"FK\x01"
_FORMATS: dict[type, "_Format"] = {}  # of classes met


def octets(size: int) -> Any:
    """A field of so many bytes."""
    return field(metadata={"size": size})


def number() -> Any:
    """A field that is a whole number below 2^16."""
    return field(metadata={"size": 2, "number": True})


def records(kind: type["Record"], most: int) -> Any:
    """The last field: up to `most` records of a kind."""
    return field(metadata={"kind": kind, "most": most})


def payload(most: int) -> Any:
    """The last field: up to `most` bytes."""
    return field(metadata={"most": most})


@dataclass(frozen=True)
class Record:
    """A run of fixed fields.

    Raises:
      DataError: a field is not of its size.
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
                raise DataError(f"{name} of {_name(type(self))} is not what its format says")

    def to_bytes(self) -> bytes:
        """The fields one behind the other."""
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
        """Reads what `to_bytes` gave. A payload is not copied: it is a view of the bytes.

        Raises:
          DataError: the bytes are not this message, too many or too few.
        """
        return cls._read(memoryview(data), 0)

    @classmethod
    def _read(cls, data: memoryview, start: int) -> Self:
        form = _format(cls)
        end = start + form.fixed.size
        if len(data) < end or (form.last is None and len(data) > end):
            raise DataError(f"{_name(cls)} is {end} bytes long, not {len(data)}")
        values = form.fixed.unpack_from(data, start)
        if form.last is None:
            return cls._made(values)
        rest, most = data[end:], form.last["most"]
        if (kind := form.last.get("kind")) is None:
            if len(rest) > most:
                raise DataError(f"{_name(cls)} holds at most {most} bytes")
            return cls._made((*values, rest))
        records = _format(kind).fixed
        if len(rest) % records.size or len(rest) > most * records.size:
            raise DataError(f"{_name(cls)} holds at most {most} {form.names[-1]} of {records.size} bytes each")
        return cls._made((*values, tuple(map(kind._made, records.iter_unpack(rest)))))

    @classmethod
    def _made(cls, values: tuple[Any, ...]) -> Self:
        """A record of fields that were read by their format, and need not be checked by it: there can be tens of thousands."""
        made = object.__new__(cls)
        vars(made).update(zip(_format(cls).names, values, strict=True))
        return made

    @classmethod
    def size(cls, extra: int = 0) -> int:
        """Bytes of the fixed fields, and of `extra` records or payload bytes."""
        form = _format(cls)
        if form.last is None:
            return form.fixed.size
        return form.fixed.size + extra * (form.last["kind"].size() if "kind" in form.last else 1)


@dataclass(frozen=True)
class BinaryMessage(Record):
    """A record that goes over a wire, with its format and kind before it."""

    KIND: ClassVar[int]

    def to_bytes(self) -> bytes:
        """The message as it is sent."""
        return _HEAD + bytes([self.KIND]) + super().to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads what `to_bytes` gave.

        Raises:
          DataError: the bytes are another message, or none.
        """
        head = len(_HEAD) + 1
        if data[:head] != _HEAD + bytes([cls.KIND]):
            raise DataError(f"this is no {_name(cls)}")
        return cls._read(memoryview(data), head)

    @classmethod
    def size(cls, extra: int = 0) -> int:
        """Bytes of the message as it is sent, with `extra` records or payload bytes; bounds what a reader must accept."""
        return len(_HEAD) + 1 + super().size(extra)


@dataclass(frozen=True)
class _Format:
    """How the fields of a class lie in bytes."""

    fields: tuple[tuple[str, Mapping[str, Any]], ...]
    names: tuple[str, ...]
    fixed: struct.Struct  # all but the last, if that is of no fixed size
    last: Mapping[str, Any] | None


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


def _name(cls: type) -> str:
    return cls.__name__
