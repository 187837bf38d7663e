"""TFF's executor on a worker, with values written once into the message that carries them.

`tff.framework.RemoteExecutor` writes an array into a message of its own and copies that into each message around it: six copies
of a model's weights for every round. Here they are written in place.
"""

from typing import Any

import numpy as np
import tensorflow_federated as tff
from tensorflow_federated.proto.v0 import executor_pb2
from tensorflow_federated.python.core.impl.executors import remote_executor, value_serialization
from tensorflow_federated.python.core.impl.types import array_shape, dtype_utils, placements, type_serialization

Value = Any  # a value as a TFF executor takes it: a computation, a dataset, an array, or a structure of them
Message = Any  # TFF's protocol buffer `executor_pb2.Value`


class Executor(tff.framework.RemoteExecutor):
    """An executor for computations over `clients` clients on one worker."""

    def __init__(self, stub: tff.framework.RemoteExecutorStub, clients: int) -> None:
        super().__init__(stub)
        self.set_cardinalities({placements.CLIENTS: clients})

    async def create_value(self, value: Value, type_spec: tff.Type | None = None) -> remote_executor.RemoteValue:
        """Sends a value to the worker; `type_spec` may be None for a computation."""
        if type_spec is None or isinstance(type_spec, tff.FunctionType):
            return await super().create_value(value, type_spec)
        self._check_has_executor_id()
        request = executor_pb2.CreateValueRequest(executor=self._executor_id)
        write_value(request.value, value, type_spec)
        return remote_executor.RemoteValue(self._stub.create_value(request).value_ref, type_spec, self)


def write_value(message: Message, value: Value, type_: tff.Type) -> None:
    """Writes a value into an empty message: the same message as TFF's `serialize_value` returns.

    Raises:
      TypeError: the value is not of the type.
    """
    if isinstance(type_, tff.FederatedType):
        for member in [value] if type_.all_equal else value:
            write_value(message.federated.value.add(), member, type_.member)
        message.federated.type.CopyFrom(type_serialization.serialize_type(type_).federated)
    elif isinstance(type_, tff.StructType) and len(type_):
        members = tff.structure.from_container(value)
        if len(members) != len(type_):
            raise TypeError(f"a value of {len(members)} elements is not of the type {type_}")
        for member, (name, member_type) in zip(members, tff.structure.iter_elements(type_), strict=True):
            element = message.struct.element.add(name=name or "")
            write_value(element.value, member, member_type)
    elif _is_plain(value, type_):
        message.array.dtype = dtype_utils.to_proto(value.dtype.type)
        message.array.shape.CopyFrom(array_shape.to_proto(value.shape))
        message.array.content = value.tobytes()
    else:  # scalars, strings and datasets, which are small, and values of a wrong type
        message.CopyFrom(value_serialization.serialize_value(value, type_)[0])


def _is_plain(value: Value, type_: tff.Type) -> bool:
    """Returns whether a value is an array of exactly the type, with at least one axis, of numbers or truth values."""
    return (
        isinstance(type_, tff.TensorType)
        and isinstance(value, np.ndarray)
        and value.ndim > 0
        and value.dtype.kind in "fiub"
        and value.dtype.type is type_.dtype.type
        and array_shape.is_compatible_with(value.shape, type_.shape)
    )
