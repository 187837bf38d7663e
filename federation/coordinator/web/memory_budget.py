"""A limit on the memory that concurrent tasks take: a task waits until enough is free."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MemoryBudget:
    """A number of bytes that concurrent tasks share."""

    def __init__(self, size: int) -> None:
        self._size, self._taken = size, 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """Waits until this many bytes are free, and takes them within the context.

        More than the whole budget counts as all of it.
        """
        size = min(size, self._size)
        async with self._freed:
            await self._freed.wait_for(lambda: self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            self._taken -= size
            async with self._freed:
                self._freed.notify_all()
