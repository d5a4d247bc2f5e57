"""Bounds what the libraries' allocators keep of memory that is free again: for them it is of no use until next time.

A program that works once a second would else hold what its largest batches took, in heaps for each of its threads.
"""

from __future__ import annotations

import ctypes
import os

_LIBRARIES = {
    # A wide machine would give every library a thread and stack per core for nothing. With two, Polars hands each small
    # batch from one to the other and lets both spin for a while: a third more CPU at rest.
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    # Polars' allocator gives back at once. It would keep it for ten seconds, and see that they are over only when it is
    # asked for memory (jemalloc(3), opt.dirty_decay_ms). With a hundred rows this costs nothing, with many a sixth more
    # CPU, for a third less memory.
    "_RJEM_MALLOC_CONF": "narenas:1,dirty_decay_ms:0,muzzy_decay_ms:0",
}
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # M_… of malloc.h
_LARGE_BYTES = 1 << 20


def keep_little() -> None:
    """Bounds it; the libraries must not have been imported yet. What the user has set in the environment stays.

    glibc would make a heap for each thread that allocates, up to eight for each CPU, and keep ever larger blocks the
    larger those are that are given back (mallopt(3), M_ARENA_MAX, M_MMAP_THRESHOLD). Others have no mallopt().
    """
    for name, value in _LIBRARIES.items():
        os.environ.setdefault(name, value)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_TRIM_THRESHOLD, _LARGE_BYTES)
