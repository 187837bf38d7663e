"""Files that are either the old ones or the new ones, whenever the power goes."""

import os
import tempfile
from pathlib import Path


def write_by_rename(path: Path, content: bytes) -> None:
    """Writes a file beside its place, flushes it to the disk and renames it into place; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
