"""The messages of the coordinator's libraries, one line each on standard error: the operator reads them beside the events."""

import asyncio
import logging
import sys
import traceback
from pathlib import Path


class OneLineFormatter(logging.Formatter):
    """Formats a record as one line; of an exception, it shows the kind, the message, and where it was raised."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        line = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
            line = f"{line}: {type(error).__name__}: {error}{place}"
        return " ".join(line.split())


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Returns whether a record is more than a connection that ended with the coordinator."""
    cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not (cancelled or "timeout graceful shutdown exceeded" in record.getMessage())


def log_in_one_line() -> None:
    """Sends warnings and errors of all libraries to standard error, a line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter())
    handler.addFilter(_is_worth_a_line)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
