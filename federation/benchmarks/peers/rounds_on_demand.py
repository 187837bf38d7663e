"""A peer's side of the pipe: it starts a round when the benchmark asks for one, and answers with the round's seconds."""

import json
import os
import sys
import time
from io import TextIOWrapper


class RoundsOnDemand:
    """Requests for rounds on standard input, a line each, and answers as JSON on standard output.

    From the creation of this object on, other output of the process and its children goes to standard error: frameworks print
    their progress to standard output.
    """

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # so that progress does not follow the reason for a failure
        self._began = 0.0

    def wait(self) -> None:
        """Waits for the next request; the round's time begins.

        Raises:
          EOFError: the benchmark ended.
        """
        if not sys.stdin.readline():
            raise EOFError("standard input was closed before the last round")
        self._began = time.perf_counter()

    def answer(self) -> None:
        """Answers with the seconds since the request."""
        print(json.dumps({"seconds": time.perf_counter() - self._began}), file=self._answers, flush=True)
