"""A process beside the coordinator that is asked one thing at a time, in JSON lines, and is started anew when it dies.

The coordinator starts in a moment and stays small because TensorFlow is in there and not in itself.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Sequence
from typing import Any

from data.errors import DataError, UserFacingError
from federation.processes import bound

_LINE = 2**22  # bytes of an answer


class LearnerDiedError(UserFacingError):
    """The process ended before it answered, or took too long and was ended."""


class LearnerClient:
    """A command that reads a line of JSON, does what it says, and answers `{"result": …}` or `{"error": …}`."""

    def __init__(self, command: Sequence[str | os.PathLike[str]]) -> None:
        """Starts nothing yet."""
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._one_at_a_time = asyncio.Lock()

    async def start(self) -> None:
        """Starts the process, if it does not run; it may take a while to be ready, and a request waits for that."""
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *bound(self._command),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE,
            )

    @property
    def process_id(self) -> int | None:
        """The process's id, while it runs."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Has the process do something.

        Raises:
          LearnerDiedError: it ended, or did not answer in time; the same may be asked again.
          DataError: it says that this cannot be done.
        """
        async with self._one_at_a_time:
            await self.start()
            process = self._process
            assert process is not None and process.stdin is not None and process.stdout is not None  # noqa: S101
            try:
                async with asyncio.timeout(seconds):
                    process.stdin.write(json.dumps(request).encode() + b"\n")
                    await process.stdin.drain()
                    line = await process.stdout.readline()
            except (TimeoutError, OSError, ValueError, asyncio.CancelledError) as error:
                await self._end()
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise LearnerDiedError(f"the worker process did not answer: {error or type(error).__name__}") from error
            if not line.endswith(b"\n"):
                await self._end()
                raise LearnerDiedError("the worker process ended before it answered")
        answer = json.loads(line)
        if "error" in answer:
            raise DataError(answer["error"])
        return answer["result"]

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def close(self) -> None:
        """Ends the process."""
        await self._end()
