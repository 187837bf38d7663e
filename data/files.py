"""Reads files of bounded size; writes by rename: after a crash a file has its old or its new content, never half of each."""

import csv
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import DataError


def read_bounded(path: Path, most_bytes: int, what: str, remedy: str) -> bytes:
    """Returns the content of a file.

    Args:
      path: the file.
      most_bytes: its greatest size; a larger file is not read.
      what: what it should hold, for messages: "the phrases".
      remedy: what to do about a file that is too large.

    Raises:
      DataError: the file cannot be read or is too large.
    """
    try:
        if path.stat().st_size > most_bytes:
            raise DataError(f"{path} is too large for {what}: {remedy}")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {what} {path}: {error.strerror or error}") from error


def write_by_rename(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Writes a temporary file beside `path`, flushes it to disk, and renames it; creates missing folders.

    `mode` holds the permissions of the file, for example 0o600 for one that only its owner may read. A device or a pipe is written
    to and stays what it is: for root, a renamed file would take the place of `/dev/null`.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes at least one row as CSV, UTF-8, by rename; the header holds the keys of all rows.

    A cell is empty where a row lacks the key.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, dict.fromkeys(name for row in rows for name in row), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_by_rename(path, text.getvalue().encode())
