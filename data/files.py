"""Files that are either the old ones or the new ones, whenever the power goes."""

import csv
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_by_rename(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Writes a file beside its place, flushes it to the disk and renames it into place; folders are made as needed.

    `mode` is who may read it: everybody, or with 0o600 its owner alone.
    """
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
    """Writes a table as CSV, UTF-8, by rename: a line a row, headed by the names in any; one row at least.

    What a row has no value for is left empty.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, dict.fromkeys(name for row in rows for name in row), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_by_rename(path, text.getvalue().encode())
