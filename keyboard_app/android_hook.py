"""A python-for-android hook, named in buildozer.spec.

python-for-android starts an app from a file main.py at its top level. This hook copies keyboard_app/__main__.py there, in the copy
of the project that is packed, so that the project itself needs no such file.
"""

import shutil
from pathlib import Path
from typing import Any


def before_apk_build(toolchain: Any) -> None:
    """Prepares the copy that is packed; python-for-android calls this before it packs the app, with its own `toolchain`."""
    arguments = toolchain.args.unknown_args
    packed = Path(arguments[arguments.index("--private") + 1])
    shutil.copyfile(packed / "keyboard_app" / "__main__.py", packed / "main.py")
