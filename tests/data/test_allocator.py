"""Large blocks go back to the system: glibc maps each of them on its own once the allocator is set."""

import ctypes
import platform
import subprocess
import sys

import pytest

# A freed block of 20 MB raises the size from which glibc maps blocks, unless the program has set it.
PROGRAM = """
import ctypes
import sys

class Counts(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Counts
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
if sys.argv[1] == "set":
    from data.allocator import return_large_blocks
    return_large_blocks()
library.free(library.malloc(20 << 20))
before = library.mallinfo2().hblks
library.malloc(2 << 20)
print(library.mallinfo2().hblks - before)
"""


def reports() -> bool:
    return platform.libc_ver()[0] == "glibc" and hasattr(ctypes.CDLL(None), "mallinfo2")


@pytest.mark.skipif(not reports(), reason="this C library does not tell how many blocks are mapped")
@pytest.mark.parametrize(("how", "mapped"), [("set", 1), ("not", 0)])
def test_a_large_block_is_mapped_although_a_larger_one_was_freed(how: str, mapped: int) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    assert int(done.stdout) == mapped
