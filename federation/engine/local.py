"""TFF's execution engine on this machine: its C++ worker as a process that ends with this one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import tensorflow_federated as tff
from tensorflow_federated.python.core.backends.native import compiler
from tensorflow_federated.python.core.backends.test import compiler as secure_sums
from tensorflow_federated.python.core.environments.tensorflow_frontend import tensorflow_computation
from tensorflow_federated.python.core.impl.types import placements

from federation.engine.remote_executor import Executor
from federation.engine.worker_binary import EVERYWHERE, NamespaceUnavailableError, end_worker, start_worker

_MESSAGE_BYTES = 2**31 - 1  # the limit of protocol buffers
_START_SECONDS = 60
_THREADS = "TF_NUM_INTRAOP_THREADS"  # the threads among which TensorFlow splits one operation


@contextmanager
def engine() -> Iterator[None]:
    """Runs TFF computations inside the block on a worker process of this machine.

    TFF's own context starts the same worker and leaves it running when Python ends. Here the worker ends with the block,
    and if this process is killed, the kernel kills it. Where the kernel allows it, the worker is reachable from this
    machine only (`federation.engine.network_namespace`).

    Raises:
      RuntimeError: the worker does not start.
      DataError: TFF is not installed.
    """
    with worker_on_this_machine() as address:
        outside = tff.framework.get_context_stack().current
        try:
            tff.framework.set_default_context(context_of(stub_of(address, _START_SECONDS)))
            yield
        finally:
            tff.framework.set_default_context(outside)  # a computation on the ended worker would wait forever


@contextmanager
def worker_on_this_machine() -> Iterator[str]:
    """Runs a worker while the block runs; yields its address.

    The worker runs as many clients at a time as there are cores, and each operation on one thread, unless the environment sets
    another number: in this way, cores that each run a client do not wait for each other.

    Raises:
      RuntimeError: the worker does not start.
      DataError: TFF is not installed.
    """
    environment = {_THREADS: os.environ.get(_THREADS, "1")}
    try:
        worker, port = start_worker("127.0.0.1", 0, environment)
    except NamespaceUnavailableError:
        worker, port = start_worker(EVERYWHERE[0], 0, environment)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        end_worker(worker)


def channel_to(address: str, seconds: float) -> grpc.Channel:
    """Connects to the worker at HOST:PORT.

    Raises:
      TimeoutError: no TFF worker answers there within `seconds`.
    """
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
    channel = grpc.insecure_channel(address, options)
    try:
        grpc.channel_ready_future(channel).result(seconds)
    except grpc.FutureTimeoutError:
        channel.close()
        raise TimeoutError(f"no TFF worker answers at {address}") from None
    return channel


def stub_of(address: str, seconds: float) -> tff.framework.RemoteExecutorGrpcStub:
    """Returns the stub by which TFF's executors call the worker at HOST:PORT.

    Raises:
      TimeoutError: no TFF worker answers there within `seconds`.
    """
    return tff.framework.RemoteExecutorGrpcStub(channel_to(address, seconds))


def without_secure_sums(computation: tff.framework.ConcreteComputation) -> tff.framework.ConcreteComputation:
    """Replaces secure sums, which workers do not have, by sums in the clear: simulated clients need no secrecy."""
    return secure_sums.replace_secure_intrinsics_with_bodies(computation)


def native(computation: tff.framework.ConcreteComputation) -> tff.framework.ConcreteComputation:
    """Compiles a computation to the building blocks that workers execute."""
    return compiler.desugar_and_transform_to_native(without_secure_sums(computation))


def context_of(stub: tff.framework.RemoteExecutorStub) -> tff.framework.SyncExecutionContext:
    """Returns a context that runs whole computations on one worker."""
    return tff.framework.SyncExecutionContext(
        executor_fn=tff.framework.ResourceManagingExecutorFactory(
            executor_stack_fn=lambda cardinalities: Executor(stub, cardinalities.get(placements.CLIENTS, 0))
        ),
        compiler_fn=native,
        transform_args=tensorflow_computation.transform_args,
        transform_result=tensorflow_computation.transform_result,
    )
