"""Descriptions of real containers, from Docker and from the kernel; and of a host that is only files."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eunomia.containers.description import DESCRIPTIONS, Description
from eunomia.containers.listing import LookUp, list_containers
from eunomia.host.roots import Roots
from eunomia.schema.capabilities import NAMES
from tests.containers.runtime import A, B
from tests.dockerd import DockerDaemon, docker_daemon

DROPPED = {"CAP_MKNOD"}
ADDED = {"CAP_NET_ADMIN"}


def test_every_field_is_described() -> None:
    assert all(about and "\n" not in about and len(about) < 100 for about in DESCRIPTIONS.values())
    assert len(DESCRIPTIONS) == len(Description("a").__slots__)


def test_the_manual_has_every_field() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "containers.md").read_text()
    for name, about in DESCRIPTIONS.items():
        assert f"| `{name.removesuffix('_ns')}` | {about.replace(', in nanoseconds since 1970', '')} |" in manual


@pytest.fixture(scope="module")
def bridged() -> Iterator[DockerDaemon]:
    """A daemon whose containers have addresses."""
    with tempfile.TemporaryDirectory() as directory, docker_daemon(Path(directory), bridge=True) as daemon:
        yield daemon


def described(daemon: DockerDaemon, container: str) -> Description:
    """One of the daemon's containers."""
    (found,) = (one for one in list_containers(docker_host=daemon.host, stopped=True) if one.id == container)
    return found


@pytest.mark.docker
def test_everything(bridged: DockerDaemon, tmp_path: Path) -> None:
    profile = tmp_path / "seccomp.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}))
    options = [
        *("--network", "bridge", "--label", "tier=front", "--cap-drop", "MKNOD", "--cap-add", "NET_ADMIN"),
        *("-v", f"{tmp_path}:/data:ro", "--tmpfs", "/scratch", "--security-opt", f"seccomp={profile}"),
    ]
    full = bridged.start("web", "/bin/sh", "-c", "sleep 1000 & wait", options=options)
    before = time.time_ns()
    one = described(bridged, full)
    inspected = bridged.api("GET", f"/containers/{full}/json")
    assert (one.name, one.image, one.state, one.runtime) == ("web", "eunomia-test", "running", "docker")
    assert one.labels == {"tier": "front"}
    assert one.image_digest == inspected["Image"]
    assert one.pid == inspected["State"]["Pid"]
    assert len(one.pids) == 2
    assert one.pid in one.pids
    assert one.created_ns is not None
    assert one.started_ns is not None
    assert before - 60_000_000_000 < one.created_ns < one.started_ns < time.time_ns()
    assert one.finished_ns is None
    assert one.addresses == (inspected["NetworkSettings"]["Networks"]["bridge"]["IPAddress"],)
    assert {(mount.type, mount.source, mount.target, mount.writable) for mount in one.mounts} == {
        ("bind", str(tmp_path), "/data", False),
        ("tmpfs", "", "/scratch", True),
    }
    assert one.privileged is False
    assert one.seccomp == "custom"
    assert one.capabilities is not None
    assert set(one.capabilities) >= ADDED
    assert not DROPPED & set(one.capabilities)
    for kind, inode in one.namespaces.items():
        assert os.stat(f"/proc/{one.pid}/ns/{kind}").st_ino == inode
    assert {"mnt", "pid", "net", "ipc", "uts", "user", "cgroup"} <= set(one.namespaces)
    assert one.cgroups
    assert set(one.cgroups) == set(one.cgroup_ids)
    assert all(path.endswith(f"/docker/{full}") for path in one.cgroups.values())
    look_up = LookUp([one], Roots())
    for found in (
        look_up.by_pid(one.pids[1]),
        look_up.by_address(one.addresses[0]),
        look_up.by_namespace(one.namespaces["mnt"]),
        *(look_up.by_cgroup(key) for key in (*one.cgroups.values(), *map(str, one.cgroup_ids.values()))),
    ):
        assert found == [one]
    bridged.remove(full)


