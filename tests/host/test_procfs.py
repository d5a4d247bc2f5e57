"""Processes out of a fixture /proc, and out of the real one."""

import os
import time
from pathlib import Path

import pytest

from eunomia.host.procfs import PROC_PID_INIT_INO, Capabilities, Process, Procfs
from eunomia.host.roots import Roots

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
STAT = "{pid} ({comm}) S 7 1 1 0 -1 4194560 9 0 0 0 1 2 0 0 20 0 1 0 1234 2543616 200 18446744073709551615 1 1 0 0 0\n"


def make_process(proc: Path, pid: int, comm: str = "sleep", cgroup: str = "0::/\n") -> Path:
    directory = proc / str(pid)
    (directory / "ns").mkdir(parents=True)
    (directory / "stat").write_text(STAT.format(pid=pid, comm=comm))
    (directory / "status").write_text(f"Name:\t{comm}\nUid:\t1000\t0\t0\t0\nCapEff:\t0000000000000000\n")
    (directory / "comm").write_text(f"{comm}\n")
    (directory / "cgroup").write_text(cgroup)
    for number, kind in enumerate(("mnt", "pid")):
        (directory / "ns" / kind).symlink_to(f"{kind}:[{4026531000 + number}]")
    return directory


@pytest.fixture
def procfs(tmp_path: Path) -> Procfs:
    make_process(tmp_path, 42, "a (b) c", "12:cpu,cpuacct:/x:y\n1:name=systemd:/s\n0::/docker/abc (deleted)\n")
    make_process(tmp_path, 7)
    (tmp_path / "meminfo").touch()
    return Procfs(Roots(proc=tmp_path))


def test_process(procfs: Procfs) -> None:
    assert procfs.pids() == [7, 42]
    assert procfs.process(42) == Process(
        pid=42,
        ppid=7,
        comm="a (b) c",
        uid=1000,
        start_ns=1234 * TICK_NS,
        cgroups={"cpu": "/x:y", "cpuacct": "/x:y", "name=systemd": "/s", "": "/docker/abc"},
        namespaces={"mnt": 4026531000, "pid": 4026531001},
    )
    assert procfs.comms() == {7: "sleep", 42: "a (b) c"}


def test_status(procfs: Procfs) -> None:
    assert procfs.status(42) == {"Name": "a (b) c", "Uid": "1000\t0\t0\t0", "CapEff": "0000000000000000"}


def test_ids_of_a_user_namespace(procfs: Procfs, tmp_path: Path) -> None:
    (tmp_path / "42/uid_map").write_text("         0     100000          1\n         1     200000      65535\n")
    (tmp_path / "42/gid_map").write_text("         0          0 4294967295\n")
    maps = procfs.id_maps(42)
    assert maps is not None
    assert (maps.inside(100_000, 7), maps.inside(200_032, 0)) == ((0, 7), (33, 0))
    assert (maps.inside(0, 0), maps.inside(100_001, 0), maps.inside(265_535, 0)) == (None, None, None)
    assert procfs.id_maps(8) is None


@pytest.mark.parametrize("lost", ["stat", "status", "cgroup"])
def test_vanished(procfs: Procfs, tmp_path: Path, lost: str) -> None:
    assert procfs.process(8) is None
    assert procfs.status(8) is None
    assert procfs.cgroups(8) is None
    assert procfs.namespace(8, "pid") is None
    (tmp_path / "42" / lost).unlink()
    assert procfs.process(42) is None


def test_comms_of_processes_that_vanish(procfs: Procfs, tmp_path: Path) -> None:
    (tmp_path / "42" / "comm").unlink()
    assert procfs.comms() == {7: "sleep"}


@pytest.mark.parametrize(("inode", "initial"), [(PROC_PID_INIT_INO, True), (4026532999, False)])
def test_pid_namespace(procfs: Procfs, tmp_path: Path, inode: int, initial: bool) -> None:
    assert procfs.in_initial_pid_namespace() is None
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "pid").symlink_to(f"pid:[{inode}]")
    assert procfs.in_initial_pid_namespace() is initial


def test_this_process() -> None:
    me = Procfs(Roots()).process(os.getpid())
    assert me is not None
    assert (me.pid, me.ppid, me.uid) == (os.getpid(), os.getppid(), os.getuid())
    assert me.namespaces["pid"] == Path("/proc/self/ns/pid").stat().st_ino
    assert 0 < me.start_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_a_process_that_is_gone() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    procfs = Procfs(Roots())
    zombie = procfs.process(pid)
    assert zombie is not None
    assert zombie.ppid == os.getpid()
    assert "mnt" not in zombie.namespaces
    os.waitpid(pid, 0)
    assert procfs.process(pid) is None


def test_capabilities(procfs: Procfs, tmp_path: Path) -> None:
    sets = {"Inh": 0, "Prm": 1, "Eff": 1 << 13, "Bnd": (1 << 21) + 1, "Amb": 1 << 60}
    lines = "".join(f"Cap{name}:\t{value:016x}\n" for name, value in sets.items())
    (tmp_path / "7" / "status").write_text(lines)
    assert procfs.capabilities(7) == Capabilities(
        (), ("CAP_CHOWN",), ("CAP_NET_RAW",), ("CAP_CHOWN", "CAP_SYS_ADMIN"), ("CAP_60",)
    )
    assert procfs.capabilities(8) is None
