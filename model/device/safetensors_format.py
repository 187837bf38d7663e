"""The safetensors format, in NumPy alone: named arrays and a few strings in a file that nothing in it can make run.

    8 bytes     N, the length of the header, unsigned, little-endian
    N bytes     the header: a JSON object, UTF-8, padded with spaces so that the arrays begin at a multiple of 8
    the rest    the arrays' bytes, little-endian, in C order, one behind the other

The header has of each array its `dtype`, its `shape` and where it begins and ends behind the header (`data_offsets`), and under
`__metadata__` the strings. The format's own package is written in Rust, which a phone's build would have to compile; this does the
same for the two types that weights have. The same arrays and strings always give the same bytes.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

_METADATA = "__metadata__"
_ALIGNMENT = 8  # bytes
_MAX_HEADER = 1 << 20  # bytes; a model's has hundreds
_MAX_DIMENSIONS = 32  # NumPy 1 has no more
_TYPES: dict[str, np.dtype] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}  # as files order them: the widest first


class SafetensorsError(ValueError):
    """What is wrong with a file."""


def serialize(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The contents of a file.

    Args:
      arrays: float32 or float16, none of them empty.
      metadata: any strings.

    Raises:
      SafetensorsError: an array is of another type, empty, or named as the strings are.
    """
    header: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))} if metadata else {}
    contents, end = [], 0
    for kind, dtype in _TYPES.items():
        for name in sorted(name for name, array in arrays.items() if array.dtype == dtype):
            contents.append(np.asarray(arrays[name], dtype).tobytes())
            begin, end = end, end + len(contents[-1])
            header[name] = {"dtype": kind, "shape": list(arrays[name].shape), "data_offsets": [begin, end]}
    for name, array in arrays.items():
        if name == _METADATA or name not in header or array.size == 0:
            raise SafetensorsError(f"no array of {array.dtype} and shape {array.shape} can be written as {name!r}")
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(8, "little"), text, *contents])


def deserialize(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Reads what a file holds: the arrays, by name in the order in which they lie in it, and the strings.

    The arrays are writable views of one buffer, which is as large as the file: no claim of a header makes it larger.

    Raises:
      SafetensorsError: it is not of this format, in whole and to the last byte, or has arrays of other types or empty ones.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, _MAX_HEADER):
        raise SafetensorsError("it is too short for its header, or the header too long")
    header = _parse(content[8 : 8 + length])
    metadata = _strings(header.pop(_METADATA, {}))
    entries = sorted((_entry(name, entry) for name, entry in header.items()), key=lambda entry: entry.begin)
    end = 0
    for entry in entries:
        if entry.begin != end:
            raise SafetensorsError(f"{entry.name!r:.50} overlaps another array or lies behind a gap")
        end = entry.end
    if end != len(content) - 8 - length:
        raise SafetensorsError("it has more or fewer bytes than its header says")
    buffer = np.frombuffer(content, np.uint8, offset=8 + length).copy()
    return {e.name: buffer[e.begin : e.end].view(e.dtype).reshape(e.shape) for e in entries}, metadata


def _parse(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), object_pairs_hook=_without_duplicates)
        json.dumps(header, ensure_ascii=False).encode()  # a half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise SafetensorsError(f"its header is not what it should be: {error}") from error
    if not isinstance(header, dict) or not text.startswith(b"{"):
        raise SafetensorsError("its header is no JSON object")
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _strings(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise SafetensorsError("its metadata are not strings")
    return metadata


class _Entry(NamedTuple):
    name: str
    begin: int  # in bytes from the end of the header
    end: int
    dtype: np.dtype
    shape: tuple[int, ...]


def _entry(name: str, entry: object) -> _Entry:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise SafetensorsError(f"{name!r:.50} is not described by a type, a shape and two offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in _TYPES:
        raise SafetensorsError(f"{name!r:.50} is of type {kind!r:.20}: only {' and '.join(_TYPES)} are read")
    if not _whole(shape, 1) or len(shape) > _MAX_DIMENSIONS or not _whole(offsets, 0) or len(offsets) != 2:
        raise SafetensorsError(f"{name!r:.50} has a shape or offsets that no array has")
    begin, end = offsets
    if end - begin != math.prod(shape) * _TYPES[kind].itemsize:
        raise SafetensorsError(f"{name!r:.50} has not as many bytes as its shape says")
    return _Entry(name, begin, end, _TYPES[kind], tuple(shape))


def _whole(numbers: object, least: int) -> bool:
    """Whether these are whole numbers, which JSON's true and false are not."""
    return isinstance(numbers, list) and all(type(number) is int and number >= least for number in numbers)
