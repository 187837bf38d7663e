"""Messages as bytes: fixed fields one behind the other, then records or one payload; nothing in them is left to interpretation.

A message is a frozen dataclass over `Message`. Its fields are declared by `octets(n)`, n bytes; `number()`, a whole number in 2
bytes, big-endian; and, as the last one, by `records(kind, most)`, any number of records up to `most`, or by `payload(most)`, the
bytes that remain. As bytes it is "FK", the format's version, the message's kind, and its fields. Two messages are equal exactly
when their bytes are.
"""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from data.errors import DataError

_FORMAT = b"FK\x01"


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
        for f in fields(self):
            value, size, most = getattr(self, f.name), f.metadata.get("size"), f.metadata.get("most", 0)
            if f.metadata.get("number"):
                fits = type(value) is int and 0 <= value < 2**16
            elif "kind" in f.metadata:
                fits = (
                    isinstance(value, tuple)
                    and len(value) <= most
                    and all(type(v) is f.metadata["kind"] for v in value)
                )
            else:
                fits = isinstance(value, bytes) and (len(value) == size if size else len(value) <= most)
            if not fits:
                raise DataError(f"{f.name} of {_name(type(self))} is not what its format says")

    def to_bytes(self) -> bytes:
        """The fields one behind the other."""
        parts = []
        for f in fields(self):
            value = getattr(self, f.name)
            if f.metadata.get("number"):
                parts.append(value.to_bytes(2, "big"))
            elif "kind" in f.metadata:
                parts += [record.to_bytes() for record in value]
            else:
                parts.append(value)
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads what `to_bytes` gave.

        Raises:
          DataError: the bytes are not this message, too many or too few.
        """
        values: list[Any] = []
        start = 0
        for f in fields(cls):
            if size := f.metadata.get("size"):
                part = data[start : start + size]
                values.append(int.from_bytes(part, "big") if f.metadata.get("number") and len(part) == size else part)
                start += size
            elif kind := f.metadata.get("kind"):
                width = kind.size()
                count, odd = divmod(max(len(data) - start, 0), width)
                if odd or count > f.metadata["most"]:
                    raise DataError(f"{_name(cls)} holds at most {f.metadata['most']} {f.name} of {width} bytes each")
                values.append(tuple(kind.from_bytes(data[start + i * width :][:width]) for i in range(count)))
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
        total = 0
        for f in fields(cls):
            total += f.metadata.get("size") or extra * (f.metadata["kind"].size() if "kind" in f.metadata else 1)
        return total


@dataclass(frozen=True)
class Message(Record):
    """A record that goes over a wire, with its format and kind before it."""

    KIND: ClassVar[int]

    def to_bytes(self) -> bytes:
        """The message as it is sent."""
        return _FORMAT + bytes([self.KIND]) + super().to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads what `to_bytes` gave.

        Raises:
          DataError: the bytes are another message, or none.
        """
        head = len(_FORMAT) + 1
        if data[:head] != _FORMAT + bytes([cls.KIND]):
            raise DataError(f"this is no {_name(cls)}")
        return super().from_bytes(data[head:])

    @classmethod
    def size(cls, extra: int = 0) -> int:
        """Bytes of the message as it is sent, with `extra` records or payload bytes; bounds what a reader must accept."""
        return len(_FORMAT) + 1 + super().size(extra)


def _name(cls: type) -> str:
    return cls.__name__
