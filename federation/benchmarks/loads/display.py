"""A display for the keyboard's window: the existing one, or a temporary virtual one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from data.errors import DataError
from federation.benchmarks.measuring import SkippedBenchmarkError
from federation.processes import bound

_SCREEN = "1280x1024x24"


@contextmanager
def display() -> Iterator[None]:
    """Makes sure that windows can be opened inside the block.

    Raises:
      SkippedBenchmarkError: there is neither a display nor Xvfb.
      DataError: Xvfb does not start.
    """
    if os.environ.get("DISPLAY"):
        yield
        return
    if shutil.which("Xvfb") is None:
        raise SkippedBenchmarkError("the window needs a display or Xvfb: apt-get install xvfb libgl1 libgl1-mesa-dri")
    ready, announce = os.pipe()
    server = subprocess.Popen(
        bound(["Xvfb", "-displayfd", str(announce), "-screen", "0", _SCREEN, "-nolisten", "tcp"]),
        pass_fds=[announce],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(announce)
    try:
        with os.fdopen(ready) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise DataError("Xvfb did not start: run `Xvfb -displayfd 1` to see why")
        os.environ["DISPLAY"] = f":{number}"
        yield
    finally:
        os.environ.pop("DISPLAY", None)
        server.terminate()
        server.wait()
