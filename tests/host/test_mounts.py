"""Mount tables."""

from pathlib import Path

from eunomia.host.mounts import Mount, parse_mountinfo, read_mounts
from eunomia.host.roots import Roots

TABLE = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
35 24 0:29 / /mnt/with\040blank\134and\011tab rw - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
36 24 0:30 /docker/x /sys/fs/cgroup/cpu,cpuacct rw shared:9 master:1 propagate_from:2 - cgroup cgroup rw,cpu,cpuacct
"""


def test_table() -> None:
    root, unified, legacy = parse_mountinfo(TABLE)
    assert root == Mount("/", "/", "ext4", frozenset({"rw"}), frozenset({"rw", "relatime"}))
    assert unified.point == "/mnt/with blank\\and\ttab"
    assert unified.options == {"rw", "nsdelegate", "memory_recursiveprot"}
    assert (legacy.root, legacy.fstype, legacy.options) == ("/docker/x", "cgroup", frozenset({"rw", "cpu", "cpuacct"}))


def test_own_table() -> None:
    assert "/proc" in [mount.point for mount in read_mounts(Roots())]


def test_no_such_process(tmp_path: Path) -> None:
    assert read_mounts(Roots(proc=tmp_path)) == []