@pytest.mark.docker
def test_plain_unconfined_and_ended(bridged: DockerDaemon) -> None:
    plain = bridged.start("plain", "/bin/sleep", "1000", options=["--network", "host"])
    open_ = bridged.start("open", "/bin/sleep", "1000", options=["--security-opt", "seccomp=unconfined"])
    ended = bridged.start("ended", "/bin/true")
    bridged.api("POST", f"/containers/{ended}/wait")
    one = described(bridged, plain)
    assert (one.seccomp, one.addresses, one.mounts) == ("default", (), ())
    assert described(bridged, open_).seccomp == "unconfined"
    one = described(bridged, ended)
    assert (one.state, one.pid, one.pids) == ("exited", None, ())
    assert one.finished_ns is not None
    assert one.started_ns is not None
    assert abs(one.finished_ns - one.started_ns) < 60_000_000_000  # Docker may note the end first
    assert ended not in {one.id for one in list_containers(docker_host=bridged.host)}
    bridged.remove(plain, open_, ended)


STATUS = """\
Name:\tsleep
Uid:\t0\t0\t0\t0
PPid:\t1
NSpid:\t{pid}\t{inner}
CapBnd:\t00000000a80425fb
Seccomp:\t{seccomp}
"""


def made_up(tmp_path: Path, paths: dict[int, str], seccomp: int = 2) -> Roots:
    """A host of files: some processes in cgroups, and one hierarchy."""
    roots = Roots(tmp_path / "proc", tmp_path / "sys", tmp_path / "cgroup", tmp_path / "run")
    (roots.proc / "self").mkdir(parents=True)
    (roots.proc / "self" / "mountinfo").write_text(f"30 20 0:26 / {roots.cgroup} rw - cgroup2 cgroup2 rw\n")
    (roots.proc / "cgroups").write_text("#subsys_name\thierarchy\tnum_cgroups\tenabled\n")
    for number, (pid, path) in enumerate(paths.items()):
        directory = roots.cgroup / path.lstrip("/")
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "cgroup.procs").open("a") as procs:
            procs.write(f"{pid}\n")
        process = roots.proc / str(pid)
        process.mkdir()
        (process / "cgroup").write_text(f"0::{path}\n")
        (process / "stat").write_text(f"{pid} (sleep) S 1 {' '.join(['0'] * 17)} 100 0\n")
        (process / "status").write_text(STATUS.format(pid=pid, inner=number or 7, seccomp=seccomp))
        (process / "ns").mkdir()
        (process / "ns" / "mnt").symlink_to("mnt:[4026531999]")
    return roots


def test_without_any_runtime(tmp_path: Path) -> None:
    roots = made_up(tmp_path, {100: f"/docker/{A}", 101: f"/docker/{A}/init", 200: f"/kubepods/pod{'1' * 32}/{B}"})
    said: list[str] = []
    one, other = list_containers(roots, on_error=said.append)
    assert said == [f"no container runtime has a socket below {roots.run}"]
    assert (one.id, one.runtime, one.state, one.name, one.image) == (A, "docker", "running", "", None)
    assert (one.pid, one.pids) == (101, (100, 101)), "number 1 in its own pid namespace"
    assert one.cgroups == {"cgroup2": f"/docker/{A}"}, "not that of a service inside"
    assert one.cgroup_ids == {"cgroup2": os.stat(roots.cgroup / "docker" / A).st_ino}
    assert one.namespaces == {"mnt": 4026531999}
    assert one.seccomp == "filter"
    assert one.capabilities is not None
    assert set(one.capabilities) < set(NAMES)
    assert "CAP_SYS_ADMIN" not in one.capabilities
    assert (other.runtime, other.pod_uid) == ("containerd", "1" * 32)
    assert LookUp([one, other], roots).by_pid(101) == [one]


def test_unconfined(tmp_path: Path) -> None:
    (one,) = list_containers(made_up(tmp_path, {100: f"/docker/{A}"}, seccomp=0))
    assert one.seccomp == "unconfined"
