"""The memory budget: no more than the whole is taken, and cancelled tasks give their part back."""

import asyncio

from federation.coordinator.web.memory_budget import MemoryBudget

SECONDS = 30.0


def test_memory_is_taken_and_given_back() -> None:
    async def inside() -> None:
        budget, most, now = MemoryBudget(100), 0, 0

        async def use(size: int) -> None:
            nonlocal most, now
            async with budget.take(size):
                now += min(size, 100)
                most = max(most, now)
                await asyncio.sleep(0)
                now -= min(size, 100)

        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(use(size) for size in [30, 60, 100, 10, 1_000, 45] * 20))
        assert 90 <= most <= 100
        cancelled = asyncio.create_task(use(100))
        async with budget.take(1):
            await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.gather(cancelled, return_exceptions=True)
        async with asyncio.timeout(SECONDS), budget.take(100):
            pass

    asyncio.run(inside())
