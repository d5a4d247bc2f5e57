"""What a workload's container consists of: the host's programs under /usr, and a directory of the laboratory's own."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from eunomia.lab.image import static_busybox
from eunomia.lab.labtool import NO_LIBC, LabError, compile_c, run_compiler
from eunomia.lab.workloads.workload import Workload, matching

PROGRAMS = Path(__file__).with_name("programs")
LAB = "/lab"
"""Where the directory is in containers."""
_DIRECTORIES = {"dev": 0o755, "etc": 0o755, "home/lab": 0o755, "lab": 0o755, "proc": 0o555, "root": 0o700, "run": 0o755}
_DIRECTORIES |= {"sys": 0o555, "tmp": 0o1777, "usr": 0o755, "var/lib": 0o755, "var/log": 0o755, "var/www": 0o755}
_LINKS = ("bin", "lib", "lib32", "lib64", "sbin")
_USERS = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1::/:/usr/sbin/nologin
www-data:x:33:33::/var/www:/usr/sbin/nologin
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
lab:x:1000:1000::/home/lab:/bin/sh
nobody:x:65534:65534::/:/bin/false
"""
_FILES = {
    "etc/passwd": _USERS,
    "etc/group": "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nlab:x:1000:\nnogroup:x:65534:\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\nlab:*:19000:0:99999:7:::\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


def image_tar() -> bytes:
    """The root file system, packed: directories, users, and links into /usr."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, mode in _DIRECTORIES.items():
            made = tarfile.TarInfo(name)
            made.type, made.mode = tarfile.DIRTYPE, mode
            tar.addfile(made)
        for name in _LINKS:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
        for name, text in _FILES.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode = len(text), 0o640 if "shadow" in name else 0o644
            tar.addfile(file, io.BytesIO(text.encode()))
    return packed.getvalue()


@contextmanager
def stage(chosen: list[Workload]) -> Iterator[Path]:
    """The directory that containers have as /lab, with all that these workloads need compiled.

    Raises:
        LabError: a compiler is missing, or what it says; a host whose programs are not all under /usr.
    """
    if not Path("/lib").is_symlink():
        raise LabError("workloads run on the host's /usr, and /lib of this host is not part of it")
    with TemporaryDirectory(prefix="eunomia-lab-") as name:
        directory = Path(name)
        shutil.copytree(PROGRAMS, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        directory.chmod(0o755)
        for program in ("gate", "probe"):
            compile_c([PROGRAMS / f"{program}.c"], directory / program, *NO_LIBC)
        for one in chosen:
            if one.name in _MAKERS:
                _MAKERS[one.name](directory)
        yield directory


def mounts(directory: Path, workload: Workload) -> list[str]:
    """Options of `docker run` for what a workload sees of the host."""
    etc = ("ld.so.cache", "alternatives", *workload.etc)
    shared = ["/usr", *(str(path) for pattern in etc for path in matching(f"/etc/{pattern}"))]
    bound = [(path, path) for path in shared] + [(str(directory), LAB)]
    return [word for source, target in bound for word in ("--volume", f"{source}:{target}:ro")]


def _threads32(directory: Path) -> None:
    # Pointers of 32-bit calls need a program at a fixed address; its threads' stacks are not given to them.
    compile_c([PROGRAMS / "threads32.c"], directory / "threads32", "-pthread")


def _rust(directory: Path) -> None:
    static = ("-C", "target-feature=+crt-static", "-C", "opt-level=2")
    run_compiler(["rustc", *static, "-o", str(directory / "rust"), str(PROGRAMS / "main.rs")], directory / "rust")


def _java(directory: Path) -> None:
    run_compiler(
        ["javac", "--release", "17", "-d", str(directory / "java"), str(PROGRAMS / "Server.java")], directory / "java"
    )


def _ssh(directory: Path) -> None:
    (directory / "ssh").mkdir()
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(directory / "ssh" / name)]
        subprocess.run(command, check=True)


def _busybox(directory: Path) -> None:
    shutil.copy(static_busybox(), directory / "busybox")


_MAKERS: Mapping[str, Callable[[Path], object]] = {
    "busybox": _busybox,
    "java": _java,
    "rust": _rust,
    "sshd": _ssh,
    "threads32": _threads32,
}
