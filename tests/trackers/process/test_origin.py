"""Where programs come from, as the kernel has it: their file, and what they are given to read and write."""

from __future__ import annotations

import os
import pty
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import Run, collecting
from tests.dockerd import DockerDaemon

pytestmark = pytest.mark.kernel
TRUE = "/bin/true"
_FILE = ("exe_upper_layer", "exe_memfd", "exe_deleted")


def of(run: Run, pid: int, *columns: str) -> tuple[Any, ...]:
    """What the last exec of a process told."""
    (*_, row) = run.events.filter(event="exec", pid=pid).select(columns).rows()
    return row


def started(*args: str, **more: Any) -> int:
    with subprocess.Popen(args, **more) as child:
        pass
    assert child.returncode == 0
    return child.pid


def test_an_ordinary_file(tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy(TRUE, program)
    with collecting() as run:
        pid = started(str(program))
        program.chmod(0o700)
        changed = started(str(program))
    stat = program.stat()
    assert of(run, pid, "exe_inode", *_FILE) == (stat.st_ino, None, False, False)
    assert of(run, pid, "exe_on_host") == (True,)
    assert of(run, changed, "exe_inode", "exe_ctime_ns") == (stat.st_ino, stat.st_ctime_ns)
    assert of(run, pid, "exe_ctime_ns") < of(run, changed, "exe_ctime_ns")
    ends = run.events.filter(event="exit", pid=pid)
    none = ("exe_inode", "exe_ctime_ns", "exe_on_host", *_FILE, "stdin", "stdout", "stdin_port", "stdin_peer")
    assert ends.select(none).rows() == [(None,) * len(none)]


def test_a_file_in_memory() -> None:
    memory = os.memfd_create("harmless")
    os.write(memory, Path(TRUE).read_bytes())
    with collecting() as run:
        pid = os.fork()
        if pid == 0:
            os.execve(memory, ["renamed"], {})  # noqa: S606
        os.waitpid(pid, 0)
    os.close(memory)
    assert of(run, pid, "executable", *_FILE) == ("/memfd:harmless", None, True, True)


def test_a_file_that_only_looks_like_memory(tmp_path: Path) -> None:
    program = tmp_path / "memfd:harmless"
    shutil.copy(TRUE, program)
    with collecting() as run:
        pid = started(str(program))
    assert of(run, pid, *_FILE) == (None, False, False)


def test_a_deleted_file(tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy(TRUE, program)
    file = os.open(program, os.O_RDONLY)
    program.unlink()
    with collecting() as run:
        pid = os.fork()
        if pid == 0:
            os.execve(file, ["deleted"], {})  # noqa: S606
        os.waitpid(pid, 0)
    os.close(file)
    assert of(run, pid, *_FILE) == (None, False, True)


def test_what_standard_input_and_output_are(tmp_path: Path) -> None:
    main, other = pty.openpty()
    left, right = socket.socketpair()
    with collecting() as run, (tmp_path / "file").open("w+") as file, left, right:
        pids = {
            ("tty", "file"): started(TRUE, stdin=other, stdout=file),
            ("pipe", "null"): started(TRUE, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL),
            ("file", "pipe"): started(TRUE, stdin=file, stdout=subprocess.PIPE),
            ("socket", "tty"): started(TRUE, stdin=left, stdout=other),
            ("null", "socket"): started(TRUE, stdin=subprocess.DEVNULL, stdout=right),
            (None, "file"): started("/bin/sh", "-c", f"exec {TRUE} <&-", stdout=file),
        }
    os.close(main)
    os.close(other)
    columns = ("stdin", "stdout", "stdin_peer", "stdin_port")
    assert [of(run, pid, *columns) for pid in pids.values()] == [(*both, None, None) for both in pids]


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_shell_whose_input_is_a_connection(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as listener, socket.socket(family) as shell, collecting() as run:
        listener.bind((address, 0))
        listener.listen()
        unconnected = started("/bin/sh", "-c", "exit 0", stdin=listener)
        shell.connect(listener.getsockname())
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"exit 0\n")
            pid = started("/bin/sh", stdin=shell, stdout=shell)
        port = listener.getsockname()[1]
    assert of(run, pid, "stdin", "stdout", "stdin_peer", "stdin_port") == ("socket", "socket", address, port)
    assert of(run, unconnected, "stdin", "stdin_peer", "stdin_port") == ("socket", None, None)


_SCRIPT = (
    "/bin/busybox true image; cp /bin/busybox /tmp/new; /tmp/new true new; cp /bin/busybox /mem/other;"
    " /mem/other true other; exec 3</tmp/new; rm /tmp/new; /proc/self/fd/3 true deleted; touch /bin/busybox;"
    " /bin/busybox true touched"
)


@pytest.mark.docker
def test_programs_of_the_image_and_others(dockerd: DockerDaemon, nothing_left: None) -> None:
    with collecting(watch=FilterConfig(containers=("origin",), wait=True), docker_host=dockerd.host) as run:
        identifier = dockerd.launch("origin", "/bin/sh", "-c", _SCRIPT, Tmpfs={"/mem": "exec"})
        dockerd.api("POST", "/containers/origin/wait")
    dockerd.remove(identifier)
    execs = run.events.filter(event="exec").with_columns(what=pl.col("args").list.get(2, null_on_oob=True))
    seen = {row[0]: row[1:] for row in execs.select("what", *_FILE).filter(pl.col("what").is_not_null()).rows()}
    assert {what: seen[what] for what in ("image", "new", "deleted", "touched")} == {
        "image": (False, False, False),
        "new": (True, False, False),
        "deleted": (True, False, True),
        "touched": (True, False, False),
    }
    assert seen["other"] == (None, False, False)


def test_a_program_of_another_mount_namespace() -> None:
    with collecting() as run:
        pid = started("unshare", "--mount", TRUE)
    first, second = run.events.filter(event="exec", pid=pid)["exe_on_host"].to_list()
    assert (first, second) == (True, False)
