"""Our reader and writer against the official package of the format."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors import safe_open
from safetensors.numpy import load, save

from model.device.safetensors_format import SafetensorsError, deserialize, serialize

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: name != "__metadata__")
TYPES: st.SearchStrategy[np.dtype[Any]] = st.sampled_from([np.dtype("<f4"), np.dtype("<f2")])
ARRAYS: st.SearchStrategy[dict[str, np.ndarray]] = st.dictionaries(
    NAMES, npst.arrays(TYPES, npst.array_shapes(min_dims=0, max_dims=3, max_side=4)), max_size=4
)
STRINGS = st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=3)
files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    def content(arrays: dict[str, np.ndarray]) -> dict[str, tuple[object, ...]]:
        return {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}

    return content(left) == content(right)


def with_header(header: object, data: bytes = b"", padding: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text + padding).to_bytes(8, "little") + text + padding + data


@files
@given(arrays=ARRAYS, metadata=STRINGS)
def test_the_package_reads_what_we_write(
    arrays: dict[str, np.ndarray], metadata: dict[str, str], tmp_path: Path
) -> None:
    content = serialize(arrays, metadata)
    found, strings = deserialize(content)
    assert same(found, arrays)
    assert strings == metadata
    assert all(array.flags.writeable for array in found.values())
    assert same(load(content), arrays)
    (tmp_path / "file.safetensors").write_bytes(content)
    with safe_open(tmp_path / "file.safetensors", framework="numpy") as file:
        assert (file.metadata() or {}) == metadata


@given(arrays=ARRAYS, metadata=STRINGS)
def test_we_read_what_the_package_writes(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    found, strings = deserialize(save(arrays, metadata or None))
    assert same(found, arrays)
    assert strings == metadata


@given(arrays=ARRAYS, metadata=STRINGS, data=st.data())
def test_equal_arrays_give_equal_bytes_in_any_order(
    arrays: dict[str, np.ndarray], metadata: dict[str, str], data: st.DataObject
) -> None:
    shuffled = {name: arrays[name] for name in data.draw(st.permutations(sorted(arrays)))}
    strings = {name: metadata[name] for name in data.draw(st.permutations(sorted(metadata)))}
    assert serialize(arrays, metadata) == serialize(shuffled, strings)
    few = dict(list(metadata.items())[:1])  # the package writes several strings in random order
    assert serialize(arrays, few) == save(arrays, few or None)


@given(arrays=ARRAYS.filter(bool), data=st.data())
def test_a_damaged_file_is_refused_or_read_as_the_package_reads_it(
    arrays: dict[str, np.ndarray], data: st.DataObject
) -> None:
    content = bytearray(serialize(arrays, {"round": "3"}))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content)))
        insert = data.draw(
            st.sampled_from([b"", b"0", b"1", b"9", b"-", b".", b'"', b"{", b"[", b",", b" ", b"\xff", b"\0"])
        )
        content[place : place + data.draw(st.integers(0, 2))] = insert
    try:
        found, _ = deserialize(bytes(content))
    except SafetensorsError:
        return
    assert same(found, load(bytes(content)))


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
HOSTILE = {
    "an empty file": b"",
    "no whole length": b"\x02\0\0",
    "a header longer than the file": (10).to_bytes(8, "little") + b"{}",
    "a header of 2^64 - 1 bytes": b"\xff" * 8 + b"{}",
    "not JSON": with_header(b"{]"),
    "a list": with_header([F32]),
    "a space before the header": with_header(b" {}"),
    "not UTF-8": with_header(b'{"\xff": 1}'),
    "half of a surrogate pair": with_header(b'{"__metadata__": {"a": "\\ud800"}}'),
    "depth": with_header(b'{"a":' * 200_000),
    "digits": with_header(b'{"a":' + b"9" * 10_000 + b"}"),
    "a name twice": with_header(b'{"a":%b,"a":%b}' % ((json.dumps(F32).encode(),) * 2), bytes(4)),
    "a key twice": with_header(b'{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "metadata that are not strings": with_header({"__metadata__": {"round": 3}}),
    "metadata that are a string": with_header({"__metadata__": "round"}),
    "another type": with_header({"a": F32 | {"dtype": "I64"}}, bytes(4)),
    "a type that is a list": with_header({"a": F32 | {"dtype": ["F32"]}}, bytes(4)),
    "no type": with_header({"a": {"shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "an additional key": with_header({"a": F32 | {"call": "os.system"}}, bytes(4)),
    "a shape that is a number": with_header({"a": F32 | {"shape": 1}}, bytes(4)),
    "a negative shape": with_header({"a": F32 | {"shape": [-1, -1]}}, bytes(4)),
    "a broken shape": with_header({"a": F32 | {"shape": [1.0]}}, bytes(4)),
    "a true shape": with_header({"a": F32 | {"shape": [True]}}, bytes(4)),
    "an empty array as large as all memory": with_header({"a": F32 | {"shape": [0, 2**62], "data_offsets": [0, 0]}}),
    "a huge shape": with_header({"a": F32 | {"shape": [2**62, 4]}}, bytes(4)),
    "a shape whose product is 2^64 + 1": with_header({"a": F32 | {"shape": [274177, 67280421310721]}}, bytes(4)),
    "forty dimensions": with_header({"a": F32 | {"shape": [1] * 40}}, bytes(4)),
    "offsets the wrong way round": with_header({"a": F32 | {"data_offsets": [4, 0]}}, bytes(4)),
    "three offsets": with_header({"a": F32 | {"data_offsets": [0, 4, 4]}}, bytes(4)),
    "negative offsets": with_header({"a": F32 | {"data_offsets": [-4, 0]}}, bytes(4)),
    "offsets beyond the end": with_header({"a": F32 | {"shape": [2], "data_offsets": [0, 8]}}, bytes(4)),
    "an overlap": with_header({"a": F32, "b": F32}, bytes(4)),
    "half an overlap": with_header({"a": F32, "b": F32 | {"data_offsets": [2, 6]}}, bytes(6)),
    "a gap before": with_header({"a": F32 | {"data_offsets": [4, 8]}}, bytes(8)),
    "a gap between": with_header({"a": F32, "b": F32 | {"data_offsets": [8, 12]}}, bytes(12)),
    "bytes left over": with_header({"a": F32}, bytes(5)),
    "bytes missing": with_header({"a": F32}, bytes(3)),
    "no array and bytes": with_header({}, bytes(1)),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused_with_one_line(content: bytes) -> None:
    with pytest.raises(SafetensorsError) as error:
        deserialize(content)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


def test_an_oversized_header_is_refused_without_reading_it() -> None:
    with pytest.raises(SafetensorsError, match="header is too long"):
        deserialize((1 << 21).to_bytes(8, "little") + b"{" + bytes(1 << 21))


@pytest.mark.parametrize("array", [np.zeros(2, np.float64), np.zeros(2, np.int32), np.zeros((0, 3), np.float32)])
def test_arrays_that_could_not_be_read_back_are_not_written(array: np.ndarray) -> None:
    with pytest.raises(SafetensorsError, match="'a'"):
        serialize({"a": array}, {})
    with pytest.raises(SafetensorsError, match="__metadata__"):
        serialize({"__metadata__": np.zeros(1, np.float32)}, {})
