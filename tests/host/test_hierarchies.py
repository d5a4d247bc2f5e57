"""Cgroup layouts of real hosts as fixture trees."""

import time
from pathlib import Path

import pytest

from eunomia.errors import UnsupportedError
from eunomia.host.hierarchies import Hierarchy, detect, identifying
from eunomia.host.roots import Roots

# Ubuntu 22.04 and anything newer
V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
# CentOS 7
V1 = """25 18 0:20 / /sys/fs/cgroup ro,nosuid shared:8 - tmpfs tmpfs ro,mode=755
26 25 0:21 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
30 25 0:25 / /sys/fs/cgroup/cpu,cpuacct rw shared:14 - cgroup cgroup rw,cpuacct,cpu
31 25 0:26 / /sys/fs/cgroup/memory rw shared:15 - cgroup cgroup rw,memory
"""
# Debian 10, Ubuntu 20.04
HYBRID = V1 + "32 25 0:27 / /sys/fs/cgroup/unified rw shared:16 - cgroup2 cgroup2 rw,nsdelegate\n"
CGROUPS = (
    "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t4\t9\t1\ncpuacct\t4\t9\t1\nmemory\t7\t9\t1\npids\t0\t1\t1\n"
)
IN_V1_ONLY = (
    "7:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/system.slice/containerd.service\n"
)
IN_BOTH = "7:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/docker/abc\n"
IN_NONE = "7:memory:/user.slice\n4:cpu,cpuacct:/\n1:name=systemd:/user.slice\n0::/user.slice\n"


def in_container(path: str) -> bool:
    return "/docker/" in path


def host(tmp_path: Path, mountinfo: str, *cgroups: str) -> Roots:
    """A host with these mounts and a process for each of these /proc/PID/cgroup."""
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "mountinfo").write_text(mountinfo)
    (proc / "cgroups").write_text(CGROUPS)
    for pid, text in enumerate(cgroups, 1):
        (proc / str(pid)).mkdir()
        (proc / str(pid) / "cgroup").write_text(text)
    return Roots(proc=proc, cgroup=tmp_path / "cgroup")


def test_v2(tmp_path: Path) -> None:
    roots = host(tmp_path, V2, "0::/docker/abc\n")
    layout = detect(roots)
    assert (layout.kind, layout.legacy) == ("v2", ())
    assert identifying(layout, roots, in_container) == Hierarchy("cgroup2", roots.cgroup, 2, "", 0)


def test_v1(tmp_path: Path) -> None:
    roots = host(tmp_path, V1, IN_V1_ONLY.replace("0::/system.slice/containerd.service\n", ""))
    layout = detect(roots)
    assert layout.kind == "v1"
    assert layout.unified is None
    cpu = {one.controller: one for one in layout.legacy}["cpu"]
    assert cpu == Hierarchy("cpu,cpuacct", roots.cgroup / "cpu,cpuacct", 1, "cpu", 4)
    # no pids controller here: the next in line
    assert identifying(layout, roots, in_container) == Hierarchy("memory", roots.cgroup / "memory", 1, "memory", 7)


@pytest.mark.parametrize(
    ("cgroups", "name"),
    [
        ([IN_NONE], "cgroup2"),
        ([IN_NONE, IN_BOTH], "cgroup2"),
        ([IN_BOTH, IN_NONE, IN_V1_ONLY], "memory"),
        ([], "cgroup2"),
    ],
)
def test_hybrid(tmp_path: Path, cgroups: list[str], name: str) -> None:
    roots = host(tmp_path, HYBRID, *cgroups)
    layout = detect(roots)
    assert layout.kind == "hybrid"
    assert identifying(layout, roots, in_container).name == name


def test_nothing_mounted(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="no cgroup file system"):
        detect(host(tmp_path, "22 1 254:0 / / rw - ext4 /dev/vda rw\n"))


def test_only_a_hierarchy_without_controllers(tmp_path: Path) -> None:
    roots = host(tmp_path, V1.splitlines()[1] + "\n")
    with pytest.raises(UnsupportedError, match="pids, memory, cpu, devices"):
        identifying(detect(roots), roots, in_container)


def test_in_a_container_with_the_host_mounted(tmp_path: Path) -> None:
    """The container's own cgroup mount does not win over the host's, bind-mounted elsewhere."""
    cgroup = tmp_path / "cgroup"
    own = "29 23 0:26 /docker/me /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
    roots = host(tmp_path, own + f"40 23 0:26 / {cgroup} ro - cgroup2 cgroup2 rw\n")
    layout = detect(roots)
    assert layout.unified is not None
    assert layout.unified.mount == cgroup


def test_init_sees_it_elsewhere_than_we_do(tmp_path: Path) -> None:
    roots = host(tmp_path, "22 1 254:0 / / rw - ext4 /dev/vda rw\n", IN_NONE)
    (roots.proc / "1" / "mountinfo").write_text(HYBRID)
    layout = detect(roots)
    assert layout.unified is not None
    assert layout.unified.mount == roots.cgroup / "unified"


def test_this_host() -> None:
    layout = detect(Roots())
    assert identifying(layout, Roots(), in_container).mount.is_dir()


def test_a_process_on_its_way_into_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """runc puts a process into one hierarchy after the other."""
    roots = host(tmp_path, HYBRID, IN_V1_ONLY)
    arrive = (roots.proc / "1" / "cgroup").write_text
    monkeypatch.setattr(time, "sleep", lambda wait_s: arrive(IN_BOTH) if wait_s > 0.05 else None)
    assert identifying(detect(roots), roots, in_container).version == 2
