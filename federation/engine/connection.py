"""A connection to a TFF worker: its share of a round, and the detection of a lost worker."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import tensorflow_federated as tff
from tensorflow_federated.python.core.impl.types import type_analysis

from data.errors import UserFacingError
from federation.engine.local import channel_to, executor_of
from federation.engine.work_queue import WorkQueue
from federation.engine.worker_binary import answers

_RECONNECT_SECONDS = 1.0
_PROBE_SECONDS = 10.0  # time without an answer after which the worker's machine is probed

GrpcCalls = Any  # the gRPC stub of a TFF executor, which has no type; its requests and answers are protocol buffers
Computation = Any  # tff.framework.ConcreteComputation
Value = Any  # a value as a TFF executor takes or returns it: a dataset, an array, or a structure of them, @CLIENTS or @SERVER


class WorkerLostError(UserFacingError):
    """A worker has ended, or its machine cannot be reached any more."""


class WorkerConnection:
    """The connection to the TFF worker at an address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel: grpc.Channel | None = None

    def connect(self, seconds: float) -> None:
        """Connects, and closes any earlier connection.

        Raises:
          WorkerLostError: no worker answers within `seconds`.
        """
        self.disconnect()
        try:
            self._channel = channel_to(self.address, seconds)
        except TimeoutError as error:
            raise WorkerLostError(str(error)) from error

    def disconnect(self) -> None:
        """Closes the connection, if there is one."""
        if self._channel is not None:
            self._channel.close()
        self._channel = None

    def work(self, queue: WorkQueue, up_to_merge: Computation, parts: list[list[Value]]) -> None:
        """Computes parts from the queue until none is left. While the worker is lost, tries to reconnect.

        Args:
          queue: the numbers of the parts.
          up_to_merge: the computation of a part, (<part's elements> -> <partial sums>@SERVER).
          parts: its arguments, by number.
        """
        while not queue.closed:
            try:
                if self._channel is None:
                    self.connect(_RECONNECT_SECONDS)
                    queue.found(self.address)
                self._work(queue, up_to_merge, parts)
            except WorkerLostError:
                queue.lose(self.address)
                self.disconnect()

    def _work(self, queue: WorkQueue, up_to_merge: Computation, parts: list[list[Value]]) -> None:
        share = None
        while (number := queue.take()) is not None:
            try:
                if share is None:
                    share = _Share(executor_of(_watched_stub(self._channel, self.address), 1), up_to_merge)
                queue.put(number, share.compute(parts[number]))
            except (WorkerLostError, tff.framework.RetryableError) as error:
                queue.give_back(number)
                raise WorkerLostError(f"the TFF worker at {self.address} is lost") from error
        if share is not None:
            share.close()


class _Share:
    """A worker's share of a round. Values that are the same for all clients are sent once."""

    def __init__(self, executor: tff.framework.RemoteExecutor, up_to_merge: Computation) -> None:
        self._executor, self._up_to_merge = executor, up_to_merge
        self._computation: Value = None  # on the worker
        self._shared: dict[int, Value] = {}  # on the worker, by place in the argument

    def compute(self, part: list[Value]) -> Value:
        return asyncio.run(self._compute(part))

    async def _compute(self, part: list[Value]) -> Value:
        if self._computation is None:
            self._computation = await self._executor.create_value(self._up_to_merge, self._up_to_merge.type_signature)
        arguments = []
        for place, (name, type_) in enumerate(tff.structure.iter_elements(self._up_to_merge.type_signature.parameter)):
            value = self._shared.get(place)
            if value is None:
                value = await self._executor.create_value(part[place], type_)
                if not type_analysis.contains(type_, at_clients):
                    self._shared[place] = value
            arguments.append((name, value))
        argument = await self._executor.create_struct(tff.structure.Struct(arguments))
        return await (await self._executor.create_call(self._computation, argument)).compute()

    def close(self) -> None:
        self._executor.close()


def at_clients(type_: tff.Type) -> bool:
    """Returns whether a type is federated, @CLIENTS."""
    return isinstance(type_, tff.FederatedType) and type_.placement is tff.CLIENTS


class _WatchedStub:
    """A worker's gRPC stub whose calls probe its machine while they wait: a machine that loses power closes no connection."""

    def __init__(self, calls: GrpcCalls, address: str) -> None:
        self._calls, self._address = calls, address

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        call = getattr(self._calls, name)

        def wait(request: Any) -> Any:
            try:
                answer = call.future(request)
            except ValueError as error:
                raise WorkerLostError(f"the connection to {self._address} is closed") from error
            while True:
                try:
                    return answer.result(_PROBE_SECONDS)
                except grpc.FutureTimeoutError:
                    if not answers(self._address):
                        answer.cancel()
                        raise WorkerLostError(f"no worker answers at {self._address}") from None

        def forget(request: Any) -> None:
            with suppress(ValueError):  # the connection is closed, and its values are gone
                call.future(request)

        return forget if name.startswith("Dispose") else wait


def _watched_stub(channel: grpc.Channel, address: str) -> tff.framework.RemoteExecutorGrpcStub:
    stub = tff.framework.RemoteExecutorGrpcStub(channel)
    stub._stub = _WatchedStub(stub._stub, address)
    return stub
