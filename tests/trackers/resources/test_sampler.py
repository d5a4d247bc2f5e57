"""Trees of files as hosts of each kind have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eunomia.containers.cgroup_path import parse
from eunomia.host.hierarchies import Hierarchy, detect, identifying
from eunomia.host.roots import Roots
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.trackers import registry
from eunomia.trackers.resources.sampler import Sampler

ID = "a" * 64
PATH = f"/docker/{ID}"
PID = 4242
V2 = "29 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n"
V1 = "".join(
    f"{number} 25 0:{number} / /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}\n"
    for number, name in enumerate(("cpu,cpuacct", "memory", "blkio", "pids"), 30)
)
HYBRID = V1 + "40 25 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
CGROUPS = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n" + "".join(
    f"{name}\t{number}\t9\t1\n" for number, name in enumerate(("cpu", "cpuacct", "memory", "blkio", "pids"), 4)
)
V2_FILES = {
    "cpu.stat": "usage_usec 7000\nuser_usec 5000\nsystem_usec 2000\n",
    "memory.current": "5000000\n",
    "memory.stat": "anon 1000\nfile 4000000\ninactive_file 3000000\n",
    "memory.max": "max\n",
    "pids.current": "3\n",
    "cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\n",
}
V1_FILES = {
    "cpu,cpuacct": {"cpuacct.usage": "9000000\n", "cpu.shares": "1024\n"},
    "memory": {"memory.usage_in_bytes": "700\n", "memory.stat": "total_inactive_file 800\n"},
    "blkio": {},
    "pids": {"pids.current": "5\n"},
}
NET = "h\nh\n  eth0: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n"
NONE = 2**64 - 1


def put(directory: Path, files: dict[str, str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)


def host(tmp_path: Path, mountinfo: str, *, below: str = "", own_net: bool = True) -> Roots:
    """A host with one container, whose first process is in the cgroup itself or below it."""
    proc, cgroup = tmp_path / "proc", tmp_path / "cgroup"
    put(proc / "self", {"mountinfo": mountinfo})
    put(proc, {"cgroups": CGROUPS})
    lines = [] if mountinfo is V2 else [f"{n}:{name}:{PATH}{below}\n" for n, name in enumerate(V1_FILES, 4)]
    put(proc / str(PID), {"cgroup": "".join(lines) + f"0::{PATH}{below}\n", "comm": "nginx\n"})
    put(proc / str(PID) / "net", {"dev": NET})
    for pid, inode in (("1", 1), (str(PID), 2 if own_net else 1)):
        (proc / pid / "ns").mkdir(parents=True)
        (proc / pid / "ns" / "net").symlink_to(f"net:[{inode}]")
    unified = {V2: cgroup, HYBRID: cgroup / "unified"}.get(mountinfo)
    if unified is not None:
        psi = {"cpu.pressure": V2_FILES["cpu.pressure"], "cpu.stat": V2_FILES["cpu.stat"]}
        put(unified / PATH[1:], V2_FILES if mountinfo is V2 else psi)
        put(unified / (PATH + below)[1:], {"cgroup.procs": f"{PID}\n"})
    if mountinfo is not V2:
        for name, files in V1_FILES.items():
            put(cgroup / name / PATH[1:], files)
            put(cgroup / name / (PATH + below)[1:], {"cgroup.procs": f"{PID}\n"})
    return Roots(proc=proc, cgroup=cgroup)


def hierarchy(roots: Roots) -> Hierarchy:
    return identifying(detect(roots), roots, lambda path: parse(path) is not None)


def sampler(roots: Roots) -> Sampler:
    layout = ObjectSpec.read(object_file(registry.folder("resources"), "resources")).event
    return Sampler(1.0, roots, hierarchy(roots), layout.dtype)


def read(roots: Roots) -> dict[str, int]:
    (row,) = sampler(roots).rows({7: PATH})
    numbers = {name: int(row[name]) for name in row.dtype.names if name != "comm"}
    assert bytes(row["comm"]).rstrip(b"\0") == b"nginx"
    return {name: value for name, value in numbers.items() if value not in (-1, NONE)}


@pytest.mark.parametrize("below", ["", "/init.scope"])
def test_v2(tmp_path: Path, below: str) -> None:
    found = read(host(tmp_path, V2, below=below))
    found.pop("time")
    found.pop("event", None)
    assert found == {
        "cgroup_id": 7,
        "pid": PID,
        "cpu_time": 7_000_000,
        "cpu_user": 5_000_000,
        "cpu_system": 2_000_000,
        "memory_usage": 5_000_000,
        "memory_working_set": 2_000_000,
        "memory_anon": 1000,
        "memory_cache": 4_000_000,
        "pids": 3,
        "cpu_pressure_some": 12_000,
        "net_received_bytes": 10,
        "net_received_packets": 1,
        "net_received_errors": 0,
        "net_received_drops": 0,
        "net_sent_bytes": 20,
        "net_sent_packets": 2,
        "net_sent_errors": 0,
        "net_sent_drops": 0,
    }


@pytest.mark.parametrize("mountinfo", [V1, HYBRID], ids=["v1", "hybrid"])
@pytest.mark.parametrize("below", ["", "/init.scope"])
def test_v1_controllers_win(tmp_path: Path, mountinfo: str, below: str) -> None:
    found = read(host(tmp_path, mountinfo, below=below))
    assert (found["cpu_time"], found["cpu_shares"], found["pids"]) == (9_000_000, 1024, 5)
    assert (found["memory_usage"], found["memory_working_set"]) == (700, 0)
    assert found.get("cpu_pressure_some") == (12_000 if mountinfo is HYBRID else None)
    assert "cpu_user" not in found, "of a controller that is mounted as v1, cgroup2 is not asked"


def test_the_hosts_network_is_nobodys_own(tmp_path: Path) -> None:
    assert not [name for name in read(host(tmp_path, V2, own_net=False)) if name.startswith("net_")]


def test_a_container_that_is_gone_has_no_row(tmp_path: Path) -> None:
    roots = host(tmp_path, V2)
    reader = sampler(roots)
    assert len(reader.rows({7: PATH})) == 1
    for file in (roots.cgroup / PATH[1:]).iterdir():
        file.unlink()
    assert len(reader.rows({7: PATH})) == 0
    assert len(reader.rows({8: "/docker/" + "b" * 64})) == 0


def test_what_comes_later_is_found(tmp_path: Path) -> None:
    """A cgroup is announced before its first process is in it."""
    roots = host(tmp_path, V2)
    procs = roots.cgroup / PATH[1:] / "cgroup.procs"
    procs.write_text("")
    reader = sampler(roots)
    (before,) = reader.rows({7: PATH})
    assert (before["pid"], before["net_sent_bytes"]) == (0, -1)
    procs.write_text(f"{PID}\n")
    (after,) = reader.rows({7: PATH})
    assert (after["pid"], after["net_sent_bytes"]) == (PID, 20)
    reader.forget([])
    assert np.array_equal(reader.rows({7: PATH})["pid"], [PID])
