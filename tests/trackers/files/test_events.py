"""Each call with its path, flags and result, as the program made it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import Run, collecting
from tests.trackers.files.work import watching, work

pytestmark = pytest.mark.kernel


def events(run: Run, pid: int, folder: Path, *columns: str) -> list[tuple[Any, ...]]:
    """The events of a process below a folder, without the folder's name."""
    inside = [
        pl.col(name).str.starts_with(f"{folder}/") | (pl.col(name) == str(folder)) for name in ("path", "new_path")
    ]
    rows = run.events.filter(pl.col("pid") == pid, pl.any_horizontal(inside).fill_null(value=False))
    short = [
        pl.col(name).cast(pl.String).str.strip_prefix(f"{folder}/")
        if name.endswith(("path", "name", "event"))
        else name
        for name in columns
    ]
    return rows.select(short).rows()


_EVERYTHING = """
os.chdir(args[0])
one = os.open("one", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
os.close(os.open("one", os.O_RDONLY))
os.chmod("one", 0o600)
os.fchmod(one, 0o4755)
os.chown("one", -1, 0)
os.fchown(one, 0, -1)
os.lchown(args[0] + "/one", 0, 0)
os.truncate("one", 123)
os.ftruncate(one, 2**40)
os.link("one", "two")
os.symlink("../nowhere", "three")
os.rename("two", "./three")
os.mkfifo("four", 0o622)
os.mkdir("five", 0o750)
os.rmdir("five/")
os.unlink("four")
os.open(args[0], os.O_RDWR | os.O_TMPFILE | os.O_EXCL, 0o600)
"""


def test_every_kind(tmp_path: Path) -> None:
    with watching(events=True) as run:
        pid = work(_EVERYTHING, str(tmp_path), umask=0)
    access = "|O_CLOEXEC"
    seen = events(run, pid, tmp_path, "event", "path", "new_path", "flags", "mode", "owner", "group", "size")
    assert seen[:-1] == [
        ("create", "one", None, f"O_RDWR|O_CREAT|O_EXCL{access}", "0640", None, None, None),
        ("open", "one", None, f"O_RDONLY{access}", None, None, None, None),
        ("chmod", "one", None, "0", "0600", None, None, None),
        ("chmod", "one", None, "0", "4755", None, None, None),
        ("chown", "one", None, "0", None, None, 0, None),
        ("chown", "one", None, "0", None, 0, None, None),
        ("chown", "one", None, "0", None, 0, 0, None),
        ("truncate", "one", None, "0", None, None, None, 123),
        ("truncate", "one", None, "0", None, None, None, 2**40),
        ("link", "one", "two", "0", None, None, None, None),
        ("symlink", "../nowhere", "three", "0", None, None, None, None),
        ("rename", "two", "three", "0", None, None, None, None),
        ("mknod", "four", None, "0", "10622", None, None, None),
        ("mkdir", "five", None, "0", "0750", None, None, None),
        ("rmdir", "five", None, "0", None, None, None, None),
        ("unlink", "four", None, "0", None, None, None, None),
    ]
    unnamed = seen[-1]
    assert (unnamed[0], unnamed[3], unnamed[4]) == ("create", f"O_RDWR|O_TMPFILE|O_EXCL{access}", "0600")
    assert re.fullmatch(r"#\d+", unnamed[1])
    rows = run.events.filter(pl.col("pid") == pid, pl.col("path").str.starts_with(str(tmp_path)))
    assert (rows["host_path"] == rows["path"]).all()
    assert rows["error"].null_count() == rows.height
    assert rows.filter(event="create")["fd"].to_list() == [3, 4]
    renamed = rows.filter(event="rename").row(0, named=True)
    assert (renamed["name"], renamed["new_host_path"]) == ("two", f"{tmp_path}/three")


def test_at_calls_and_their_flags(tmp_path: Path) -> None:
    program = """
libc = c.CDLL(None, use_errno=True)
base = os.open(args[0], os.O_PATH)
other = os.open(args[0] + "/sub", os.O_PATH)
os.close(os.open("one", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_SYNC | os.O_NONBLOCK, 0o600, dir_fd=base))
os.close(os.open("link", os.O_RDONLY | os.O_NOFOLLOW | os.O_PATH, dir_fd=base))
assert libc.renameat2(base, b"one", other, b"two", 1) == 0
os.link("two", "three", src_dir_fd=other, dst_dir_fd=base, follow_symlinks=True)
libc.renameat2(base, b"link", other, b"two", 2)
os.chown("three", 0, 0, dir_fd=base, follow_symlinks=False)
os.mkdir("dir", dir_fd=other)
os.rmdir("dir", dir_fd=other)
os.unlink("three", dir_fd=base)
how = (c.c_uint64 * 3)(os.O_RDWR | os.O_CREAT, 0o604, 0)
assert libc.syscall(437, other, b"new", how, 24) >= 0  # openat2
"""
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("one")
    with watching(events=True) as run:
        pid = work(program, str(tmp_path))
    seen = events(run, pid, tmp_path, "event", "path", "new_path", "flags", "mode")[2:]
    assert seen == [
        ("create", "one", None, "O_WRONLY|O_SYNC|O_CREAT|O_APPEND|O_NONBLOCK|O_CLOEXEC", "0600"),
        ("open", "link", None, "O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_PATH", None),
        ("rename", "one", "sub/two", "RENAME_NOREPLACE", None),
        ("link", "sub/two", "three", "AT_SYMLINK_FOLLOW", None),
        ("rename", "link", "sub/two", "RENAME_EXCHANGE", None),
        ("chown", "three", None, "AT_SYMLINK_NOFOLLOW", None),
        ("mkdir", "sub/dir", None, "0", "0777"),
        ("rmdir", "sub/dir", None, "AT_REMOVEDIR", None),
        ("unlink", "three", None, "0", None),
        ("create", "sub/new", None, "O_RDWR|O_CREAT", "0604"),
    ]


