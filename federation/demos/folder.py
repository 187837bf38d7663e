"""The folder of a demo, which every run of the demo replaces."""

import shutil
from pathlib import Path

from data.errors import DataError
from data.files import write_by_rename


def replace_demo_folder(out: Path, command: str) -> None:
    """Empties the folder `out` if an earlier run of `federate COMMAND` left it, or creates it; marks it for the next run.

    Raises:
      DataError: `out` exists and holds something else.
    """
    mark = out / f".federated-keyboard-{command}"
    if out.exists() and not mark.exists():
        raise DataError(f"{out} exists and was not made by `federate {command}`: choose another --out")
    shutil.rmtree(out, ignore_errors=True)
    write_by_rename(mark, f"`federate {command}` deletes and recreates this folder in each run.\n".encode())
