"""Reads, writes, opens, deletes, renames: exactly as often, and as many bytes, as a program makes them."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from eunomia.errors import UsageError
from tests.collect import collecting
from tests.trackers.files.work import counted, watching, work

pytestmark = pytest.mark.kernel

_CALLS = """
folder = args[0] + "/"
one = os.open(folder + "one", os.O_RDWR | os.O_CREAT)
for size in (1, 10, 100):
    os.write(one, b"x" * size)          # write
os.writev(one, [b"ab", b"cde"])          # writev
os.pwrite(one, b"12345678", 0)           # pwrite64
os.pwritev(one, [b"1", b"2"], 0)         # pwritev
os.pwritev(one, [b"1", b"2"], 0, os.RWF_DSYNC)   # pwritev2
os.lseek(one, 0, 0)
os.read(one, 50)                         # read
os.readv(one, [bytearray(10), bytearray(20)])    # readv
os.pread(one, 5, 100)                    # pread64
os.preadv(one, [bytearray(3)], 0)        # preadv
os.preadv(one, [bytearray(3)], 0, os.RWF_HIPRI)  # preadv2
os.lseek(one, 0, 2)
os.read(one, 50)                         # at the end: read, no bytes
two = os.open(folder + "two", os.O_RDWR | os.O_CREAT)
os.sendfile(two, one, 0, 40)             # sendfile
os.copy_file_range(one, two, 30, 0)      # copy_file_range
r, w = os.pipe()
os.splice(one, w, 20, 0)                 # splice from a file
os.splice(r, two, 20)                    # splice to a file
os.write(w, b"none"), os.read(r, 4)      # pipes are no files
os.close(one)
os.open(folder + "one", os.O_RDONLY)
os.rename(folder + "one", folder + "three")
os.unlink(folder + "two")
os.mkdir(folder + "four")
os.rmdir(folder + "four")
only = os.open(folder + "three", os.O_RDONLY)
try:
    os.write(only, b"refused")
except OSError:
    pass
try:
    os.unlink(folder + "five")
except OSError:
    pass
"""


def test_every_call(tmp_path: Path, nothing_left: None) -> None:
    with watching() as run:
        pid = work(_CALLS, str(tmp_path))
    assert counted(run, pid, f"{tmp_path}/one") == {
        "opens": 2,
        "reads": 9,  # 6 of its own, and the input of sendfile, copy_file_range, splice
        "read_bytes": 50 + 30 + 5 + 3 + 3 + 0 + 40 + 30 + 20,
        "writes": 7,
        "write_bytes": 1 + 10 + 100 + 5 + 8 + 2 + 2,
        "renames": 1,
    }
    assert counted(run, pid, f"{tmp_path}/two") == {
        "opens": 1,
        "writes": 3,
        "write_bytes": 40 + 30 + 20,
        "deletes": 1,
    }
    assert counted(run, pid, f"{tmp_path}/three") == {"opens": 1, "errors": 1}
    assert counted(run, pid, f"{tmp_path}/four") == {"deletes": 1}
    assert counted(run, pid, f"{tmp_path}/five") == {}
    rows = run.events.filter(pl.col("pid") == pid, pl.col("path").str.starts_with(str(tmp_path)))
    assert (rows["path"] == rows["host_path"]).all()
    status = (tmp_path / "three").stat()
    three = rows.filter(path=f"{tmp_path}/three").row(0, named=True)
    assert three["inode"] == status.st_ino
    assert three["device"] == f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    assert three["total_latency"] is None
    assert (three["comm"], three["container_id"], three["ppid"]) == (Path(sys.executable).name, "host", os.getpid())


def test_only_files(tmp_path: Path) -> None:
    """Directories and devices are files; sockets, pipes and the kernel's own descriptors are none."""
    program = """
import socket, select
null = os.open("/dev/null", os.O_WRONLY)
os.write(null, b"12345")
os.listdir(args[0])
a, b = socket.socketpair()
a.send(b"1"); os.write(a.fileno(), b"22"); os.read(b.fileno(), 3)
event = os.eventfd(1); os.eventfd_read(event)
memory = os.memfd_create("work"); os.write(memory, b"123")
os.mkfifo(args[0] + "/fifo")
fifo = os.open(args[0] + "/fifo", os.O_RDWR); os.write(fifo, b"1"); os.read(fifo, 1)
"""
    (tmp_path / "some").touch()
    with watching() as run:
        pid = work(program, str(tmp_path))
    assert counted(run, pid, "/dev/null") == {"opens": 1, "writes": 1, "write_bytes": 5}
    listed = counted(run, pid, str(tmp_path))
    assert (listed["opens"], listed["reads"]) == (1, 2)
    assert listed["read_bytes"] > 0
    assert counted(run, pid, "/memfd:work") == {"writes": 1, "write_bytes": 3}
    assert not run.events.filter(pid=pid)["path"].str.contains(r"fifo$|^/?socket:|^/?pipe:|\[eventfd|anon_inode").any()


