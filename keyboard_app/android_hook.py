"""A python-for-android hook, named in buildozer.spec.

python-for-android starts an app from a file main.py at its top level. This hook copies keyboard_app/__main__.py there within the
packed copy of the project, so that the project itself needs no such file.
"""

import shutil
from pathlib import Path
from typing import Any


def before_apk_build(toolchain: Any) -> None:
    """Adds main.py to the copy that is packed. python-for-android calls this with its `toolchain` before it packs the app."""
    arguments = toolchain.args.unknown_args
    packed = Path(arguments[arguments.index("--private") + 1])
    shutil.copyfile(packed / "keyboard_app" / "__main__.py", packed / "main.py")
