"""What the files about a cgroup say, as figures by column: pure, from a file's bytes alone.

cgroup v1: Documentation/admin-guide/cgroup-v1 (cpuacct, memory, blkio-controller), sched-bwc.rst; v2:
Documentation/admin-guide/cgroup-v2.rst, accounting/psi.rst; /proc/PID/net/dev: proc_pid_net(5).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial

Figures = dict[str, int]
Parse = Callable[[bytes], Figures]

INACTIVE_FILE = "inactive_file"
"""A figure that is no column: what the working set is without."""
_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_US = 1000
_NONE_FROM = 1 << 62
"""cgroup v1 writes no limit as the largest number that is a whole page."""


def _number(text: bytes, column: str, scale: int = 1) -> Figures:
    """One number; no limit is `max`, -1 or very large."""
    value = text.strip()
    if not value.isdigit() or int(value) >= _NONE_FROM:
        return {}
    return {column: int(value) * scale}


def _keyed(text: bytes, columns: Mapping[bytes, tuple[str, int]]) -> Figures:
    """Lines of a key and a number."""
    words = text.split()
    found = dict(zip(words[::2], words[1::2], strict=False))
    return {column: int(found[key]) * scale for key, (column, scale) in columns.items() if key in found}


def _cpu_max(text: bytes) -> Figures:
    """`QUOTA PERIOD` in microseconds."""
    quota, period = text.split()
    return {**_number(quota, "cpu_quota", _US), **_number(period, "cpu_period", _US)}


def _by_operation(text: bytes, reads: str, writes: str) -> Figures:
    """Lines of `MAJOR:MINOR OPERATION NUMBER`, added up over devices; the last line is a total of two words.

    Without a device nothing is said: since 6.10 there is none unless a limit was set.
    """
    sums = {b"Read": 0, b"Write": 0}
    devices = [words for line in text.splitlines() if len(words := line.split()) == 3]
    for _, operation, number in devices:
        if operation in sums:
            sums[operation] += int(number)
    return {reads: sums[b"Read"], writes: sums[b"Write"]} if devices else {}


_IO_STAT = {
    b"rbytes": "disk_read_bytes",
    b"wbytes": "disk_written_bytes",
    b"rios": "disk_reads",
    b"wios": "disk_writes",
}


def _io_stat(text: bytes) -> Figures:
    """Lines of `MAJOR:MINOR rbytes=N wbytes=N rios=N wios=N …`, added up over devices."""
    sums = dict.fromkeys(_IO_STAT.values(), 0)
    for line in text.splitlines():
        for word in line.split()[1:]:
            key, _, value = word.partition(b"=")
            if key in _IO_STAT:
                sums[_IO_STAT[key]] += int(value)
    return sums


def _pressure(text: bytes, resource: str) -> Figures:
    """Lines of `some|full avg10=… avg60=… avg300=… total=MICROSECONDS`."""
    return {
        f"{resource}_pressure_{line[:4].decode()}": int(line.rpartition(b"=")[2]) * _US for line in text.splitlines()
    }


_NET = ("bytes", "packets", "errors", "drops")


def network(text: bytes) -> Figures:
    """Two lines of heading, then `INTERFACE: RECEIVED… SENT…`, eight numbers each; added up without loopback."""
    sums = [0] * 16
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(b":")
        if name.strip() != b"lo":
            sums = [have + int(more) for have, more in zip(sums, numbers.split(), strict=False)]
    received = {f"net_received_{name}": sums[place] for place, name in enumerate(_NET)}
    return {**received, **{f"net_sent_{name}": sums[place + 8] for place, name in enumerate(_NET)}}


def working_set(figures: Figures) -> None:
    """Usage without inactive file cache, never below zero: as kubelet does it (cAdvisor, setMemoryStats)."""
    inactive = figures.pop(INACTIVE_FILE, None)
    if inactive is not None and "memory_usage" in figures:
        figures["memory_working_set"] = max(figures["memory_usage"] - inactive, 0)


Files = Mapping[str, Parse]


def _plain(column: str, scale: int = 1) -> Parse:
    return partial(_number, column=column, scale=scale)


def _lines(**columns: tuple[str, int] | str) -> Parse:
    """From key=column, or key=(column, scale)."""
    scaled = {key.encode(): (one, 1) if isinstance(one, str) else one for key, one in columns.items()}
    return partial(_keyed, columns=scaled)


V1: Mapping[str, Files] = {
    "cpuacct": {
        "cpuacct.usage": _plain("cpu_time"),
        "cpuacct.stat": _lines(user=("cpu_user", _NS_PER_TICK), system=("cpu_system", _NS_PER_TICK)),
    },
    "cpu": {
        "cpu.stat": _lines(
            nr_periods="cpu_periods", nr_throttled="cpu_throttled_periods", throttled_time="cpu_throttled_time"
        ),
        "cpu.cfs_quota_us": _plain("cpu_quota", _US),
        "cpu.cfs_period_us": _plain("cpu_period", _US),
        "cpu.shares": _plain("cpu_shares"),
    },
    "memory": {
        "memory.usage_in_bytes": _plain("memory_usage"),
        "memory.max_usage_in_bytes": _plain("memory_peak"),
        "memory.limit_in_bytes": _plain("memory_limit"),
        "memory.failcnt": _plain("memory_failures"),
        "memory.oom_control": _lines(oom_kill="oom_kills"),
        "memory.stat": _lines(
            total_inactive_file=INACTIVE_FILE,
            total_rss="memory_anon",
            total_cache="memory_cache",
            total_swap="memory_swap",
        ),
    },
    "blkio": {
        "blkio.throttle.io_service_bytes_recursive": partial(
            _by_operation, reads="disk_read_bytes", writes="disk_written_bytes"
        ),
        "blkio.throttle.io_serviced_recursive": partial(_by_operation, reads="disk_reads", writes="disk_writes"),
    },
    "pids": {"pids.current": _plain("pids"), "pids.max": _plain("pids_limit")},
}
"""By controller: a file's name -> what it says."""

V2: Mapping[str, Files] = {
    "cpu": {
        "cpu.stat": _lines(
            usage_usec=("cpu_time", _US),
            user_usec=("cpu_user", _US),
            system_usec=("cpu_system", _US),
            nr_periods="cpu_periods",
            nr_throttled="cpu_throttled_periods",
            throttled_usec=("cpu_throttled_time", _US),
        ),
        "cpu.max": _cpu_max,
        "cpu.weight": _plain("cpu_weight"),
    },
    "memory": {
        "memory.current": _plain("memory_usage"),
        "memory.peak": _plain("memory_peak"),
        "memory.max": _plain("memory_limit"),
        "memory.swap.current": _plain("memory_swap"),
        "memory.events": _lines(max="memory_failures", oom="memory_ooms", oom_kill="oom_kills"),
        "memory.stat": _lines(inactive_file=INACTIVE_FILE, anon="memory_anon", file="memory_cache"),
    },
    "blkio": {"io.stat": _io_stat},
    "pids": {"pids.current": _plain("pids"), "pids.max": _plain("pids_limit")},
    "": {
        "cpu.pressure": partial(_pressure, resource="cpu"),
        "memory.pressure": partial(_pressure, resource="memory"),
        "io.pressure": partial(_pressure, resource="io"),
    },
}
"""The same of cgroup2, by the v1 controller that takes its place where that is mounted; without one: always there."""
