"""Containers that runc starts in a guest: busybox on an overlay, as with Docker, and a shell that does as told."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

OVERLAY = "opt/overlay.ko"
"""Where the guest has the module."""
_BIND, _MOVE, _RECURSIVE = 4096, 8192, 16384  # include/uapi/linux/mount.h
_SHELL = 'while read -r line; do eval "$line" 2>&1; echo "= $?"; done'
_CAPABILITIES = [f"CAP_{name}" for name in ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID", "SETPCAP")]


class Outcome(NamedTuple):
    """What became of a command."""

    code: int
    said: str


def prepare() -> None:
    """Makes the guest a machine on which containers can be started; to be called once."""
    subprocess.run(["busybox", "insmod", f"/{OVERLAY}"], check=True)
    _leave_initramfs()


def _leave_initramfs() -> None:
    """Puts another mount over the root, which pivot_root(2), and so runc, asks for: the first one cannot be moved."""
    here = Path.cwd()
    _mount(b"/", b"/mnt", _BIND | _RECURSIVE)
    os.chdir("/mnt")
    _mount(b".", b"/", _MOVE)
    os.chroot(".")
    os.chdir(here)


def _mount(source: bytes, target: bytes, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source, target, None, flags, None):
        raise OSError(ctypes.get_errno(), f"mount {source!r} on {target!r}")


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
        cgroup: its path; by default as Docker has it.
    """

    def __init__(self, bundle: Path, container_id: str, cgroup: str | None = None) -> None:
        self._id = container_id
        self._bundle = bundle
        self._shell: subprocess.Popen[str] | None = None
        subprocess.run(["runc", "spec"], cwd=bundle, check=True)
        file = bundle / "config.json"
        config: dict[str, Any] = json.loads(file.read_text())
        config["process"] |= {"terminal": False, "args": ["sh", "-c", _SHELL]}
        config["process"]["capabilities"] = dict.fromkeys(config["process"]["capabilities"], _CAPABILITIES)
        config["root"]["readonly"] = False
        config["linux"]["cgroupsPath"] = cgroup or f"/docker/{container_id}"
        config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] != "network"]
        file.write_text(json.dumps(config))

    def start(self) -> None:
        """Starts it, and waits until it does as it is told."""
        pipe = subprocess.PIPE
        self._shell = subprocess.Popen(
            ["runc", "run", "--bundle", self._bundle, self._id],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.does("true") == [(0, "")]

    def does(self, *lines: str) -> list[Outcome]:
        """What its first process, a shell that goes on running, makes of each line."""
        assert self._shell is not None
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write("".join(f"{line}\n" for line in lines))
        self._shell.stdin.flush()
        found = list(islice(_outcomes(self._shell.stdout), len(lines)))
        assert len(found) == len(lines)
        return found

    def execs(self, *lines: str) -> list[Outcome]:
        """The same by a shell that enters it."""
        return _ask(["runc", "exec", self._id], lines)

    def beside(self, *lines: str) -> list[Outcome]:
        """The same by one that has its namespaces, but not its cgroup."""
        return _ask(["nsenter", "-t", str(self.pid), "-m", "-p", "-i", "-u"], lines)

    @property
    def pid(self) -> int:
        """Of its first process."""
        said = subprocess.run(["runc", "state", self._id], stdout=subprocess.PIPE, check=True).stdout
        pid: int = json.loads(said)["pid"]
        return pid

    def end(self) -> None:
        """Ends it; it can be started again."""
        if self._shell is not None:
            self._shell.communicate()  # it has read all it is told
            self._shell = None
            subprocess.run(["runc", "delete", "--force", self._id], check=True)


def _ask(command: list[str], lines: tuple[str, ...]) -> list[Outcome]:
    done = subprocess.run(
        [*command, "/bin/sh", "-c", _SHELL],
        input="".join(f"{line}\n" for line in lines),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    found = list(_outcomes(done.stdout.splitlines(keepends=True)))
    assert len(found) == len(lines), done.stdout
    return found


def _outcomes(said: Iterable[str]) -> Iterator[Outcome]:
    before = ""
    for line in said:
        if line.startswith("= "):
            yield Outcome(int(line[2:]), before)
            before = ""
        else:
            before += line
    assert not before, f"the shell has ended: {before}"


@contextmanager
def running(bundle: Path, container_id: str, cgroup: str | None = None) -> Iterator[Container]:
    """A container with a root file system of its own."""
    lower, upper, work, root = (bundle / name for name in ("lower", "upper", "work", "rootfs"))
    make_root(lower)
    for one in (upper, work, root):
        one.mkdir()
    layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
    with ExitStack() as undo:
        subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", root], check=True)
        undo.callback(lambda: subprocess.run(["umount", root], check=True))
        made = Container(bundle, container_id, cgroup)
        undo.callback(made.end)
        made.start()
        yield made
