"""Where processes of the desktop keep temporary files, such as the sources that TensorFlow generates: in folders that are removed.

A process that is killed removes nothing. Its folder is therefore removed by the next process that finds it.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME = "federate-{}-"
_NAMED = re.compile(r"federate-(\d+)-")


def use_empty_folder(folder: Path) -> None:
    """Empties a folder, or makes it for this user alone; this process and its children keep their temporary files there."""
    make_empty(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def make_empty(folder: Path) -> None:
    """Empties a folder, or makes it for this user alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def removed_at_the_end() -> Iterator[None]:
    """Keeps the temporary files of this process and its children in a folder that is removed at the end of the block.

    Removes the folders of processes that were killed.
    """
    outside, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(_NAME.format("*") + "*"):
        with suppress(OSError):
            if _is_of_an_ended_process(left):
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_NAME.format(os.getpid()), dir=parent))
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = outside
        if variable is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = variable
        shutil.rmtree(folder, ignore_errors=True)


def _is_of_an_ended_process(folder: Path) -> bool:
    name = _NAMED.match(folder.name)
    if name is None or folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return False
    try:
        os.kill(int(name[1]), 0)
    except ProcessLookupError:
        return True
    return False
