"""Paths in all their shapes, as the process sees them and as the host does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import collecting
from tests.trackers.files.work import counted, watching, work

pytestmark = pytest.mark.kernel

Pairs = set[tuple[str, str | None]]


def seen(program: str, *arguments: str | bytes, cwd: Path | None = None) -> Pairs:
    """Pairs of path and host path of files called `file…`."""
    with watching() as run:
        pid = work(program, *arguments, cwd=cwd)
    rows = run.events.filter(pl.col("pid") == pid, pl.col("path").str.contains("file[^/]*$"))
    return set(rows.select("path", "host_path").rows())


def same(*paths: str | Path) -> Pairs:
    return {(str(path), str(path)) for path in paths}


def test_relative_names_and_directories(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "cwd").mkdir()
    program = """
os.close(os.open("file0", os.O_CREAT))
os.close(os.open("../sub//./file1", os.O_CREAT))
sub = os.open("../sub", os.O_PATH)
os.close(os.open("file2", os.O_CREAT, dir_fd=sub))
os.chdir("../sub")
os.close(os.open("file3", os.O_CREAT))
"""
    sub = tmp_path / "sub"
    assert seen(program, cwd=tmp_path / "cwd") == same(tmp_path / "cwd" / "file0", *(sub / f"file{n}" for n in "123"))


def test_deleted_and_renamed_by_every_kind_of_name(tmp_path: Path) -> None:
    for name in ("a/file0", "a/file1", "a/file2", "b/file3", "b/file4", "b/file5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    program = """
os.unlink("file0")
os.unlink("..///a/./x/../file1")
a = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
os.chdir("/")
os.unlink("file2", dir_fd=a)
os.rename("../b/file3", "file6", src_dir_fd=a, dst_dir_fd=a)
os.rename(args[0] + "/b/file4", args[0] + "/a/file7")
os.chdir(args[0])
os.unlink("../../../../../../../../../../../.." + args[0] + "/b/file5")
"""
    (tmp_path / "a/x").mkdir()
    names = ("a/file0", "a/file1", "a/file2", "b/file3", "b/file4", "b/file5")
    assert seen(program, str(tmp_path), cwd=tmp_path / "a") == same(*(tmp_path / name for name in names))
    assert not list(tmp_path.glob("b/*"))


def test_links_are_followed_when_opened(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file-link").symlink_to("link/file")
    program = """
os.close(os.open(args[0] + "/file-link", os.O_RDONLY))
fd = os.open(args[0] + "/link/file", os.O_RDONLY)
os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
"""
    assert seen(program, str(tmp_path)) == same(tmp_path / "real" / "file")


def test_deleted_unnamed_and_odd_files(tmp_path: Path) -> None:
    program = """
gone = os.open(args[0] + "/file-gone", os.O_RDWR | os.O_CREAT)
os.unlink(args[0] + "/file-gone")
os.write(gone, b"1234")
unnamed = os.open(args[0], os.O_RDWR | os.O_TMPFILE)
os.write(unnamed, b"12345")
bad = os.fsencode(args[0]) + b"/file-\\xff\\xc3\\xa4"
os.close(os.open(bad, os.O_CREAT))
os.unlink(bad)
"""
    with watching() as run:
        pid = work(program, str(tmp_path))
    gone = {"opens": 1, "writes": 1, "write_bytes": 4, "deletes": 1}
    assert counted(run, pid, f"{tmp_path}/file-gone") == gone
    assert counted(run, pid, f"{tmp_path}/file-\\xffä") == {"opens": 1, "deletes": 1}
    unnamed = run.events.filter(pl.col("pid") == pid, pl.col("path").str.contains("/#[0-9]+$"))
    assert unnamed.select("opens", "writes", "write_bytes").rows() == [(1, 1, 5)]
    assert Path(unnamed["path"][0]).parent == tmp_path


def test_long_paths_lose_a_part_and_say_so(tmp_path: Path) -> None:
    program = """
os.chdir(args[0])
for _ in range(8):
    os.mkdir("d" * 100)
    os.chdir("d" * 100)
os.close(os.open("file", os.O_CREAT))
os.unlink("file")
"""
    with watching() as run:
        pid = work(program, str(tmp_path))
    rows = run.events.filter(pl.col("pid") == pid, pl.col("path").str.ends_with("d/file"))
    assert rows["path_truncated"].all()
    assert rows["opens"].sum() == 1
    assert all(len(path) > 400 and path.endswith("d" * 100 + "/file") for path in rows["path"])


def test_chroot(tmp_path: Path) -> None:
    (tmp_path / "root" / "inner").mkdir(parents=True)
    program = """
