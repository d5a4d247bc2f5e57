"""Run in a guest whose kernel has BPF LSM: a policy holds a container, whichever way it tries, and nobody else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from eunomia.containers.inspection import container_hierarchy
from eunomia.host.roots import Roots
from tests.cli.command import DEFAULT_SIGNALS, EUNOMIA, environment
from tests.daemon import running as daemons

pytestmark = pytest.mark.kernel

ID = "fedcba9876543210" * 4
DENIED = "EPERM"
PATIENCE_S = 180

_WORKER = """
import ctypes, errno, os, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)

def done(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result

def write(path, **how):
    os.close(os.open(path, os.O_WRONLY, **how))

def child(*steps):
    pid = os.fork()
    if not pid:
        try:
            for step in steps:
                step()
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise OSError(code, "")

def send_unspec(port):
    to = bytes(2) + port.to_bytes(2, "big") + bytes((127, 0, 0, 1)) + bytes(8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        done(libc.sendto(sender.fileno(), b"x", 1, 0, to, len(to)))

for line in sys.stdin:
    try:
        exec(line.strip())
        print("done", flush=True)
    except OSError as error:
        print(errno.errorcode.get(error.errno, error.errno), flush=True)
    except Exception as error:
        print(repr(error), flush=True)
"""


class Worker:
    """A process that does what it is told to, line by line of Python; `write(PATH)` and so on are in the program."""

    def __init__(self, inside: Path | None) -> None:
        program = f'read line; exec {sys.executable} -c "$0"'
        self._process = subprocess.Popen(
            ["sh", "-c", program, _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if inside is not None:
            (inside / "cgroup.procs").write_text(str(self._process.pid))
        self.pid = self._process.pid
        self._say("go")

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def does(self, line: str) -> str:
        """What became of it: done, or the error's name."""
        self._say(line)
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def container() -> Iterator[Path]:
    """The cgroup of a container, as Docker names it, with somebody in it."""
    inside = Path(container_hierarchy(Roots()).mount, "docker", ID)
    inside.mkdir(parents=True)
    keeper = subprocess.Popen(["sleep", "3600"])
    (inside / "cgroup.procs").write_text(str(keeper.pid))
    try:
        yield inside
    finally:
        keeper.kill()
        keeper.wait()
        inside.rmdir()


class Applied:
    """`eunomia seccomp apply --via lsm` at work."""

    def __init__(self, policy: Path, *options: str) -> None:
        self._log = policy.with_suffix(".log")
        command = [*DEFAULT_SIGNALS, *EUNOMIA, "seccomp", "apply", str(policy), "-c", ID[:12], "--via", "lsm"]
        command += ["--fmt", "json", "--log", str(self._log), *options]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        self.said = ""
        assert self._process.stderr
        for line in self._process.stderr:
            self.said += line
            if "is held to the policy now" in line:
                return
        pytest.fail(self.said)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What it does in user space stands still."""
        self._process.send_signal(signal.SIGSTOP)
        yield
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> tuple[list[dict[str, Any]], str]:
        """Ends it; what it told, and what it said in the end."""
        self._process.send_signal(signal.SIGINT)
        told, said = self._process.communicate(timeout=400)
        assert self._process.returncode == 0, said
        states = [json.loads(line)["state"] for line in self._log.read_text().splitlines()]
        assert states[-2:] == ["held", "released"]
        return [json.loads(line) for line in told.splitlines()], said


@contextmanager
def applied(policy: Path, *options: str) -> Iterator[Applied]:
    """The same, ended by force when a test fails."""
    made = Applied(policy, *options)
    try:
        yield made
    finally:
        made._process.kill()
        made._process.communicate()


@pytest.fixture
def inside() -> Iterator[Path]:
    """A container."""
    with container() as made:
        yield made


@pytest.fixture
def outsider() -> Iterator[Worker]:
    """Somebody in no container."""
    made = Worker(None)
    yield made
    made.end()


@pytest.fixture
def worker(inside: Path) -> Iterator[Worker]:
    """Somebody in the container."""
    made = Worker(inside)
    assert made.does("pass") == "done"
    yield made
    made.end()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with one that is to be kept, and one that is not."""
    for name in ("above/kept/within", "free/below"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("above/kept/file", "free/file"):
        (tmp_path / name).write_text("x")
    (tmp_path / "free/link").symlink_to(tmp_path / "above/kept/file")
    return tmp_path


def _policy(directory: Path, text: str) -> Path:
    file = directory / "policy.toml"
    file.write_text(text)
    return file


_CLONE = "fd = done(libc.syscall(428, -100, b'{kept}', 1)); write('file', dir_fd=fd)"  # open_tree, OPEN_TREE_CLONE
_BY_ANY_WAY = {
    "by its path": "write('{kept}/file')",
    "relative": "os.chdir('{kept}'); write('file')",
    "through ..": "write('{free}/../above/kept/file')",
    "by a symbolic link": "write('{free}/link')",
    "by a directory's descriptor": "fd = os.open('{kept}', os.O_RDONLY); write('file', dir_fd=fd)",
    "by a descriptor of its own": "fd = os.open('{kept}/file', os.O_RDONLY); write(f'/proc/self/fd/{{fd}}')",
    "from another root": "child(lambda: os.chroot('{kept}'), lambda: write('/file'))",
    "by a hard link": "os.link('{kept}/file', '{free}/hard')",
    "a hard link into it": "os.link('{free}/file', '{kept}/hard')",
    "made": "os.close(os.open('{kept}/new', os.O_CREAT | os.O_WRONLY))",
    "made without being opened": "os.mknod('{kept}/new')",
    "a directory": "os.mkdir('{kept}/new')",
    "a symbolic link": "os.symlink('x', '{kept}/new')",
    "removed": "os.unlink('{kept}/file')",
    "a directory removed": "os.rmdir('{kept}/within')",
    "moved out": "os.rename('{kept}/file', '{free}/moved')",
    "moved in": "os.rename('{free}/file', '{kept}/moved')",
    "moved away whole": "os.rename('{kept}', '{free}/moved')",
    "moved away with what it is in": "os.rename('{above}', '{free}/moved')",
    "truncated": "os.truncate('{kept}/file', 0)",
    "its mode": "os.chmod('{kept}/file', 0o777)",
    "the directory's mode": "os.chmod('{kept}', 0o777)",
    "by another mount": "done(libc.mount(b'{kept}', b'{free}/below', None, 4096, None))",
    "in other namespaces": (
        "child(lambda: done(libc.unshare(0x20000)), lambda: done(libc.mount(b'{kept}', b'{free}', None, 4096, None)))"
    ),
    "by a mount that lies nowhere": _CLONE,
}
_LEFT_ALONE = (
    "open('{kept}/file').read()",
    "write('{free}/file')",
    "os.close(os.open('{free}/new', os.O_CREAT | os.O_WRONLY)); os.rename('{free}/new', '{free}/newer')",
    "os.mkdir('{free}/d'); os.rename('{free}/d', '{free}/e'); os.rmdir('{free}/e')",
    "os.unlink('{free}/newer')",
    "write('/dev/null')",
)


def _in(place: Path, line: str) -> str:
    return line.format(kept=place / "above/kept", above=place / "above", free=place / "free")


def test_files(place: Path, worker: Worker, outsider: Worker) -> None:
    policy = _policy(place, f'[write]\ndeny = ["{place}/above/kept/"]\n')
    with applied(policy) as run:
        for what, line in _BY_ANY_WAY.items():
            assert worker.does(_in(place, line)) == DENIED, what
        owner = worker.does(_in(place, "os.chown('{kept}/file', 1, 1)"))
        assert owner == ("done" if "does not show owners changed" in run.said else DENIED)
        for line in _LEFT_ALONE:
            assert worker.does(_in(place, line)) == "done", line
        assert outsider.does(_in(place, _BY_ANY_WAY["by its path"])) == "done"
        assert outsider.does(_in(place, _BY_ANY_WAY["made"])) == "done"
        told, said = run.end()
    assert {one["container_id"] for one in told} == {ID[:12]}
    assert all(one["denied"] and one["event"] in ("write", "mount") for one in told)
    assert {worker.pid} < {one["pid"] for one in told}
    objects = {one["object"] for one in told}
    assert {f"{place}/above/kept/file", f"{place}/above/kept/new", f"{place}/above", f"{place}/free/below"} <= objects
    assert f"{len(told):,} times something was not allowed" in said
    assert worker.does(_in(place, "write('{kept}/file'); os.unlink('{kept}/file')")) == "done"


def test_only_what_is_allowed_may_be_written(place: Path, worker: Worker) -> None:
    """Of what fits the longest counts."""
    text = f'[write]\nallow = ["{place}/free/"]\ndeny = ["{place}/free/below/"]\n'
    with applied(_policy(place, text)) as run:
        assert worker.does(_in(place, "write('{free}/file')")) == "done"
        assert worker.does(_in(place, "os.mkdir('{free}/below/x')")) == DENIED
        assert worker.does(_in(place, "write('{kept}/file')")) == DENIED
        assert worker.does("open('/etc/new', 'w')") == DENIED
        assert worker.does("fd = os.memfd_create('m'); write(f'/proc/self/fd/{fd}')") == "done"
        run.end()


def test_it_is_only_told(place: Path, worker: Worker) -> None:
    policy = _policy(place, f'[write]\ndeny = ["{place}/above/kept/"]\n')
    with applied(policy, "--action", "log") as run:
        assert worker.does(_in(place, "write('{kept}/file')")) == "done"
        told, _ = run.end()
    assert [(one["event"], one["denied"]) for one in told] == [("write", False)]


def test_who_is_put_in_is_held_from_its_first_program_on(place: Path, inside: Path) -> None:
    """The runtime has more to do than its container."""
    policy = _policy(place, f'[write]\ndeny = ["{place}/above/kept/"]\n')
    with applied(policy) as run:
        made = Worker(inside)  # a shell that is put in, opens nothing, and runs a program
        try:
            assert made.does(_in(place, "write('{kept}/file')")) == DENIED
        finally:
            made.end()
        kept = f"{place}/above/kept"
        script = f"echo ready; read line; echo x > {kept}/entered; true; exec sh -c 'echo x > {kept}/held'"
        pipe = subprocess.PIPE
        shell = subprocess.Popen(["sh", "-c", script], stdin=pipe, stdout=pipe, stderr=pipe)
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"ready\n"  # Popen() returns in the middle of execve(2)
        (inside / "cgroup.procs").write_text(str(shell.pid))
        shell.communicate(b"\n")
        assert (place / "above/kept/entered").exists()
        assert not (place / "above/kept/held").exists()
        told, _ = run.end()
    assert [one["object"] for one in told] == [f"{place}/above/kept/file", f"{place}/above/kept/held"]


def test_a_daemon_holds_who_starts_later(place: Path) -> None:
    """And tells of it; when it ends all is as before."""
    daemons.write_config(place)
    policy = _policy(place, f'[write]\ndeny = ["{place}/above/kept/"]\n')
    options = ("-c", ID[:12], "--seccomp", policy, "--via", "lsm", "--log", place / "log")
    with daemons.running(place, *options, patience_s=PATIENCE_S) as daemon:
        daemon.said(f"lsm: waiting for container {ID[:12]}")
        with container() as inside:
            daemon.said(f"lsm: {ID[:12]} is held to the policy now", PATIENCE_S)
            made = Worker(inside)
            try:
                assert made.does(_in(place, "write('{kept}/file')")) == DENIED
                daemon.said(f"lsm: denied: write {place}/above/kept/file, ", PATIENCE_S)
                assert daemon.stop(patience_s=PATIENCE_S) == 0
                assert "1 times something was not allowed" in daemon.stderr
                (alert,) = daemon.alerts
                assert (alert["rule"], alert["level"], alert["pid"]) == ("Policy", "warning", made.pid)
                assert alert["message"].startswith(f"denied: write of {place}/above/kept/file by ")
                assert made.does(_in(place, "write('{kept}/file')")) == "done"
            finally:
                made.end()


def test_programs(place: Path, worker: Worker, outsider: Worker) -> None:
    """By name; also through a link and by the dynamic linker."""
    program, linker = place / "above/kept/program", Path("/lib64/ld-linux-x86-64.so.2")
    shutil.copy("/usr/bin/env", program)
    (place / "free/alias").symlink_to(program)
    ways = {
        "by its path": f"subprocess.run(['{program}'], check=True, stdout=subprocess.DEVNULL)",
        "by a link": f"subprocess.run(['{place}/free/alias'], check=True, stdout=subprocess.DEVNULL)",
    }
    by_linker = f"subprocess.run(['{linker}', '{program}'], check=True, stdout=subprocess.DEVNULL)"
    with applied(_policy(place, f'[exec]\ndeny = ["{program}"]\n')) as run:
        for what, line in ways.items():
            assert worker.does(line) == DENIED, what
            assert outsider.does(line) == "done", what
        assert "CalledProcessError" in worker.does(by_linker)
        assert worker.does("subprocess.run(['true'], check=True)") == "done"
        told, _ = run.end()
    assert {one["object"] for one in told} == {str(program)}
    assert {one["event"] for one in told} == {"exec", "map"}
    for line in (*ways.values(), by_linker):
        assert worker.does(line) == "done"


def test_only_those_programs(place: Path, worker: Worker) -> None:
    """Not those in memory, unless that is said."""
    in_memory = (
        "fd = os.memfd_create('m'); os.write(fd, open('/bin/true', 'rb').read());"
        " subprocess.run([f'/proc/{os.getpid()}/fd/{fd}'], check=True)"
    )
    allowed = '"/usr/bin/true", "/bin/true"'
    with applied(_policy(place, f"[exec]\nallow = [{allowed}]\n")) as run:
        assert worker.does("subprocess.run(['true'], check=True)") == "done"
        assert worker.does("subprocess.run(['env'], check=True)") == DENIED
        assert worker.does(in_memory) == DENIED
        told, _ = run.end()
    assert {one["object"].rpartition("/")[2] for one in told} == {"env", "memfd:m"}
    with applied(_policy(place, f'[exec]\nallow = [{allowed}, "memfd:"]\n')) as run:
        assert worker.does(in_memory) == "done"
        run.end()


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody listens there."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        yield number


def test_connections(place: Path, worker: Worker, outsider: Worker, port: int) -> None:
    """TCP and UDP, by IPv4, as IPv6 maps it, and with an address of no family."""
    ways = (
        f"socket.create_connection(('127.0.0.1', {port})).close()",
        f"socket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', {port}))",
        f"socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
        f"socket.socket(type=socket.SOCK_DGRAM).connect(('127.0.0.1', {port}))",
        f"send_unspec({port})",
    )
    other = "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
    pair = "a, b = socket.socketpair(); a.send(b'x')"
    with applied(_policy(place, f'[connect]\ndeny = ["127.0.0.0/8:{port}"]\n')) as run:
        for line in ways:
            assert worker.does(line) == DENIED, line
            assert outsider.does(line) == "done", line
        assert worker.does(other) == "done"
        told, _ = run.end()
    assert [(one["event"], one["object"]) for one in told] == [("connect", f"127.0.0.1:{port}")] * len(ways)
    with applied(_policy(place, f'[connect]\nallow = ["127.0.0.1:{port}"]\n')) as run:
        assert worker.does(ways[0]) == "done"
        assert worker.does(pair) == "done"
        assert worker.does(other) == DENIED
        run.end()


def test_sockets_and_capabilities(place: Path, worker: Worker, outsider: Worker) -> None:
    text = '[sockets]\nallow = ["unix", "inet"]\n[capabilities]\ndeny = ["chown", "CAP_SYS_CHROOT"]\n'
    lines = {
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()": ("socket", "netlink"),
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()": ("socket", "packet"),
        f"os.chown('{place}/free/file', 1, 1)": ("capability", "CAP_CHOWN"),
        "child(lambda: os.chroot('/'))": ("capability", "CAP_SYS_CHROOT"),
    }
    with applied(_policy(place, text)) as run:
        for line in lines:
            assert worker.does(line) == DENIED, line
            assert outsider.does(line) == "done", line
        assert worker.does("socket.socket().close(); socket.socket(socket.AF_UNIX).close()") == "done"
        told, _ = run.end()
    assert [(one["event"], one["object"]) for one in told] == list(lines.values())
    for line in lines:
        assert worker.does(line) == "done", line


def test_doctor_says_so() -> None:
    done = subprocess.run(
        [*EUNOMIA, "doctor", "--fmt", "json"], capture_output=True, text=True, check=False, env=environment()
    )
    (found,) = (one for one in map(json.loads, done.stdout.splitlines()) if one["subject"] == "BPF LSM")
    assert found["state"] == "ok", found
    assert os.geteuid() == 0
