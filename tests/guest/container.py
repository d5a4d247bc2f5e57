"""Containers that runc starts in a guest: a root file system of busybox, and a shell that does what it is told."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_BIND, _MOVE, _RECURSIVE = 4096, 8192, 16384  # include/uapi/linux/mount.h
_SHELL = 'while read -r line; do eval "$line" 2>&1; echo "= $?"; done'
_CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP"]


def leave_initramfs() -> None:
    """Puts another mount over the root, which pivot_root(2), and so runc, asks for: the first one cannot be moved."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source: bytes, target: bytes, flags: int) -> None:
        if libc.mount(source, target, None, flags, None):
            raise OSError(ctypes.get_errno(), f"mount {source!r} on {target!r}")

    mount(b"/", b"/mnt", _BIND | _RECURSIVE)
    here = Path.cwd()
    os.chdir("/mnt")
    mount(b".", b"/", _MOVE)
    os.chroot(".")
    os.chdir(here)


def make_root(place: Path) -> None:
    """busybox with its names, a directory and a program of its own to be denied, and some more to be let be."""
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "opt", "kept", "free"):
        (place / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", place / "bin/busybox")
    subprocess.run(["chroot", place, "/bin/busybox", "--install", "-s", "/bin"], check=True)
    shutil.copy("/bin/busybox", place / "opt/date")
    for name in ("kept", "free"):
        (place / name / "file").write_text("x")


class Container:
    """A container.

    Args:
        bundle: a directory that has its root file system as `rootfs`.
        container_id: 64 hexadecimal digits, as runtimes make them.

    Attributes:
        id: the same.
    """

    def __init__(self, bundle: Path, container_id: str) -> None:
        self.id = container_id
        self._bundle = bundle
        self._shell: subprocess.Popen[str] | None = None
        (bundle / "config.json").write_text(json.dumps(self._config()))

    def _config(self) -> dict[str, Any]:
        done = subprocess.run(["runc", "spec"], cwd=self._bundle, check=True)
        assert done.returncode == 0
        file = self._bundle / "config.json"
        config: dict[str, Any] = json.loads(file.read_text())
        config["process"] |= {"terminal": False, "args": ["sh", "-c", _SHELL]}
        config["process"]["capabilities"] = dict.fromkeys(config["process"]["capabilities"], _CAPABILITIES)
        config["root"]["readonly"] = False
        config["linux"]["cgroupsPath"] = f"/docker/{self.id}"
        config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] != "network"]
        return config

    def start(self) -> None:
        """Starts it, and waits until it does what it is told."""
        self._shell = subprocess.Popen(
            ["runc", "run", "--bundle", self._bundle, self.id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.does("true") == (0, "")

    def does(self, line: str) -> tuple[int, str]:
        """What the shell, which goes on running, makes of a line: exit code and output."""
        assert self._shell and self._shell.stdin and self._shell.stdout
        self._shell.stdin.write(f"{line}\n")
        self._shell.stdin.flush()
        said = []
        for answer in self._shell.stdout:
            if answer.startswith("= "):
                return int(answer[2:]), "".join(said)
            said.append(answer)
        raise AssertionError(f"{self.id[:12]} ended: {''.join(said)}")

    def execs(self, line: str) -> tuple[int, str]:
        """The same by a shell that enters it (`runc exec`)."""
        return _outcome(["runc", "exec", self.id, "sh", "-c", line])

    def beside(self, line: str) -> tuple[int, str]:
        """The same by one that has all its namespaces, but not its cgroup."""
        return _outcome(["nsenter", "-t", str(self.pid), "-m", "-p", "-i", "-u", "/bin/sh", "-c", line])

    @property
    def pid(self) -> int:
        """Of its first process."""
        said = subprocess.run(["runc", "state", self.id], capture_output=True, check=True).stdout
        pid: int = json.loads(said)["pid"]
        return pid

    def end(self) -> None:
        """Ends it; it can be started again."""
        if self._shell is not None:
            self._shell.communicate()  # nothing more to do
            self._shell = None
            subprocess.run(["runc", "delete", "--force", self.id], check=True)


def _outcome(command: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


@contextmanager
def running(bundle: Path, container_id: str) -> Iterator[Container]:
    """A container with a root file system of its own."""
    make_root(bundle / "rootfs")
    made = Container(bundle, container_id)
    made.start()
    try:
        yield made
    finally:
        made.end()
