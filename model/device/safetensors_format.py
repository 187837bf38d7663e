"""The safetensors format in pure NumPy: named arrays and a few strings, in a file that cannot contain code.

    8 bytes     N, the length of the header, unsigned, little-endian
    N bytes     the header: a JSON object, UTF-8, padded with spaces so that the arrays begin at a multiple of 8
    the rest    the bytes of the arrays, little-endian, in C order, concatenated

The header gives the `dtype`, the `shape` and the `data_offsets` of each array, counted from the end of the header, and the
strings under `__metadata__`. The official package is written in Rust, which a phone build would have to compile; this module
supports the types that weights, lexicons and phrases have. Equal arrays and strings always give equal bytes.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_METADATA = "__metadata__"
_ALIGNMENT = 8  # bytes
_MAX_HEADER = 1 << 20  # bytes; the header of a model has hundreds
_MAX_DIMENSIONS = 32  # the limit of NumPy 1
_TYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "U32": np.dtype("<u4"),
    "F16": np.dtype("<f2"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
}  # in the order of the file: the widest type first


class SafetensorsError(ValueError):
    """A file is not a valid safetensors file, or arrays cannot be written to one; callers turn it into a `DataError`."""


def serialize(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """Returns the content of a file.

    Args:
      arrays: float32, uint32, float16, uint16 or uint8, not empty.
      metadata: any strings.

    Raises:
      SafetensorsError: an array is empty, has another type, or is named `__metadata__`.
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
            raise SafetensorsError(f"cannot write {name!r}, an array of {array.dtype} and shape {array.shape}")
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(8, "little"), text, *contents])


def deserialize(content: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Reads the content of a file; returns the arrays by name, in file order, and the strings.

    The arrays are writable views of one buffer of the size of the file: no header can make it larger.

    Raises:
      SafetensorsError: the content is not of this format to the last byte, or has arrays that are empty or of other types.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, _MAX_HEADER):
        raise SafetensorsError("the file is too short for its header, or the header is too long")
    header = _parse(content[8 : 8 + length])
    metadata = _strings(header.pop(_METADATA, {}))
    entries = sorted((_entry(name, entry) for name, entry in header.items()), key=lambda entry: entry.begin)
    end = 0
    for entry in entries:
        if entry.begin != end:
            raise SafetensorsError(f"{entry.name!r:.50} overlaps another array or follows a gap")
        end = entry.end
    if end != len(content) - 8 - length:
        raise SafetensorsError("the file has more or fewer bytes than its header says")
    buffer = np.frombuffer(content, np.uint8, offset=8 + length).copy()
    return {e.name: buffer[e.begin : e.end].view(e.dtype).reshape(e.shape) for e in entries}, metadata


def _parse(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), object_pairs_hook=_without_duplicates)
        json.dumps(header, ensure_ascii=False).encode()  # raises for half of a surrogate pair
    except (ValueError, RecursionError) as error:
        raise SafetensorsError(f"the header is invalid: {error}") from error
    if not isinstance(header, dict) or not text.startswith(b"{"):
        raise SafetensorsError("the header is not a JSON object")
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _strings(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise SafetensorsError("the metadata are not strings")
    return metadata


class _Entry(NamedTuple):
    name: str
    begin: int  # bytes from the end of the header
    end: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def _entry(name: str, entry: object) -> _Entry:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise SafetensorsError(f"{name!r:.50} needs a type, a shape and two offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in _TYPES:
        shown = f"{kind!r:.20}" if isinstance(kind, str) else "no name"
        raise SafetensorsError(f"{name!r:.50} has type {shown}: only {', '.join(_TYPES)} are supported")
    if not _whole(shape, 1) or len(shape) > _MAX_DIMENSIONS or not _whole(offsets, 0) or len(offsets) != 2:
        raise SafetensorsError(f"{name!r:.50} has an invalid shape or invalid offsets")
    begin, end = offsets
    if end - begin != math.prod(shape) * _TYPES[kind].itemsize:
        raise SafetensorsError(f"{name!r:.50} does not have the number of bytes that its shape needs")
    return _Entry(name, begin, end, _TYPES[kind], tuple(shape))


def _whole(numbers: object, least: int) -> bool:
    """Returns whether this is a list of integers of at least `least`; JSON's true and false do not count as integers."""
    return isinstance(numbers, list) and all(type(number) is int and number >= least for number in numbers)
