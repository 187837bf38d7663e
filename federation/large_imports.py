"""Importing TensorFlow and TFF without garbage collection."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def large_imports() -> Iterator[None]:
    """Keeps garbage collection from interrupting the imports in this block, and from ever scanning what they made.

    Importing TFF makes 750,000 objects that last as long as the process. Python would scan them again and again while it makes
    them, for a fifth of the time that the import takes.
    """
    if "tensorflow" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
