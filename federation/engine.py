"""TFF's execution engine: its own C++ worker, started here so that it also ends here."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import tensorflow_federated as tff
from tensorflow_federated.python.core.backends.native import compiler
from tensorflow_federated.python.core.backends.test import compiler as secure_sums
from tensorflow_federated.python.core.environments.tensorflow_frontend import tensorflow_computation
from tensorflow_federated.python.core.impl.types import placements

from federation.processes import start

_WORKER = Path(tff.__file__).parent / "data" / "worker_binary"
_MESSAGE_BYTES = 2**31 - 1  # protocol buffers end there
_START_SECONDS = 60


@contextmanager
def engine() -> Iterator[None]:
    """Runs TFF computations inside the block on a worker process of this machine.

    TFF's own context starts the same worker and leaves it running when Python ends. This one is ended on every way out; the
    kernel ends it should this process be killed.

    Raises:
      RuntimeError: the worker does not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    worker = start(
        [_WORKER, f"--port={port}", "--max_concurrent_computation_calls=-1"],  # as TFF starts it: no limit
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    outside = tff.framework.get_context_stack().current
    try:
        options = [
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ]
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        ready, until = grpc.channel_ready_future(channel), time.monotonic() + _START_SECONDS
        while not ready.done():
            if worker.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the TFF worker {_WORKER} did not start: run it by hand to see why")
            time.sleep(0.02)
        tff.framework.set_default_context(_context(tff.framework.RemoteExecutorGrpcStub(channel)))
        yield
    finally:
        tff.framework.set_default_context(outside)  # a computation on the ended worker would wait for it for ever
        worker.kill()
        worker.wait()


def _compile(computation: tff.framework.ConcreteComputation) -> tff.framework.ConcreteComputation:
    """For the worker, which has no secure sums: simulated clients are all on this machine, and added up in the clear."""
    return compiler.desugar_and_transform_to_native(secure_sums.replace_secure_intrinsics_with_bodies(computation))


def _context(stub: tff.framework.RemoteExecutorGrpcStub) -> tff.framework.SyncExecutionContext:
    def executor(cardinalities: dict) -> tff.framework.RemoteExecutor:
        cardinalities.setdefault(placements.CLIENTS, 0)
        remote = tff.framework.RemoteExecutor(stub)
        remote.set_cardinalities(cardinalities)
        return remote

    return tff.framework.SyncExecutionContext(
        executor_fn=tff.framework.ResourceManagingExecutorFactory(executor_stack_fn=executor),
        compiler_fn=_compile,
        transform_args=tensorflow_computation.transform_args,
        transform_result=tensorflow_computation.transform_result,
    )
