"""Bounds what is kept of memory that is of no use until next time, or at all.

Of what is free again the libraries' allocators would keep as much as the largest batches took, in heaps for each thread
of a program that works once a second. And of the libraries themselves much is needed at the start only.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
from pathlib import Path

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

# Of proc_pid_smaps(5): what is read from a file and never written to, and has no page of its own, in memory or swapped
# out. Such pages are what the dynamic linker has relocated, or what holds somebody's breakpoint: they would be lost.
_ONLY_READ = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) r-[-x]p \S+ \S+ \d+ +/.*\n(?:[A-Z].*\n)*?"
    rb"Anonymous: +0 kB\n(?:[A-Z].*\n)*?Swap: +0 kB$",
    re.MULTILINE,
)


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


def forget_the_start() -> None:
    """Takes code and constants that only the start has needed out of our memory: a quarter of all that is in it.

    They stay in the page cache, from which what is needed after all comes back with the next access to it: some hundred
    page faults (madvise(2), MADV_DONTNEED). Locked memory stays as it is (EINVAL), and so does all where nobody can say
    what is in it (no CONFIG_PROC_PAGE_MONITOR, or a security module's profile).
    """
    try:
        mappings = Path("/proc/self/smaps").read_bytes()
    except OSError:
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for found in _ONLY_READ.finditer(mappings):
        start, end = (int(text, 16) for text in found.groups())
        madvise(start, end - start, mmap.MADV_DONTNEED)