def test_latency(tmp_path: Path) -> None:
    program = """
import fcntl
pipe, w = os.pipe()
out = os.open(args[0] + "/file", os.O_WRONLY | os.O_CREAT)
if os.fork() == 0:
    import time
    time.sleep(0.3)
    os.write(w, b"123")
    os._exit(0)
os.splice(pipe, out, 3)  # waits in the kernel
os.wait()
"""
    with watching(latency=True) as run:
        pid = work(program, str(tmp_path))
    row = (
        run.events.filter(pid=pid, path=f"{tmp_path}/file")
        .select("writes", "total_latency", "max_latency")
        .sum()
        .row(0)
    )
    assert row[0] == 1
    assert 0.25e9 < row[2] <= row[1] < 20e9


@pytest.mark.skipif(platform.machine() != "x86_64", reason="int 0x80 is of x86")
def test_calls_of_32_bit_programs(tmp_path: Path) -> None:
    """Made by a 64-bit program through the 32-bit entry: open is 5 there, read 3, write 4, unlink 10."""
    program = r"""
import mmap
low = c.CDLL(None).mmap
low.restype = c.c_void_p
low.argtypes = [c.c_void_p, c.c_size_t, c.c_int, c.c_int, c.c_int, c.c_long]
page = low(None, 8192, 7, 0x62, -1, 0)  # MAP_32BIT: pointers of 32 bits have to do
# push rbx; mov eax, edi; mov ebx, esi; mov esi, ecx; mov ecx, edx; mov edx, esi; int 0x80; pop rbx; ret
code = bytes.fromhex("53 89f8 89f3 89ce 89d1 89f2 cd80 5b c3")
c.memmove(page, code, len(code))
call = c.CFUNCTYPE(c.c_int, c.c_int, c.c_uint, c.c_uint, c.c_uint)(page)
name = page + 4096
path = args[0].encode() + b"\0"
c.memmove(name, path, len(path))
fd = call(5, name, os.O_RDWR | os.O_CREAT, 0o600)
assert fd >= 0, fd
assert call(4, fd, name, 7) == 7
os.lseek(fd, 0, 0)
assert call(3, fd, name + 2048, 100) == 7
assert call(10, name, 0, 0) == 0
"""
    file = f"{tmp_path}/file"
    with watching() as run:
        pid = work(program, file)
    expected = {"opens": 1, "reads": 1, "read_bytes": 7, "writes": 1, "write_bytes": 7, "deletes": 1}
    assert counted(run, pid, file) == expected


def test_threads_and_intervals_lose_nothing(tmp_path: Path) -> None:
    file, each = tmp_path / "file", 200_000
    file.write_bytes(b"x" * 10)
    program = f"""
import threading
def read(fd):
    for _ in range({each}):
        os.pread(fd, 7, 0)
fds = [os.open(args[0], os.O_RDONLY) for _ in range(4)]
threads = [threading.Thread(target=read, args=(fd,)) for fd in fds]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    with watching(interval=0.1) as run:
        pid = work(program, str(file))
    assert counted(run, pid, str(file)) == {"opens": 4, "reads": 4 * each, "read_bytes": 28 * each}
    rows = run.events.filter(pid=pid, path=str(file))
    assert rows.height > 1, "one interval only, which shows nothing"


_MANY = """
import os, sys
for number in range(int(sys.argv[2])):
    os.close(os.open(f"{sys.argv[1]}/{number}", os.O_WRONLY | os.O_CREAT))
