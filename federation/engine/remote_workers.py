"""Simulated rounds on TFF workers on other machines, any of which may be lost during a round: `federate simulate --workers`.

TFF splits a round into the computation up to the sum, the merging of two sums, and the computation after the sum (its
`MergeableCompForm`). `RemoteWorkers` is a TFF context that runs them as follows:

1. up to the sum, each client is a part of its own, computed by the next free worker, the largest clients first; a worker gets
   the global state once per round;
2. the parts of a lost worker are computed by another, or by the same worker once it is back;
3. the sums of single clients are merged here, in the order of the clients, so that the result does not depend on the workers;
4. the computation after the sum runs here.

TFF's own `MergeableCompExecutionContext` merges sums in the order in which they arrive, and waits forever for a lost worker.

Traffic with workers is not encrypted, and a worker runs any graph that anybody sends it: workers belong on a network whose
users are all trusted.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import tensorflow as tf
import tensorflow_federated as tff
from tensorflow_federated.python.core.backends.native import mergeable_comp_compiler
from tensorflow_federated.python.core.environments.tensorflow_frontend import tensorflow_computation
from tensorflow_federated.python.core.impl.execution_contexts import mergeable_comp_execution_context as mergeable
from tensorflow_federated.python.core.impl.executors import cardinalities_utils
from tensorflow_federated.python.core.impl.types import placements, type_analysis

from data.errors import DataError
from federation.engine.connection import Computation, Value, WorkerConnection, WorkerLostError, at_clients
from federation.engine.local import context_of, native, stub_of, without_secure_sums, worker_on_this_machine
from federation.engine.merging import Merging
from federation.engine.work_queue import WorkQueue
from federation.engine.worker_binary import answers

_CONNECT_SECONDS = 10.0
PATIENCE_SECONDS = 60.0  # time without any worker after which a round fails


def check_reachable(addresses: Sequence[str]) -> None:
    """Raises DataError unless something listens at each of the addresses."""
    for address in addresses:
        if not answers(address):
            raise _no_worker_at(address)


@contextmanager
def remote_engine(addresses: Sequence[str], patience: float = PATIENCE_SECONDS) -> Iterator[tff.framework.SyncContext]:
    """Runs TFF computations inside the block: clients on the workers at these addresses, the server's part on this machine.

    Yields the context, for callers with more than one.

    Args:
      addresses: addresses of the workers, each HOST:PORT.
      patience: seconds without any worker after which a round fails.

    Raises:
      DataError: there is no worker at one of the addresses.
    """
    workers = [WorkerConnection(address) for address in addresses]
    for worker in workers:
        try:
            worker.connect(_CONNECT_SECONDS)
        except WorkerLostError as lost:
            raise _no_worker_at(worker.address) from lost
    outside = tff.framework.get_context_stack().current
    with worker_on_this_machine() as here:
        try:
            context = RemoteWorkers(workers, stub_of(here, _CONNECT_SECONDS), patience)
            tff.framework.set_default_context(context)
            yield context
        finally:
            tff.framework.set_default_context(outside)
            for worker in workers:
                worker.disconnect()


class RemoteWorkers(tff.framework.SyncContext):
    """The context that the module's docstring describes. Computations without clients run on this machine."""

    def __init__(
        self, workers: Sequence[WorkerConnection], here: tff.framework.RemoteExecutorStub, patience: float
    ) -> None:
        """Takes connected workers, and the stub of a worker on this machine."""
        self._workers, self._patience = workers, patience
        self._context = context_of(here)
        self._merging = lru_cache(maxsize=None)(Merging)

    def invoke(self, comp: Computation, arg: Value) -> Value:
        """Runs a computation.

        Raises:
          DataError: all workers are lost.
        """
        clients = 0
        if arg is not None:
            counts = cardinalities_utils.infer_cardinalities(arg, comp.type_signature.parameter)
            clients = counts.get(placements.CLIENTS, 0)
        if not clients or type_analysis.contains(comp.type_signature.result, at_clients):
            return self._context.invoke(comp, arg)
        up_to_merge, merge, after_merge = _split(comp)
        parts = mergeable.MergeableCompExecutionContextValue(arg, up_to_merge.type_signature.parameter, clients)
        partials = self._partials(up_to_merge, [_elements(part) for part in parts.value()])
        total = self._merging(merge).total(partials)
        return self._context.invoke(after_merge, tff.structure.Struct.unnamed(parts.value()[0], total))

    def _partials(self, up_to_merge: Computation, parts: list[list[Value]]) -> Iterator[Value]:
        """Yields the clients' partial sums in the order of the clients, as they arrive."""
        queue = WorkQueue(len(parts), len(self._workers), self._patience, [_steps(part) for part in parts])

        def work(worker: WorkerConnection) -> None:
            try:
                worker.work(queue, up_to_merge, parts)
            except Exception as error:  # an error in a thread ends the round
                queue.fail(error)

        threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in self._workers]
        for thread in threads:
            thread.start()
        try:
            for number in range(len(parts)):
                yield queue.result(number)
        except BaseException:
            queue.close()
            for worker in self._workers:
                worker.disconnect()  # their results are not needed any more
            raise
        finally:
            queue.close()
            for thread in threads:
                thread.join()


def _no_worker_at(address: str) -> DataError:
    port = address.rpartition(":")[2]
    return DataError(
        f"no TFF worker answers at {address}: start one there with federate worker --host ADDRESS --port {port}"
    )


@lru_cache(maxsize=8)
def _split(comp: Computation) -> tuple[Computation, Computation, Computation]:
    """Splits a round: up to the sum, compiled for workers; the merging of two sums; after the sum."""
    form = mergeable_comp_compiler.compile_to_mergeable_comp_form(without_secure_sums(comp))
    # The compilation loses the Python names of the result's parts.
    result = tff.FunctionType(form.after_merge.type_signature.parameter, comp.type_signature.result)
    after_merge = tff.framework.ConcreteComputation.with_type(form.after_merge, result)
    return native(form.up_to_merge), form.merge, after_merge


def _elements(part: Value) -> list[Value]:
    return [tensorflow_computation.transform_args(value) for _, value in tff.structure.iter_elements(part)]


def _steps(part: list[Value]) -> int:
    """Returns the number of batches in a client's datasets; those of unknown length count as empty."""
    datasets = [value for value in tf.nest.flatten(part) if isinstance(value, tf.data.Dataset)]
    return sum(max(0, int(data.cardinality())) for data in datasets)
