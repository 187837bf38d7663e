"""Messages as bytes: fixed fields one behind the other, then records or one payload; nothing in them is left to interpretation.

A message is a frozen dataclass over `Message`. Its fields are declared by `octets(n)`, n bytes; `number()`, a whole number in 2
bytes, big-endian; and, as the last one, by `records(kind, most)`, any number of records up to `most`, or by `payload(most)`, the
bytes that remain. As bytes it is "FK", the format's version, the message's kind, and its fields. Two messages are equal exactly
when their bytes are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from data.errors import DataError

_HEAD = b"FK\x01"
_FORMATS: dict[type, tuple[tuple[str, Mapping[str, Any]], ...]] = {}  # the fields of classes met


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
        for name, form in _format(type(self)):
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
        parts = []
        for name, form in _format(type(self)):
            value = getattr(self, name)
            if form.get("number"):
                parts.append(value.to_bytes(2, "big"))
            elif "kind" in form:
                parts += [record.to_bytes() for record in value]
            else:
                parts.append(value)
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads what `to_bytes` gave. A payload is not copied: it is a view of the bytes.

        Raises:
          DataError: the bytes are not this message, too many or too few.
        """
        return cls._read(memoryview(data), 0)

    @classmethod
    def _read(cls, data: memoryview, start: int) -> Self:
        values: list[Any] = []
        for name, form in _format(cls):
            if size := form.get("size"):
                part = bytes(data[start : start + size])
                values.append(int.from_bytes(part, "big") if form.get("number") and len(part) == size else part)
                start += size
            elif kind := form.get("kind"):
                width = kind.size()
                count, odd = divmod(max(len(data) - start, 0), width)
                if odd or count > form["most"]:
                    raise DataError(f"{_name(cls)} holds at most {form['most']} {name} of {width} bytes each")
                starts = range(start, start + count * width, width)
                values.append(tuple(kind._read(data[at : at + width], 0) for at in starts))
                start = len(data)
            else:
                values.append(data[start:])
                start = len(data)
        if start != len(data):
            raise DataError(f"{_name(cls)} is {start} bytes long, not {len(data)}")
        return cls(*values)

    @classmethod
    def size(cls, extra: int = 0) -> int:
        """Bytes of the fixed fields, and of `extra` records or payload bytes."""
        forms = [form for _, form in _format(cls)]
        return sum(form.get("size") or extra * (form["kind"].size() if "kind" in form else 1) for form in forms)


@dataclass(frozen=True)
class Message(Record):
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


def _format(cls: type[Record]) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    if cls not in _FORMATS:
        _FORMATS[cls] = tuple((f.name, f.metadata) for f in fields(cls))
    return _FORMATS[cls]


def _is_payload(value: object, most: int) -> bool:
    return isinstance(value, bytes | memoryview) and len(value) <= most


def _name(cls: type) -> str:
    return cls.__name__
