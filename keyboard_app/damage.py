"""What is done with a file that can no longer be read: kept for whoever may rescue it, and out of the way."""

import shutil
from pathlib import Path


def set_aside(path: Path) -> Path:
    """Renames a file or folder to the same name with `.damaged` behind it, in place of an earlier one; returns the new path."""
    aside = path.with_name(path.name + ".damaged")
    if aside.is_dir():
        shutil.rmtree(aside)
    return path.replace(aside)
