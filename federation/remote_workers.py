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

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import grpc
import tensorflow as tf
import tensorflow_federated as tff
from tensorflow_federated.python.core.backends.native import mergeable_comp_compiler
from tensorflow_federated.python.core.environments.tensorflow_frontend import tensorflow_computation
from tensorflow_federated.python.core.impl.execution_contexts import mergeable_comp_execution_context as mergeable
from tensorflow_federated.python.core.impl.executors import cardinalities_utils
from tensorflow_federated.python.core.impl.types import placements, type_analysis

from data.errors import DataError
from federation.engine import (
    channel_to,
    context_of,
    executor_of,
    native,
    stub_of,
    without_secure_sums,
    worker_on_this_machine,
)
from federation.tff_worker import answers

_CONNECT_SECONDS = 10.0
_TRY_SECONDS = 1.0
_LOOK_AFTER_SECONDS = 10.0  # without an answer: is the machine still there?
PATIENCE_SECONDS = 60.0  # with no worker left


class WorkerLost(DataError):  # noqa: N818 (another does its work)
    """A worker ended, or its machine is not to be reached any more."""


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
    workers = [_Worker(address) for address in addresses]
    for worker in workers:
        try:
            worker.connect(_CONNECT_SECONDS)
        except WorkerLost as lost:
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

    def __init__(self, workers: Sequence["_Worker"], here: tff.framework.RemoteExecutorStub, patience: float) -> None:
        """Takes workers that are connected, and one of this machine."""
        self._workers, self._here, self._patience = workers, here, patience
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
        if not clients or type_analysis.contains(comp.type_signature.result, _at_clients):
            return self._context.invoke(comp, arg)
        up_to_merge, merge, after_merge = _split(comp)
        parts = mergeable.MergeableCompExecutionContextValue(arg, up_to_merge.type_signature.parameter, clients)
        merging = self._merging(merge)
        for partial in self._partials(up_to_merge, [_elements(part) for part in parts.value()]):
            merging.add(partial)
        return self._context.invoke(after_merge, tff.structure.Struct.unnamed(parts.value()[0], merging.result()))

    def _partials(self, up_to_merge: Any, parts: list[list[Any]]) -> Iterator[Any]:
        """What the clients' parts come to, in their order, as they are there."""
        board = _Board(len(parts), len(self._workers), self._patience)

        def work(worker: _Worker) -> None:
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


def _at_clients(type_: tff.Type) -> bool:
    return isinstance(type_, tff.FederatedType) and type_.placement is tff.CLIENTS


@dataclass
class _Board:
    """What is to be done in a round, who takes it, and what came of it; shared by threads."""

    parts: int
    workers: int
    patience: float  # seconds without any worker
    waiting: deque[int] = field(init=False)
    results: dict[int, Any] = field(default_factory=dict)
    brought: int = 0
    lost: set[str] = field(default_factory=set)
    alone_since: float = 0.0
    error: Exception | None = None
    closed: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.waiting = deque(range(self.parts))

    def take(self) -> int | None:
        """A part to do, once there is one; none when all is done."""
        with self.changed:
            while not self.closed and not self.waiting:
                self.changed.wait()
            return None if self.closed else self.waiting.popleft()

    def put(self, number: int, result: Any) -> None:
        """What a part came to."""
        with self.changed:
            self.results[number] = result
            self.brought += 1
            self.closed = self.closed or self.brought == self.parts
            self.changed.notify_all()

    def give_back(self, number: int) -> None:
        """A part that was not done; whoever is free does it next, for others wait to be merged behind it."""
        with self.changed:
            self.waiting.appendleft(number)
            self.changed.notify_all()

    def lose(self, address: str) -> None:
        """A worker is gone."""
        with self.changed:
            if address not in self.lost:
                self.lost.add(address)
                self.alone_since = time.monotonic()

    def found(self, address: str) -> None:
        """A worker is there again."""
        with self.changed:
            self.lost.discard(address)

    def fail(self, error: Exception) -> None:
        """The round can't be done."""
        with self.changed:
            self.error = self.error or error
            self.closed = True
            self.changed.notify_all()

    def close(self) -> None:
        """Nobody waits any more."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def result(self, number: int) -> Any:
        """What a part came to, once it is there; it is handed out once.

        Raises:
          DataError: no worker was left for longer than the patience lasts.
        """
        with self.changed:
            while number not in self.results:
                if self.error:
                    raise self.error
                if len(self.lost) == self.workers and time.monotonic() > self.alone_since + self.patience:
                    raise DataError(
                        f"no TFF worker is left ({', '.join(sorted(self.lost))}): start them again, and go on with --resume"
                    )
                self.changed.wait(1.0)
            return self.results.pop(number)


class _Worker:
    """A TFF worker at an address, and the connection to it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel: grpc.Channel | None = None

    def connect(self, seconds: float) -> None:
        """Connects anew.

        Raises:
          WorkerLost: no worker answers in time.
        """
        self.disconnect()
        try:
            self._channel = channel_to(self.address, seconds)
        except TimeoutError as error:
            raise WorkerLost(str(error)) from error

    def disconnect(self) -> None:
        """Gives up the connection."""
        if self._channel is not None:
            self._channel.close()
        self._channel = None

    def work(self, board: _Board, up_to_merge: Any, parts: list[list[Any]]) -> None:
        """Does parts from the board until nothing is left to do; is lost and comes back as the worker does."""
        while not board.closed:
            try:
                if self._channel is None:
                    self.connect(_TRY_SECONDS)
                    board.found(self.address)
                self._work(board, up_to_merge, parts)
            except WorkerLost:
                board.lose(self.address)
                self.disconnect()

    def _work(self, board: _Board, up_to_merge: Any, parts: list[list[Any]]) -> None:
        share = None
        while (number := board.take()) is not None:
            try:
                if share is None:
                    share = _Share(executor_of(_watched_stub(self._channel, self.address), 1), up_to_merge)
                board.put(number, share.compute(parts[number]))
            except (WorkerLost, tff.framework.RetryableError) as error:
                board.give_back(number)
                raise WorkerLost(f"the TFF worker at {self.address} is gone") from error
        if share is not None:
            share.close()


