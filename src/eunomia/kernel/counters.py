"""What programs count in the kernel: events sent and lost, and what kept them from being seen at all."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from eunomia.kernel import libbpf, maps

_MISSES_AT = 208  # struct bpf_prog_info: recursion_misses, since 5.12
_INFO_BYTES = 256


@dataclass(frozen=True)
class Counters:
    """The counters of `enum counter` in eunomia.bpf.h, summed over all CPUs.

    Attributes:
        emitted: events that passed the filter.
        ring_full: of these, events for which the ring had no room.
        filter_full: processes, cgroups or sockets that could not be followed, because there was no room for them.
        totals_full: what could not be counted in the kernel, because the table had no room or the row was gone.
        unanswered: requests of io_uring told without what came of them, because there was no room to wait for it.
        nested: calls of programs that the kernel left out because the same program was running on that CPU just then.
    """

    emitted: int = 0
    ring_full: int = 0
    filter_full: int = 0
    totals_full: int = 0
    unanswered: int = 0
    nested: int = 0


def read(counters_fd: int, program_fds: list[int]) -> Counters:
    """Reads the counters map, and the kernel's own count of programs it left out."""
    emitted, ring_full, filter_full, totals_full, unanswered = maps.per_cpu_sums(counters_fd, 5).tolist()
    nested = sum(_recursion_misses(fd) for fd in program_fds)
    return Counters(emitted, ring_full, filter_full, totals_full, unanswered, nested)


def _recursion_misses(program_fd: int) -> int:
    """0 on kernels that do not count them: they leave the end of the structure alone."""
    info = ctypes.create_string_buffer(_INFO_BYTES)
    size = ctypes.c_uint32(_INFO_BYTES)
    if libbpf.library().bpf_obj_get_info_by_fd(program_fd, info, ctypes.byref(size)):
        raise libbpf.last_error()
    return int.from_bytes(info.raw[_MISSES_AT : _MISSES_AT + 8], "little")
