"""Where text goes: pipes that close, disks that are full, files that must not be harmed for nothing."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from eunomia.errors import EunomiaError, UsageError
from eunomia.sinks.outputs import Output, OutputFile


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (reading, writing):
        with suppress(OSError):
            os.close(fd)


def drain(fd: int, into: list[bytes]) -> threading.Thread:
    def read() -> None:
        while data := os.read(fd, 1 << 16):
            into.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    return thread


@pytest.mark.parametrize("blocking", [True, False])
def test_a_write_is_carried_out_whole(pipe: tuple[int, int], blocking: bool) -> None:
    reading, writing = pipe
    # A pipe holds 64 KiB: this takes many calls.
    data = bytes(range(256)) * 10_000
    os.set_blocking(writing, blocking)
    out, got = Output(os.dup(writing)), list[bytes]()
    os.close(writing)
    thread = drain(reading, got)
    out.write(data)
    out.write(b"")
    out.write(b"end")
    out.close()
    thread.join(5)
    assert b"".join(got) == data + b"end"


def test_a_closed_pipe(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    out = Output(os.dup(writing))
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        out.write(b"x")
    out.close()


def test_a_pipe_that_is_closed_while_it_is_written(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    out = Output(os.dup(writing))
    timer = threading.Timer(0.05, os.close, (reading,))
    timer.start()
    with pytest.raises(BrokenPipeError):
        out.write(b"x" * (1 << 20))
    timer.join()
    out.close()


def test_closing_twice(pipe: tuple[int, int]) -> None:
    out = Output(os.dup(pipe[1]))
    out.close()
    other = os.dup(pipe[1])  # takes the number: a second close must not hit it
    out.close()
    os.fstat(other)
    os.close(other)


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    out = OutputFile(path)
    out.write(b"one\n")
    out.write(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    out.close()
    out.close()
    assert path.read_bytes() == b"one\ntwo\n"


def test_an_older_file_stays_until_the_first_write(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"from an older run, and longer")
    out = OutputFile(path)
    assert path.read_bytes() == b"from an older run, and longer"
    out.write(b"new")
    assert path.read_bytes() == b"new"
    out.close()


def test_an_older_file_stays_when_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    OutputFile(path).close()
    assert path.read_bytes() == b"old"


def test_a_file_that_was_never_written_to_goes_again(tmp_path: Path) -> None:
    path = tmp_path / "out"
    out = OutputFile(path)
    assert path.exists(), "so that it is known at once whether it can be"
    out.close()
    assert not path.exists()
    OutputFile(path).close()


def test_an_empty_file_of_somebody_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.touch()
    OutputFile(path).close()
    assert path.exists()


def test_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    out = OutputFile(tmp_path / "link")
    out.write(b"new")
    out.close()
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()


def test_not_inherited(tmp_path: Path) -> None:
    out = OutputFile(tmp_path / "out")
    assert fcntl.fcntl(out._fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    out.close()


def test_a_device() -> None:
    out = OutputFile(Path("/dev/null"))
    out.write(b"x")
    out.close()
    assert Path("/dev/null").exists()


def test_a_fifo(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    out = OutputFile(path)
    out.write(b"one")
    out.write(b"two")
    out.close()
    reader.join(5)
    assert got == [b"onetwo"]


@pytest.mark.parametrize("wrong", ["missing/out", ".", "file/out"])
def test_what_cannot_be_written_is_said_at_once(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"cannot write .*{wrong.strip('.')}"):
        OutputFile(tmp_path / wrong)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*too long"):
        OutputFile(tmp_path / ("x" * 300))


@pytest.mark.kernel  # mounts a file system
def test_a_full_disk(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path], check=True)
    try:
        out = OutputFile(tmp_path / "out")
        with pytest.raises(EunomiaError, match=r"cannot write .*out: No space left on device") as caught:
            out.write(b"x" * (1 << 20))
        assert not isinstance(caught.value, UsageError)
        out.close()
        assert (tmp_path / "out").exists()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_full_device() -> None:
    out = OutputFile(Path("/dev/full"))
    with pytest.raises(EunomiaError, match="/dev/full: No space left"):
        out.write(b"x")
    out.close()
