"""A hook of python-for-android, named in buildozer.spec.

python-for-android begins an app with the file main.py beside its packages. This puts keyboard_app/__main__.py there, in the copy
of the project that is packed, so that the project itself needs no such file.
"""

import shutil
from pathlib import Path
from typing import Any


def before_apk_build(toolchain: Any) -> None:
    """Called before python-for-android packs the app; `toolchain` has the arguments with which it does that."""
    arguments = toolchain.args.unknown_args
    packed = Path(arguments[arguments.index("--private") + 1])
    shutil.copyfile(packed / "keyboard_app" / "__main__.py", packed / "main.py")