class _Share:
    """A worker's part in a round: what is the same for all clients is sent once."""

    def __init__(self, executor: tff.framework.RemoteExecutor, up_to_merge: Any) -> None:
        self._executor, self._up_to_merge = executor, up_to_merge
        self._computation: Any = None
        self._shared: dict[int, Any] = {}

    def compute(self, part: list[Any]) -> Any:
        return asyncio.run(self._compute(part))

    async def _compute(self, part: list[Any]) -> Any:
        if self._computation is None:
            self._computation = await self._executor.create_value(self._up_to_merge, self._up_to_merge.type_signature)
        arguments = []
        for place, (name, type_) in enumerate(tff.structure.iter_elements(self._up_to_merge.type_signature.parameter)):
            value = self._shared.get(place)
            if value is None:
                value = await self._executor.create_value(part[place], type_)
                if not type_analysis.contains(type_, _at_clients):
                    self._shared[place] = value
            arguments.append((name, value))
        argument = await self._executor.create_struct(tff.structure.Struct(arguments))
        return await (await self._executor.create_call(self._computation, argument)).compute()

    def close(self) -> None:
        self._executor.close()


class _Merging:
    """A running sum. TFF's merging is a TensorFlow graph: it runs in this process, which has the sums."""

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
        self._add = imported.prune(*tensors)
        self._sum: list[Any] | None = None

    def add(self, partial: Any) -> None:
        """Merges what comes next."""
        arrays = [tf.constant(array) for array in tff.structure.flatten(partial)]
        self._sum = arrays if self._sum is None else self._add(*self._sum, *arrays)

    def result(self) -> Any:
        """What all came to, as `merge` gives it; the next sum starts anew."""
        arrays, self._sum = [tensor.numpy() for tensor in self._sum or []], None
        return tff.structure.pack_sequence_as(self._type, arrays)


def _tensor_names(binding: Any) -> Iterator[str]:
    if binding.WhichOneof("binding") == "struct":
        for element in binding.struct.element:
            yield from _tensor_names(element)
    else:
        yield binding.tensor.tensor_name


class _Watched:
    """The calls of a worker, which look after its machine while they wait: one that lost its power never says so."""

    def __init__(self, calls: Any, address: str) -> None:
        self._calls, self._address = calls, address

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        call = getattr(self._calls, name)

        def wait(request: Any) -> Any:
            answer = call.future(request)
            while True:
                try:
                    return answer.result(_LOOK_AFTER_SECONDS)
                except grpc.FutureTimeoutError:
                    if not answers(self._address):
                        answer.cancel()
                        raise WorkerLost(f"nobody answers at {self._address}") from None

        return wait


def _watched_stub(channel: grpc.Channel, address: str) -> tff.framework.RemoteExecutorGrpcStub:
    stub = tff.framework.RemoteExecutorGrpcStub(channel)
    stub._stub = _Watched(stub._stub, address)
    return stub