os.chroot(args[0] + "/root")
os.chdir("/inner")
os.close(os.open("/file0", os.O_CREAT))
os.close(os.open("file1", os.O_CREAT))
os.close(os.open("file2", os.O_CREAT))
os.unlink("file2")
os.unlink("../../../file0")
"""
    root = f"{tmp_path}/root"
    expected = {("/file0", f"{root}/file0"), *((f"/inner/file{n}", f"{root}/inner/file{n}") for n in "12")}
    assert seen(program, str(tmp_path)) == expected


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Path]:
    """A folder with an overlay, a tmpfs and a bind mount, seen by everybody."""
    for name in ("lower", "upper", "work", "overlay", "bound", "data", "tmpfs"):
        (tmp_path / name).mkdir()
    for name in ("lower/file-lower", "data/file-data"):
        (tmp_path / name).write_text("text")
    base = tmp_path / "base"  # an overlay on an overlay's upper directory is refused by some file systems
    base.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "base", base], check=True)
    (base / "upper").mkdir()
    (base / "work").mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={base}/upper,workdir={base}/work"
    try:
        if subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, tmp_path / "overlay"], check=False
        ).returncode:
            # A kernel without overlayfs, as the guests' are: another file system of its own.
            subprocess.run(["mount", "-t", "tmpfs", "overlay", tmp_path / "overlay"], check=True)
            (tmp_path / "overlay" / "file-lower").write_text("text")
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "tmpfs"], check=True)
        subprocess.run(["mount", "--bind", tmp_path / "data", tmp_path / "bound"], check=True)
        yield tmp_path
    finally:
        for name in ("bound", "tmpfs", "overlay", "base"):
            subprocess.run(["umount", "--lazy", tmp_path / name], check=False, stderr=subprocess.DEVNULL)


_IN_MOUNTS = """
for name in ("overlay/file-lower", "overlay/file-new", "bound/file-data", "tmpfs/file"):
    fd = os.open(f"{root}/{name}", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"x")
os.unlink(f"{root}/overlay/file-lower")
os.chdir(f"{root}/tmpfs")
os.unlink("file")
"""


def test_mounts_of_the_host(mounts: Path) -> None:
    found = seen(f"root = args[0]\n{_IN_MOUNTS}", str(mounts))
    names = ("overlay/file-lower", "overlay/file-new", "bound/file-data", "tmpfs/file")
    assert found == same(*(mounts / name for name in names))


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_mounts_elsewhere(mounts: Path) -> None:
    """In a mount namespace of its own, with another root: what a container is made of."""
    root = mounts / "overlay"
    for name in ("bound", "tmpfs", "own", "old"):
        (root / name).mkdir()
    program = """
def run(*command):
    if os.spawnvp(os.P_WAIT, command[0], command):
        sys.exit(1)
base, root = args[0], args[0] + "/overlay"
libc = c.CDLL(None, use_errno=True)
assert libc.unshare(0x20000) == 0  # CLONE_NEWNS
run("mount", "--make-rprivate", "/")
run("mount", "--bind", base + "/data", root + "/bound")
run("mount", "--bind", base + "/tmpfs", root + "/tmpfs")
run("mount", "-t", "tmpfs", "own", root + "/own")
os.chdir(root)
os.chroot(".")
for name in ("bound/file-data", "file-lower", "tmpfs/file", "own/file"):
    os.write(os.open("/" + name, os.O_RDWR | os.O_CREAT), b"x")
os.chdir("/bound")
os.unlink("file-data")
os.rename("/file-lower", "/file-renamed")
os.chdir("/own")
os.unlink("file")
"""
    with watching() as run:
        pid = work(program, str(mounts))
    rows = run.events.filter(pl.col("pid") == pid, pl.col("path").str.contains("^/[a-z-]*/?file[^/]*$"))
    hosts = dict(rows.select("path", "host_path").unique().iter_rows())
    assert hosts["/file-lower"] == f"{root}/file-lower"
    # The bind mount's file is found under the name it has without the mount: both are names of it on the host.
    assert hosts["/bound/file-data"] in (f"{mounts}/data/file-data", f"{mounts}/bound/file-data")
    assert hosts["/tmpfs/file"] == f"{mounts}/tmpfs/file"
    assert hosts["/own/file"] is None
    assert counted(run, pid, "/bound/file-data")["deletes"] == 1
    assert counted(run, pid, "/own/file") == {"opens": 1, "writes": 1, "write_bytes": 1, "deletes": 1}


def test_a_process_that_was_there_before(tmp_path: Path) -> None:
    """Its open files are found by what they are, not by having been seen opened."""
    file = tmp_path / "file"
    program = "import sys, os; f = open(sys.argv[1], 'wb', 0); os.chdir('/'); sys.stdin.readline(); f.write(b'12')"
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", program, str(file)], stdin=subprocess.PIPE)
    while not file.exists():
        os.sched_yield()
    with collecting("files", FilterConfig(pids=(child.pid,))) as run:
        child.communicate(b"\n")
    assert counted(run, child.pid, str(file)) == {"writes": 1, "write_bytes": 2}