"""


def test_an_interval_ends_early_when_its_table_is_half_full(tmp_path: Path) -> None:
    files = 5_000
    with collecting("files", interval=3600.0, include=(f"{tmp_path}/*",)) as run:
        subprocess.run([sys.executable, "-I", "-S", "-c", _MANY, str(tmp_path), str(files)], check=True)
        end = time.monotonic() + 20
        while run.events.is_empty():
            assert time.monotonic() < end, "no interval has ended"
            time.sleep(0.02)
    assert run.summary is not None
    assert run.summary.lost == {}
    assert run.events["path"].n_unique() == files
    assert run.events["opens"].sum() == files


def test_a_full_table_is_counted(tmp_path: Path) -> None:
    """More files than the table has room for, and nobody who comes to empty it."""
    files = 9_000
    with collecting("files", interval=3600.0) as run:
        with subprocess.Popen([sys.executable, "-I", "-S", "-c", _MANY, str(tmp_path), str(files)]) as child:
            status = ctypes.c_int()
            ctypes.PyDLL(None).waitpid(child.pid, ctypes.byref(status), 0)  # keeps the interpreter to itself
            child.returncode = status.value
        assert child.returncode == 0
    summary = run.summary
    assert summary is not None
    seen = run.events.filter(pl.col("pid") == child.pid, pl.col("path").str.starts_with(f"{tmp_path}/")).height
    assert seen < files
    assert files - seen <= summary.lost["table full"]
    assert summary.emitted == summary.delivered + summary.filtered + sum(summary.lost.values())


def test_names_used_again_are_kept_apart(tmp_path: Path) -> None:
    """A temporary file's memory and inode number go to the next one at once."""
    program = """
for number in range(2000):
    name = f"{args[0]}/{number}"
    fd = os.open(name, os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"x" * (number + 1))
    os.close(fd)
    os.unlink(name)
"""
    with watching() as run:
        pid = work(program, str(tmp_path))
    rows = run.events.filter(pl.col("pid") == pid, pl.col("path").str.starts_with(f"{tmp_path}/"))
    sums = rows.group_by("path").agg(pl.col("opens", "writes", "write_bytes", "deletes").sum())
    truth = {(f"{tmp_path}/{number}", 1, 1, number + 1, 1) for number in range(2000)}
    assert set(sums.rows()) == truth


def test_filters(tmp_path: Path) -> None:
    reader = "sys.stdin.readline(); [os.pread(os.open(args[0], 0), 9, 0) for _ in range(3)]"
    file = tmp_path / "file"
    file.write_text("text")
    command = [sys.executable, "-I", "-S", "-c", f"import os, sys; args = sys.argv[1:]; {reader}", str(file)]
    watched, other = (subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2))
    with collecting("files", FilterConfig(pids=(watched.pid,))) as run:
        for child in (watched, other):
            child.communicate(b"\n")
    assert counted(run, watched.pid, str(file)) == {"opens": 3, "reads": 3, "read_bytes": 12}
    assert run.events.filter(pl.col("pid") != watched.pid).is_empty()


def test_sort_top_include_exclude(tmp_path: Path) -> None:
    program = """
for number, size in enumerate((5, 50, 500, 20)):
    fd = os.open(f"{args[0]}/file{number}.{'log' if number % 2 else 'txt'}", os.O_WRONLY | os.O_CREAT)
    for _ in range(4 - number):
        os.write(fd, b"x" * size)
"""

    def seen(**options: Any) -> list[str]:
        with watching(interval=3600.0, include=(f"{tmp_path}/*",), **options) as run:
            work(program, str(tmp_path))
        summary = run.summary
        assert summary is not None
        assert summary.filtered > 0, "the rows that nobody asked for are counted"
        assert summary.emitted == summary.delivered + summary.filtered
        return [Path(path).name for path in run.events["path"].to_list()]

    assert seen() == ["file2.txt", "file1.log", "file0.txt", "file3.log"]
    assert seen(top=2) == ["file2.txt", "file1.log"]
    assert seen(sort="writes", exclude=("*.log",)) == ["file0.txt", "file2.txt"]
    assert seen(sort="path", exclude=("*/file[!1-2]*",)) == ["file1.log", "file2.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0.0}, r"option interval: 0\.0: 0\.1 is the least"),
        ({"include": "etc/passwd"}, r"did you mean '\*/etc/passwd'"),
        ({"sort": "read"}, "did you mean reads"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message), collecting("files", **options):
        pass