_FAILING = """
def attempt(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OSError:
        pass
os.chdir(args[0])
attempt(os.open, "none", os.O_RDONLY)
attempt(os.open, "dir", os.O_WRONLY)
attempt(os.open, "../" + os.path.basename(args[0]) + "/./dir/", os.O_CREAT | os.O_EXCL)
attempt(os.unlink, args[0] + "/dir")
attempt(os.rename, "none", "new")
attempt(os.mkdir, "dir")
attempt(os.chmod, 99, 0o600)
c.CDLL(None).unlink(c.c_void_p(8))
"""


def test_failed_calls(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    with watching(events=True) as run:
        pid = work(_FAILING, str(tmp_path))
    assert events(run, pid, tmp_path, "event", "path", "new_path", "error") == [
        ("open", "none", None, "ENOENT"),
        ("open", "dir", None, "EISDIR"),
        ("open", "dir", None, "EISDIR"),
        ("unlink", "dir", None, "EISDIR"),
        ("rename", "none", "new", "ENOENT"),
        ("mkdir", "dir", None, "EEXIST"),
    ]
    rows = run.events.filter(pl.col("pid") == pid, pl.col("error").is_in(["EBADF", "EFAULT"]))
    assert rows.select("event", "path", "error", "path_truncated").rows() == [
        ("chmod", None, "EBADF", True),
        ("unlink", None, "EFAULT", True),
    ]
    with watching(events=True, failed=False) as run:
        pid = work(_FAILING, str(tmp_path))
    assert events(run, pid, tmp_path, "event", "path") == []


def test_include_and_exclude_look_at_both_paths(tmp_path: Path) -> None:
    with watching(events=True, include=(f"{tmp_path}/t*",), exclude=("*/two",)) as run:
        pid = work(_EVERYTHING, str(tmp_path))
    assert events(run, pid, tmp_path, "event", "new_path") == [("symlink", "three")]


def test_a_flood_into_a_tiny_ring_is_accounted_for(tmp_path: Path) -> None:
    program = "[os.close(os.open(args[0], os.O_RDONLY)) for _ in range(20000)]"
    file = tmp_path / "file"
    file.touch()
    watch = FilterConfig(pids=(os.getpid(),), children=True)
    with collecting("files", watch, ring_bytes=16384, events=True) as run:
        pid = work(program, str(file))
    summary = run.summary
    assert summary is not None
    assert summary.lost["ring full"] > 0
    assert summary.emitted == summary.delivered + summary.filtered + sum(summary.lost.values())
    seen = run.events.filter(pid=pid, path=str(file)).height
    assert seen + summary.lost["ring full"] >= 20_000


_READS = """
os.mkdir("sub")
for name in ("shadow", "sub/shadow", "shadow2", "other", "n" * 63, "n" * 64, "ä"):
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT))
os.symlink("sub/shadow", "link")
os.close(os.open("shadow", os.O_RDONLY))
os.close(os.open("link", os.O_RDONLY))
os.close(os.open("shadow2", os.O_RDONLY))
os.close(os.open("other", os.O_RDONLY))
os.close(os.open("other", os.O_RDWR))
os.close(os.open("n" * 63, os.O_RDONLY))
os.close(os.open("n" * 64, os.O_RDONLY))
os.close(os.open("ä", os.O_PATH))
os.chdir("sub")
os.unlink("shadow")
for name in ("shadow", "../sub/shadow", args[0] + "/sub/shadow", "xshadow", "no/such", "x" * 300 + "/shadow"):
    try:
        os.open(name, os.O_RDONLY)
    except OSError:
        pass
"""


def read_only(run: Run, pid: int, folder: Path) -> list[tuple[Any, ...]]:
    seen = events(run, pid, folder, "event", "path", "flags", "error")
    return [(path, error) for event, path, flags, error in seen if event == "open" and "O_RDONLY" in flags]


def test_reads_of_some_names(tmp_path: Path) -> None:
    long = "n" * 63
    with watching(events=True, reads_of=("shadow", long, "ä", *(f"name{number}" for number in range(253)))) as run:
        pid = work("os.chdir(args[0])\n" + _READS, str(tmp_path))
    assert read_only(run, pid, tmp_path) == [
        ("shadow", None),
        ("sub/shadow", None),
        (long, None),
        ("ä", None),
        *[("sub/shadow", "ENOENT")] * 3,
        (f"sub/{'x' * 300}/shadow", "ENAMETOOLONG"),
    ]
    others = [event for event, *_ in events(run, pid, tmp_path, "event", "flags") if event != "open"]
    assert others == ["mkdir", *["create"] * 7, "symlink", "unlink"]
    assert ("open", "other", "O_RDWR|O_CLOEXEC") in events(run, pid, tmp_path, "event", "path", "flags")


def test_no_reads(tmp_path: Path) -> None:
    with watching(events=True, reads=False) as run:
        pid = work("os.chdir(args[0])\n" + _READS, str(tmp_path))
    assert read_only(run, pid, tmp_path) == []
    assert len(events(run, pid, tmp_path, "event")) == 11
