"""A child process that answers one JSON value per line of JSON, and is restarted when it dies."""

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import DataError, UserFacingError
from federation.processes import bound

_LONGEST_ANSWER = 2**22  # bytes


class LearnerDiedError(UserFacingError):
    """The process ended before it answered, or took too long and was killed."""


class JsonProcess:
    """A command that reads requests line by line from its standard input, and answers with a result or an error.

    An answer is `{"result": …}` or `{"error": …, "kind": …}`.
    """

    def __init__(self, command: Sequence[str | os.PathLike[str]], errors: Sequence[type[UserFacingError]] = ()) -> None:
        """Keeps the command; `start` or the first request runs it. `errors` are raised again as the kind that they are."""
        self._command = command
        self._errors = {error.__name__: error for error in errors}
        self._process: asyncio.subprocess.Process | None = None
        self._one_at_a_time = asyncio.Lock()

    async def start(self) -> None:
        """Starts the process unless it is running. It may need time to become ready; requests wait for that."""
        await self._running()

    async def ask(self, request: Mapping[str, Any], seconds: float) -> Any:
        """Sends a request and returns the result, a JSON value.

        Raises:
          LearnerDiedError: the process ended, or did not answer in time; the request may be repeated.
          DataError: the process answered with an error; an error of one of the kinds of `errors` is raised as that kind.
        """
        async with self._one_at_a_time:
            process = await self._running()
            requests, answers = process.stdin, process.stdout
            if requests is None or answers is None:
                raise RuntimeError("the process was started without pipes")
            try:
                async with asyncio.timeout(seconds):
                    requests.write(json.dumps(request).encode() + b"\n")
                    await requests.drain()
                    line = await answers.readline()
            except (TimeoutError, OSError, ValueError, asyncio.CancelledError) as error:
                await self.close()
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise LearnerDiedError(f"the learner did not answer: {error or type(error).__name__}") from error
            if not line.endswith(b"\n"):
                await self.close()
                raise LearnerDiedError("the learner ended before it answered")
        answer = json.loads(line)
        if "error" in answer:
            raise self._errors.get(answer.get("kind", ""), DataError)(answer["error"])
        return answer["result"]

    async def close(self) -> None:
        """Kills the process."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *bound(self._command),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LONGEST_ANSWER,
            )
        return self._process
