"""How much memory may be taken at once; who finds too little left waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MemoryBudget:
    """So many bytes."""

    def __init__(self, most: int) -> None:
        self._most, self._taken = most, 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """Takes bytes for as long as the context lasts, once there are so many; more than there ever are count as all."""
        size = min(size, self._most)
        async with self._freed:
            await self._freed.wait_for(lambda: self._taken + size <= self._most)
            self._taken += size
        try:
            yield
        finally:
            self._taken -= size
            async with self._freed:
                self._freed.notify_all()
