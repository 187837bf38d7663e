"""A connection to a TFF worker: its share of a round, and the detection of a lost worker."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import numpy as np
import tensorflow_federated as tff
from tensorflow_federated.python.core.impl.types import type_analysis

from data.errors import UserFacingError
from federation.engine.local import channel_to
from federation.engine.remote_executor import Executor
from federation.engine.work_queue import WorkQueue
from federation.engine.worker_binary import answers

_RECONNECT_SECONDS = 1.0
_END_SECONDS = 1.0  # time that a worker has to drop its values before the connection closes
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
        self._share: _Share | None = None  # of the rounds since the last connection

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
            if self._share is not None:
                self._share.close()
            self._channel.close()
        self._channel = self._share = None

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
        if self._share is not None:
            try:
                self._share.begin_round()
            except tff.framework.RetryableError as error:
                raise WorkerLostError(f"the TFF worker at {self.address} is lost") from error
        while (number := queue.take()) is not None:
            try:
                if self._share is None:
                    self._share = _Share(Executor(_watched_stub(self._channel, self.address), 1))
                queue.put(number, self._share.compute(up_to_merge, parts[number]))
            except (WorkerLostError, tff.framework.RetryableError) as error:
                queue.give_back(number)
                raise WorkerLostError(f"the TFF worker at {self.address} is lost") from error


class _Share:
    """A worker's share of rounds. Computations are sent once; values that are the same for all clients, once a round.

    The worker keeps what it has made of a computation, its TensorFlow sessions, as long as its executor is open.
    """

    def __init__(self, executor: tff.framework.RemoteExecutor) -> None:
        self._executor = executor
        self._computations: dict[int, tuple[Computation, Value]] = {}  # here and on the worker, by identity
        self._shared: dict[int, Value] = {}  # on the worker, by place in the argument
        self._token = np.int64(secrets.randbits(62))
        self._sent_token = asyncio.run(executor.create_value(self._token, tff.TensorType(np.int64)))

    def begin_round(self) -> None:
        """Forgets the values of the round before.

        Raises:
          WorkerLostError: the worker was restarted since, and its values are not those that were sent.
        """
        self._shared = {}
        if asyncio.run(self._sent_token.compute()) != self._token:
            raise WorkerLostError("the TFF worker was restarted")

    def compute(self, up_to_merge: Computation, part: list[Value]) -> Value:
        return asyncio.run(self._compute(up_to_merge, part))

    async def _compute(self, up_to_merge: Computation, part: list[Value]) -> Value:
        if id(up_to_merge) not in self._computations:
            sent = await self._executor.create_value(up_to_merge, up_to_merge.type_signature)
            self._computations[id(up_to_merge)] = up_to_merge, sent
        _, computation = self._computations[id(up_to_merge)]
        arguments = []
        for place, (name, type_) in enumerate(tff.structure.iter_elements(up_to_merge.type_signature.parameter)):
            value = self._shared.get(place)
            if value is None:
                value = await self._executor.create_value(part[place], type_)
                if not type_analysis.contains(type_, at_clients):
                    self._shared[place] = value
            arguments.append((name, value))
        argument = await self._executor.create_struct(tff.structure.Struct(arguments))
        return await (await self._executor.create_call(computation, argument)).compute()

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

        def end(request: Any) -> None:
            with suppress(ValueError, grpc.FutureTimeoutError, grpc.RpcError):  # the same
                call.future(request).result(_END_SECONDS)  # closing the connection would cancel it

        return {"Dispose": forget, "DisposeExecutor": end}.get(name, wait)


def _watched_stub(channel: grpc.Channel, address: str) -> tff.framework.RemoteExecutorGrpcStub:
    stub = tff.framework.RemoteExecutorGrpcStub(channel)
    stub._stub = _WatchedStub(stub._stub, address)
    return stub
