"""How the C library keeps memory for a process of many threads."""

from __future__ import annotations

import contextlib
import ctypes

_ARENA_MAX = -8  # of mallopt(3), in glibc's malloc.h


def keep_one_heap() -> None:
    """Has all threads share one heap, where the C library can be told; call it before they start.

    glibc gives each thread a heap of its own. What forty threads free in theirs is never whole
    pages, so the process grows with every thousand jobs, by nothing that anybody holds.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
