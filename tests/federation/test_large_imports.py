"""Garbage collection while a large library is imported."""

import subprocess
import sys

from tests.federation.conftest import ROOT

# 200,000 objects that last are enough for hundreds of collections.
_IMPORT = """
import gc
from federation.large_imports import large_imports

collections = []
gc.callbacks.append(lambda phase, info: collections.append(phase))
try:
    with large_imports():
        made = [[] for _ in range(200_000)]
        raise ImportError
except ImportError:
    during, frozen = len(collections), gc.get_freeze_count()
more = [[] for _ in range(200_000)]
print(during, frozen > 200_000, len(collections) > 0)
"""


def test_no_collection_interrupts_imports_or_scans_what_they_made() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "True"]
