"""Keep the memory that a network frees."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of glibc's malloc.h."""
MAX_MMAP_THRESHOLD = 32 * 2**20
"""In bytes; glibc refuses more."""


def keep_freed_memory() -> None:
    """Let this process keep, from now on, the memory that a batch frees for the next one.

    Every batch takes blocks of the same sizes. By default glibc gives memory back once much of it
    is free, and the system clears the pages each time they are taken again.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # musl has none
        libc.mallopt(M_MMAP_THRESHOLD, MAX_MMAP_THRESHOLD)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
