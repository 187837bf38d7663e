"""Values as messages to a worker: the same as TFF's own, without its copies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays


@given(arrays.arrays(st.sampled_from([np.float32, np.int64, np.bool_, np.float64]), arrays.array_shapes(min_dims=0)))
def test_a_value_becomes_the_message_that_tff_makes_of_it(array: np.ndarray) -> None:
    import tensorflow_federated as tff
    from tensorflow_federated.proto.v0 import executor_pb2
    from tensorflow_federated.python.core.impl.executors import value_serialization

    from federation.engine.remote_executor import write_value

    array_type = tff.TensorType(array.dtype.type, array.shape)
    any_length = tff.TensorType(array.dtype.type, [None] * array.ndim)
    struct_type = tff.to_type([("first", array_type), ("rest", [any_length, tff.StructType([])])])
    struct = tff.structure.Struct([("first", array), ("rest", tff.structure.Struct.unnamed(array.T.copy().T, ()))])
    for value, type_ in (
        (array, array_type),
        (struct, struct_type),
        (struct, tff.FederatedType(struct_type, tff.SERVER)),
        ([array, array + array], tff.FederatedType(array_type, tff.CLIENTS)),
        ("text", tff.TensorType(np.str_)),
    ):
        message = executor_pb2.Value()
        write_value(message, value, type_)
        assert message == value_serialization.serialize_value(value, type_)[0]


def test_a_value_of_another_type_is_refused() -> None:
    import tensorflow_federated as tff
    from tensorflow_federated.proto.v0 import executor_pb2

    from federation.engine.remote_executor import write_value

    array = np.zeros(3, np.float32)
    for value, type_ in (
        (array, tff.TensorType(np.float32, [2])),
        (array, tff.TensorType(np.int32, [3])),
        ([array], tff.to_type([tff.TensorType(np.float32, [3])] * 2)),
    ):
        with pytest.raises(TypeError):
            write_value(executor_pb2.Value(), value, type_)
