"""Files are written by rename, except what is no file."""

import os
import stat
import threading
from pathlib import Path

import pytest

from data.files import write_by_rename


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_is_replaced_as_a_whole(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "new" / "file"
    for content in (b"old", b"new"):
        write_by_rename(path, content, mode)
    assert path.read_bytes() == b"new" and stat.S_IMODE(path.stat().st_mode) == mode
    assert list(path.parent.iterdir()) == [path]


def test_a_pipe_or_a_device_stays_what_it_is(tmp_path: Path) -> None:
    """For root a renamed file would take the place of `/dev/null`."""
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_by_rename(pipe, b"content")
    assert pipe.is_fifo()
    reader.join()
    assert read == [b"content"] and list(tmp_path.iterdir()) == [pipe]
