"""TFF's execution engine: its own C++ worker, started here so that it also ends here."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import tensorflow_federated as tff
from tensorflow_federated.python.core.backends.native import compiler
from tensorflow_federated.python.core.backends.test import compiler as secure_sums
from tensorflow_federated.python.core.environments.tensorflow_frontend import tensorflow_computation
from tensorflow_federated.python.core.impl.types import placements

from federation.engine.worker_binary import EVERYWHERE, NamespaceUnavailableError, end_worker, start_worker

_MESSAGE_BYTES = 2**31 - 1  # protocol buffers end there
_START_SECONDS = 60


@contextmanager
def engine() -> Iterator[None]:
    """Runs TFF computations inside the block on a worker process of this machine.

    TFF's own context starts the same worker and leaves it running when Python ends. This one is ended on every way out; the
    kernel ends it should this process be killed. It is reachable from this machine alone, where the kernel allows that
    (`federation.engine.network_namespace`).

    Raises:
      RuntimeError: the worker does not start.
    """
    with worker_on_this_machine() as address:
        outside = tff.framework.get_context_stack().current
        try:
            tff.framework.set_default_context(context_of(stub_of(address, _START_SECONDS)))
            yield
        finally:
            tff.framework.set_default_context(outside)  # a computation on the ended worker would wait for it for ever


@contextmanager
def worker_on_this_machine() -> Iterator[str]:
    """A worker for this process, which ends with the block; gives its address."""
    try:
        worker, port = start_worker("127.0.0.1", 0)
    except NamespaceUnavailableError:
        worker, port = start_worker(EVERYWHERE[0], 0)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        end_worker(worker)


def channel_to(address: str, seconds: float) -> grpc.Channel:
    """A connection to the worker at HOST:PORT.

    Raises:
      TimeoutError: no TFF worker answers there in time.
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
    """What TFF's executors call the worker at an address by.

    Raises:
      TimeoutError: no TFF worker answers there in time.
    """
    return tff.framework.RemoteExecutorGrpcStub(channel_to(address, seconds))


def without_secure_sums(computation: tff.framework.ConcreteComputation) -> tff.framework.ConcreteComputation:
    """The same for workers, which have no secure sums: simulated clients are all ours, and added up in the clear."""
    return secure_sums.replace_secure_intrinsics_with_bodies(computation)


def native(computation: tff.framework.ConcreteComputation) -> tff.framework.ConcreteComputation:
    """The same in what workers understand."""
    return compiler.desugar_and_transform_to_native(without_secure_sums(computation))


def executor_of(stub: tff.framework.RemoteExecutorStub, clients: int) -> tff.framework.RemoteExecutor:
    """What computations over so many clients run on."""
    remote = tff.framework.RemoteExecutor(stub)
    remote.set_cardinalities({placements.CLIENTS: clients})
    return remote


def context_of(stub: tff.framework.RemoteExecutorStub) -> tff.framework.SyncExecutionContext:
    """What runs whole computations on one worker."""
    return tff.framework.SyncExecutionContext(
        executor_fn=tff.framework.ResourceManagingExecutorFactory(
            executor_stack_fn=lambda cardinalities: executor_of(stub, cardinalities.get(placements.CLIENTS, 0))
        ),
        compiler_fn=native,
        transform_args=tensorflow_computation.transform_args,
        transform_result=tensorflow_computation.transform_result,
    )
