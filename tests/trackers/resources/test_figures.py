# ruff: noqa: E501 (lines as they are in files)
"""What files say, as kernels have written them."""

from __future__ import annotations

import pytest

from eunomia.trackers.resources.figures import INACTIVE_FILE, V1, V2, Figures, network, working_set

_V1_MEMORY = b"""cache 1351680
rss 405504
swap 0
inactive_file 1
hierarchical_memory_limit 67108864
total_cache 2703360
total_rss 811008
total_swap 4096
total_inactive_file 2568192
"""
_V2_MEMORY = b"anon 811008\nfile 2703360\nkernel_stack 49152\ninactive_anon 0\ninactive_file 2568192\n"
_V1_DISK = b"254:0 Read 8192\n254:0 Write 4096\n254:0 Sync 12288\n254:0 Async 0\n254:0 Discard 0\n254:0 Total 12288\n"
_V1_DISKS = _V1_DISK + b"8:0 Read 100\n8:0 Write 0\n8:0 Total 100\nTotal 12388\n"
_V2_DISKS = b"254:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n8:0 rbytes=100 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"
_PSI = b"some avg10=1.00 avg60=0.20 avg300=0.00 total=1234567\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n"
_NET = b"""Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 9999999    9999    9    9    0     0          0         0  9999999    9999    9    9    0     0       0          0
  eth0:    5170      43    1    2    0     0          0         0     1256      17    3    4    0     0       0          0
  eth1:     830       7    0    0    0     0          0         0      744       3    0    0    0     0       0          0
"""
_MEMORY = {INACTIVE_FILE: 2568192, "memory_anon": 811008, "memory_cache": 2703360}

CASES = [
    ("v1", "cpuacct", "cpuacct.usage", b"123456789\n", {"cpu_time": 123456789}),
    ("v1", "cpuacct", "cpuacct.stat", b"user 12\nsystem 3\n", {"cpu_user": 120_000_000, "cpu_system": 30_000_000}),
    (
        *("v1", "cpu", "cpu.stat", b"nr_periods 10\nnr_throttled 4\nthrottled_time 5000\nnr_bursts 0\nburst_time 0\n"),
        {"cpu_periods": 10, "cpu_throttled_periods": 4, "cpu_throttled_time": 5000},
    ),
    ("v1", "cpu", "cpu.cfs_quota_us", b"-1\n", {}),
    ("v1", "cpu", "cpu.cfs_quota_us", b"50000\n", {"cpu_quota": 50_000_000}),
    ("v1", "cpu", "cpu.shares", b"512\n", {"cpu_shares": 512}),
    ("v1", "memory", "memory.limit_in_bytes", b"9223372036854771712\n", {}),
    ("v1", "memory", "memory.limit_in_bytes", b"9223372036854710272\n", {}),  # pages of 64 KiB
    ("v1", "memory", "memory.limit_in_bytes", b"67108864\n", {"memory_limit": 67108864}),
    ("v1", "memory", "memory.failcnt", b"7\n", {"memory_failures": 7}),
    ("v1", "memory", "memory.oom_control", b"oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", {"oom_kills": 2}),
    ("v1", "memory", "memory.oom_control", b"oom_kill_disable 0\nunder_oom 0\n", {}),  # before 4.13
    ("v1", "memory", "memory.stat", _V1_MEMORY, {**_MEMORY, "memory_swap": 4096}),
    (
        *("v1", "blkio", "blkio.throttle.io_service_bytes_recursive", _V1_DISKS),
        {"disk_read_bytes": 8292, "disk_written_bytes": 4096},
    ),
    ("v1", "blkio", "blkio.throttle.io_serviced_recursive", b"Total 0\n", {}),
    ("v1", "pids", "pids.max", b"max\n", {}),
    ("v1", "pids", "pids.current", b"3\n", {"pids": 3}),
    (
        *(
            "v2",
            "cpu",
            "cpu.stat",
            b"usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 1\nnr_throttled 1\nthrottled_usec 9\n",
        ),
        {
            "cpu_time": 5000,
            "cpu_user": 3000,
            "cpu_system": 2000,
            "cpu_periods": 1,
            "cpu_throttled_periods": 1,
            "cpu_throttled_time": 9000,
        },
    ),
    ("v2", "cpu", "cpu.max", b"max 100000\n", {"cpu_period": 100_000_000}),
    ("v2", "cpu", "cpu.max", b"50000 100000\n", {"cpu_quota": 50_000_000, "cpu_period": 100_000_000}),
    ("v2", "memory", "memory.max", b"max\n", {}),
    ("v2", "memory", "memory.stat", _V2_MEMORY, _MEMORY),
    (
        *("v2", "memory", "memory.events", b"low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n"),
        {"memory_failures": 9, "memory_ooms": 2, "oom_kills": 1},
    ),
    (
        *("v2", "blkio", "io.stat", _V2_DISKS),
        {"disk_read_bytes": 8292, "disk_written_bytes": 4096, "disk_reads": 3, "disk_writes": 1},
    ),
    (
        "v2",
        "blkio",
        "io.stat",
        b"8:0 \n",
        dict.fromkeys(("disk_read_bytes", "disk_written_bytes", "disk_reads", "disk_writes"), 0),
    ),
    ("v2", "", "io.pressure", _PSI, {"io_pressure_some": 1_234_567_000, "io_pressure_full": 1_000_000}),
    ("v2", "", "cpu.pressure", _PSI.splitlines()[0], {"cpu_pressure_some": 1_234_567_000}),  # before 5.13
]


@pytest.mark.parametrize(("version", "controller", "name", "text", "figures"), CASES)
def test_file(version: str, controller: str, name: str, text: bytes, figures: Figures) -> None:
    assert {"v1": V1, "v2": V2}[version][controller][name](text) == figures


def test_network_without_loopback() -> None:
    assert network(_NET) == {
        "net_received_bytes": 6000,
        "net_received_packets": 50,
        "net_received_errors": 1,
        "net_received_drops": 2,
        "net_sent_bytes": 2000,
        "net_sent_packets": 20,
        "net_sent_errors": 3,
        "net_sent_drops": 4,
    }


@pytest.mark.parametrize(("usage", "inactive", "expected"), [(100, 30, 70), (100, 130, 0)])
def test_working_set(usage: int, inactive: int, expected: int) -> None:
    figures = {"memory_usage": usage, INACTIVE_FILE: inactive}
    working_set(figures)
    assert figures == {"memory_usage": usage, "memory_working_set": expected}


def test_no_working_set_without_usage() -> None:
    figures = {INACTIVE_FILE: 1}
    working_set(figures)
    assert figures == {}
