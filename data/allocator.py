"""The allocator of glibc, the C library of most Linux desktops, set to keep less memory. Elsewhere these functions do nothing."""

import ctypes
import platform
from functools import cache
from typing import Any

__all__ = ("release_memory", "return_large_blocks")

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_MMAP_FROM = 2**20  # bytes


def return_large_blocks() -> None:
    """Makes all blocks of 1 MiB or more go back to the system when they are freed, from now on.

    By default glibc keeps freed blocks of up to 32 MB, about 80 MB after each training, because it raises the limit to the size
    of each larger block that is freed. So a process calls this before it loads a model.
    """
    _glibc()


def release_memory() -> None:
    """Returns freed memory, such as that of closed interpreters, to the system, also small blocks behind ones in use."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    if platform.libc_ver()[0] != "glibc":
        return None
    library = ctypes.CDLL(None)
    library.mallopt(_M_MMAP_THRESHOLD, _MMAP_FROM)
    return library
