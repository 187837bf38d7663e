"""A TFF worker at an address: the connection, the worker's share in a round, and how one that is gone is noticed."""

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

_TRY_SECONDS = 1.0
_LOOK_AFTER_SECONDS = 10.0  # without an answer: is the machine still there?


class WorkerLostError(UserFacingError):
    """A worker ended, or its machine is not to be reached any more."""


class WorkerConnection:
    """A TFF worker at an address, and the connection to it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel: grpc.Channel | None = None

    def connect(self, seconds: float) -> None:
        """Connects anew.

        Raises:
          WorkerLostError: no worker answers in time.
        """
        self.disconnect()
        try:
            self._channel = channel_to(self.address, seconds)
        except TimeoutError as error:
            raise WorkerLostError(str(error)) from error

    def disconnect(self) -> None:
        """Gives up the connection."""
        if self._channel is not None:
            self._channel.close()
        self._channel = None

    def work(self, board: WorkQueue, up_to_merge: Any, parts: list[list[Any]]) -> None:
        """Does parts from the board until nothing is left to do; is lost and comes back as the worker does."""
        while not board.closed:
            try:
                if self._channel is None:
                    self.connect(_TRY_SECONDS)
                    board.found(self.address)
                self._work(board, up_to_merge, parts)
            except WorkerLostError:
                board.lose(self.address)
                self.disconnect()

    def _work(self, board: WorkQueue, up_to_merge: Any, parts: list[list[Any]]) -> None:
        share = None
        while (number := board.take()) is not None:
            try:
                if share is None:
                    share = _Share(executor_of(_watched_stub(self._channel, self.address), 1), up_to_merge)
                board.put(number, share.compute(parts[number]))
            except (WorkerLostError, tff.framework.RetryableError) as error:
                board.give_back(number)
                raise WorkerLostError(f"the TFF worker at {self.address} is gone") from error
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
                if not type_analysis.contains(type_, at_clients):
                    self._shared[place] = value
            arguments.append((name, value))
        argument = await self._executor.create_struct(tff.structure.Struct(arguments))
        return await (await self._executor.create_call(self._computation, argument)).compute()

    def close(self) -> None:
        self._executor.close()


def at_clients(type_: tff.Type) -> bool:
    """Whether each client has a value of this type."""
    return isinstance(type_, tff.FederatedType) and type_.placement is tff.CLIENTS


class _Watched:
    """The calls of a worker, which look after its machine while they wait: one that lost its power never says so."""

    def __init__(self, calls: Any, address: str) -> None:
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
                    return answer.result(_LOOK_AFTER_SECONDS)
                except grpc.FutureTimeoutError:
                    if not answers(self._address):
                        answer.cancel()
                        raise WorkerLostError(f"nobody answers at {self._address}") from None

        def forget(request: Any) -> None:
            with suppress(ValueError):  # the connection is closed, and the values went with it
                call.future(request)

        return forget if name.startswith("Dispose") else wait


def _watched_stub(channel: grpc.Channel, address: str) -> tff.framework.RemoteExecutorGrpcStub:
    stub = tff.framework.RemoteExecutorGrpcStub(channel)
    stub._stub = _Watched(stub._stub, address)
    return stub
