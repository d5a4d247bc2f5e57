"""Cgroups of a fixture tree, and of this host."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from eunomia.errors import UsageError
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.hierarchies import Hierarchy, detect
from eunomia.host.roots import Roots

TREE = {"/": "1\n", "/docker": "", "/docker/abc": "10\n0\n", "/docker/abc/init": "12\n11\n", "/user.slice": "99\n"}


@pytest.fixture
def cgroups(tmp_path: Path) -> Cgroups:
    for path, procs in TREE.items():
        directory = tmp_path / path[1:]
        directory.mkdir(exist_ok=True)
        (directory / "cgroup.procs").write_text(procs)
    return Cgroups(Hierarchy("cgroup2", tmp_path, 2, "", 0))


def test_scan(cgroups: Cgroups) -> None:
    mount = cgroups.hierarchy.mount
    assert cgroups.scan() == {(mount / path[1:]).stat().st_ino: path for path in TREE}


def test_id_and_path(cgroups: Cgroups) -> None:
    mount = cgroups.hierarchy.mount
    inode = (mount / "docker/abc").stat().st_ino
    for given in ("/docker/abc", "docker/abc", "/docker/abc/", f"{mount}/docker/abc"):
        assert cgroups.id(given) == inode
    assert cgroups.path(inode) == "/docker/abc"
    assert cgroups.id(str(mount)) == cgroups.id("/") == mount.stat().st_ino


@pytest.mark.parametrize("wrong", ["/nope", "/docker/abc/cgroup.procs/x", "\0"])
def test_id_of_no_cgroup(cgroups: Cgroups, wrong: str) -> None:
    with pytest.raises(UsageError, match="no cgroup"):
        cgroups.id(wrong)


def test_a_directory_whose_name_begins_like_the_mount(tmp_path: Path) -> None:
    cgroups = Cgroups(Hierarchy("cgroup2", tmp_path / "cg", 2, "", 0))
    assert cgroups.inside(f"{tmp_path}/cgroup/x") == f"{tmp_path}/cgroup/x"


def test_pids(cgroups: Cgroups) -> None:
    assert cgroups.pids("/docker") == [10, 11, 12]
    assert cgroups.pids("/") == [1, 10, 11, 12, 99]
    assert cgroups.pids("/nope") == []


def test_vanishing_while_scanned(cgroups: Cgroups, monkeypatch: pytest.MonkeyPatch) -> None:
    stat, gone = os.stat, f"{cgroups.hierarchy.mount}/docker"

    def vanishing(path: str) -> os.stat_result:
        if path == gone:
            raise FileNotFoundError(path)
        return stat(path)

    monkeypatch.setattr(os, "stat", vanishing)
    assert sorted(cgroups.scan().values()) == ["/", "/user.slice"]


@pytest.fixture
def made() -> Iterator[tuple[Cgroups, str]]:
    """A cgroup of our own with a child, on this host's cgroup2."""
    unified = detect(Roots()).unified
    if unified is None or os.geteuid() != 0:
        pytest.skip("needs root and cgroup2")
    path = f"/eunomia-test-{os.getpid()}"
    top = Path(f"{unified.mount}{path}")
    (top / "child").mkdir(parents=True)
    yield Cgroups(unified), path
    for directory in (top / "child", top):
        with suppress(FileNotFoundError):
            directory.rmdir()


@pytest.mark.kernel
def test_real_cgroups(made: tuple[Cgroups, str]) -> None:
    cgroups, path = made
    scanned = {path: inode for inode, path in cgroups.scan().items()}
    child = f"{path}/child"
    assert cgroups.id(child) == scanned[child]
    assert cgroups.path(scanned[child]) == child
    assert cgroups.path(cgroups.id("/")) == "/"
    Path(f"{cgroups.hierarchy.mount}{child}").rmdir()
    assert cgroups.path(scanned[child]) is None


@pytest.mark.kernel
def test_real_pids(made: tuple[Cgroups, str]) -> None:
    cgroups, path = made
    with subprocess.Popen(["sleep", "60"]) as process:
        Path(f"{cgroups.hierarchy.mount}{path}/child/cgroup.procs").write_text(str(process.pid))
        assert cgroups.pids(path) == [process.pid]
        process.kill()
        process.wait()
    assert cgroups.pids(path) == []
