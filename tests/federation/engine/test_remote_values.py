"""The messages that are filled in place are those of TFF, whatever the structure."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import tensorflow_federated as tff
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_federated.proto.v0 import executor_pb2
from tensorflow_federated.python.core.impl.executors import value_serialization

from federation.engine.remote_values import fill

TENSORS = st.sampled_from(
    [np.float32(2.5), np.int64(-3), np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(0, np.int32)]
)


def structures(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(OrderedDict)
    return st.lists(inner, max_size=3).map(tuple) | named


VALUES = st.recursive(TENSORS, structures, max_leaves=8)


def type_of(value: Any) -> tff.Type:
    if isinstance(value, OrderedDict):
        return tff.StructWithPythonType([(name, type_of(v)) for name, v in value.items()], OrderedDict)
    if isinstance(value, tuple):
        return tff.StructWithPythonType([type_of(v) for v in value], tuple)
    return tff.TensorType(value.dtype.type, value.shape)


@given(VALUES, st.sampled_from(["nowhere", "server", "clients"]))
def test_a_message_filled_in_place_is_that_of_tff(value: Any, placed: str) -> None:
    type_: tff.Type = type_of(value)
    if placed == "server":
        type_ = tff.FederatedType(type_, tff.SERVER)
    if placed == "clients":
        value, type_ = [value, value], tff.FederatedType(type_, tff.CLIENTS)
    message = executor_pb2.Value()
    fill(message, value, type_)
    expected, _ = value_serialization.serialize_value(value, type_)
    assert message == expected


def test_a_value_of_another_type_is_refused() -> None:
    type_ = tff.StructType([np.float32, np.float32])
    with pytest.raises(TypeError, match="a value of 1 elements is not of the type"):
        fill(executor_pb2.Value(), (np.float32(1),), type_)
