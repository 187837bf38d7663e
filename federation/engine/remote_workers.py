"""Simulated rounds on TFF workers of other machines, which may die in the middle: `federate simulate --workers`.

TFF takes a round apart into what happens up to the sum, the merging of two sums, and what happens after (its
`MergeableCompForm`). `RemoteWorkers` is a context of TFF that runs them so:

1. up to the sum, each client by itself, on whichever worker is free next; a worker is sent the global state once a round;
2. what a worker did not bring back because it died, another does, or itself once it is there again;
3. the sums of single clients are merged here, in the clients' order: what comes out does not depend on who did what;
4. what comes after the sum happens here.

TFF's own `MergeableCompExecutionContext` merges in the order in which sums arrive, and waits for ever for a dead worker.

Nothing that goes to a worker or comes from it is encrypted, and a worker runs any graph it is sent by anybody: such workers
belong on a network that all of its users trust.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import tensorflow as tf
import tensorflow_federated as tff
from tensorflow_federated.python.core.backends.native import mergeable_comp_compiler
from tensorflow_federated.python.core.environments.tensorflow_frontend import tensorflow_computation
from tensorflow_federated.python.core.impl.execution_contexts import mergeable_comp_execution_context as mergeable
from tensorflow_federated.python.core.impl.executors import cardinalities_utils
from tensorflow_federated.python.core.impl.types import placements, type_analysis

from data.errors import DataError
from federation.engine.connection import WorkerConnection, WorkerLostError, at_clients
from federation.engine.local import context_of, native, stub_of, without_secure_sums, worker_on_this_machine
from federation.engine.work_queue import WorkQueue
from federation.engine.worker_binary import answers

_CONNECT_SECONDS = 10.0
PATIENCE_SECONDS = 60.0  # with no worker left


def check_reachable(addresses: Sequence[str]) -> None:
    """Lets addresses pass at which somebody listens.

    Raises:
      DataError: at one of them nobody does.
    """
    for address in addresses:
        if not answers(address):
            raise _nobody_at(address)


@contextmanager
def remote_engine(addresses: Sequence[str], patience: float = PATIENCE_SECONDS) -> Iterator[tff.framework.SyncContext]:
    """Runs TFF computations inside the block, clients on the workers at these addresses, the server's part on this machine.

    Gives the context, for whoever has several.

    Raises:
      DataError: at one of the addresses there is no worker.
    """
    workers = [WorkerConnection(address) for address in addresses]
    for worker in workers:
        try:
            worker.connect(_CONNECT_SECONDS)
        except WorkerLostError as lost:
            raise _nobody_at(worker.address) from lost
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
    """See above. What has no clients in it is computed here."""

    def __init__(
        self, workers: Sequence[WorkerConnection], here: tff.framework.RemoteExecutorStub, patience: float
    ) -> None:
        """Takes workers that are connected, and one of this machine."""
        self._workers, self._patience = workers, patience
        self._context = context_of(here)
        self._merging = lru_cache(maxsize=None)(_Merging)

    def invoke(self, comp: Any, arg: Any) -> Any:
        """Runs a computation.

        Raises:
          DataError: no worker is left.
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

    def _partials(self, up_to_merge: Any, parts: list[list[Any]]) -> Iterator[Any]:
        """What the clients' parts come to, in their order, as they are there."""
        board = WorkQueue(len(parts), len(self._workers), self._patience)

        def work(worker: WorkerConnection) -> None:
            try:
                worker.work(board, up_to_merge, parts)
            except Exception as error:  # a thread's errors are the round's
                board.fail(error)

        threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in self._workers]
        for thread in threads:
            thread.start()
        try:
            for number in range(len(parts)):
                yield board.result(number)
        except BaseException:
            for worker in self._workers:
                worker.disconnect()  # nobody waits for what they still compute
            raise
        finally:
            board.close()
            for thread in threads:
                thread.join()


def _nobody_at(address: str) -> DataError:
    port = address.rpartition(":")[2]
    return DataError(
        f"no TFF worker answers at {address}: start one there by federate worker --host ADDRESS --port {port}"
    )


@lru_cache(maxsize=8)
def _split(comp: Any) -> tuple[Any, Any, Any]:
    """What happens to a client up to the sum, in what workers understand; the merging of two sums; what happens after."""
    form = mergeable_comp_compiler.compile_to_mergeable_comp_form(without_secure_sums(comp))
    # On the way the names that Python has for the parts of the result are lost.
    result = tff.FunctionType(form.after_merge.type_signature.parameter, comp.type_signature.result)
    after_merge = tff.framework.ConcreteComputation.with_type(form.after_merge, result)
    return native(form.up_to_merge), form.merge, after_merge


def _elements(part: Any) -> list[Any]:
    return [tensorflow_computation.transform_args(value) for _, value in tff.structure.iter_elements(part)]


class _Merging:
    """TFF's merging of two sums, which is a TensorFlow graph: it runs in this process, which has the sums."""

    def __init__(self, merge: Any) -> None:
        self._type = merge.type_signature.result
        content = merge.to_building_block().proto.tensorflow
        graph = tf.compat.v1.GraphDef()
        content.graph_def.Unpack(graph)
        imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
        tensors = [
            [imported.graph.as_graph_element(name) for name in _tensor_names(binding)]
            for binding in (content.parameter, content.result)
        ]
        self._merge = imported.prune(*tensors)

    def total(self, partials: Iterable[Any]) -> Any:
        """What all come to, merged one by one."""
        total: list[tf.Tensor] = []
        for partial in partials:
            arrays = [tf.constant(array) for array in tff.structure.flatten(partial)]
            total = self._merge(*total, *arrays) if total else arrays
        return tff.structure.pack_sequence_as(self._type, [tensor.numpy() for tensor in total])


def _tensor_names(binding: Any) -> Iterator[str]:
    if binding.WhichOneof("binding") == "struct":
        for element in binding.struct.element:
            yield from _tensor_names(element)
    else:
        yield binding.tensor.tensor_name
