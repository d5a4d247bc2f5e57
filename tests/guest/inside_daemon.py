"""The daemon with its default rules on the guest's kernel, by the ways that only guests have.

There is no container runtime: what a container is, its cgroup tells. Everything is tried for the sake of being seen;
what would change the machine is refused, or opened and closed again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy
from tests.daemon.running import running

PATIENCE_S = 200  # emulation is slow
ID = "0123456789abcdef" * 4
ROOT = Path(__file__).resolve().parents[2]

_HEAD = """
import ctypes, os, socket, sys
sys.stdin.readline()
sys.path.insert(0, sys.argv[1])
from tests.uring import *
os.chdir(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
def look(path, flags=os.O_RDONLY):
    os.close(os.open(path, flags))
def serve(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    return server
"""
ATTACKS = {
    "Password hashes read": ["look('/etc/shadow')", "Ring().ask(open_at('/etc/shadow'))"],
    "Core pattern written": [
        "look('/proc/sys/kernel/core_pattern', os.O_WRONLY)",
        "Ring().ask(open_at('/proc/sys/kernel/core_pattern', os.O_WRONLY))",
    ],
    "Module loader path written": [
        "look('/proc/sys/kernel/modprobe', os.O_WRONLY)",
        "os.chdir('/proc/sys/kernel'); look('modprobe', os.O_WRONLY)",
    ],
    "SysRq key pressed": ["look('/proc/sysrq-trigger', os.O_WRONLY)"],
    "Module loaded from a container": ["libc.syscall(175, None, 0, b'')"],
    "BPF program loaded": ["libc.syscall(321, 5, ctypes.create_string_buffer(64), 64)"],
    "User namespace made": ["assert libc.unshare(0x10000000) == 0"],
    "Runtime socket used": [
        """
server = serve("docker.sock")
os.symlink("docker.sock", "link")
socket.socket(socket.AF_UNIX).connect("link")
""",
        """
server = serve("docker.sock")
name = (1).to_bytes(2, sys.byteorder) + b"docker.sock" + bytes(1)
client = socket.socket(socket.AF_UNIX)
assert Ring().ask(Request(CONNECT, client.fileno(), len(name), name)) == [0]
""",
    ],
}
"""What is done, in one way or several; each by a process of its own."""
HARMLESS = ("look('/etc/passwd')", "Ring().ask(open_at('/etc/passwd'))", "server = serve('app.sock')")


@contextmanager
def container() -> Iterator[Path]:
    """The cgroup of a container, as Docker names it."""
    directory = Path(container_hierarchy(Roots()).mount, "docker", ID)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        directory.rmdir()


def do(program: str, inside: Path, folder: Path) -> None:
    """Runs a program in the container."""
    folder.mkdir()
    command = [sys.executable, "-c", _HEAD + program, str(ROOT), str(folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    (inside / "cgroup.procs").write_text(str(child.pid))
    child.communicate("\n")
    assert child.returncode == 0, program


def test_what_is_done_in_a_container_is_told(tmp_path: Path) -> None:
    (tmp_path / "daemon.toml").write_text(
        f'[daemon]\nstate_dir = "{tmp_path}/state"\nsocket = "{tmp_path}/status.sock"\nnode = "guest"\n'
    )
    with container() as inside, running(tmp_path, patience_s=PATIENCE_S) as daemon:
        for number, program in enumerate(HARMLESS):
            do(program, inside, tmp_path / f"harmless {number}")
        for rule, ways in ATTACKS.items():
            for number, program in enumerate(ways):
                before = len(daemon.rules())
                do(program, inside, tmp_path / f"{rule} {number}")
                daemon.until(lambda before=before, rule=rule: rule in daemon.rules()[before:], PATIENCE_S)
        assert set(_alerts(daemon.alerts)) <= set(ATTACKS)
        assert {alert["container_id"] for alert in daemon.alerts if alert["rule"] in ATTACKS} == {ID[:12]}
        assert daemon.stop(patience_s=PATIENCE_S) == 0


def _alerts(told: list[dict[str, Any]]) -> list[str]:
    return [alert["rule"] for alert in told if alert["level"] == "alert"]


def test_nothing_is_said_of_the_host(tmp_path: Path) -> None:
    """The same in no container is an administrator's daily work."""
    (tmp_path / "daemon.toml").write_text(
        f'[daemon]\nstate_dir = "{tmp_path}/state"\nsocket = "{tmp_path}/status.sock"\nnode = "guest"\n'
    )
    with running(tmp_path, patience_s=PATIENCE_S) as daemon:
        os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
        subprocess.run(["cat", "/etc/shadow"], check=True, stdout=subprocess.DEVNULL)
        assert daemon.stop(patience_s=PATIENCE_S) == 0
    assert _alerts(daemon.alerts) == []
