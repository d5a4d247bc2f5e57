"""The image that actions run in: the host's static busybox, labtool, and files of the kind that attackers look for."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from eunomia.lab.labtool import LabError

IMAGE = "eunomia-lab"
_DIRECTORIES = (
    *(
        "dev",
        "etc",
        "etc/cron.d",
        "etc/profile.d",
        "etc/ssh",
        "etc/sudoers.d",
        "home/user",
        "lib",
        "mnt",
        "opt",
        "proc",
    ),
    *(
        "opt/fs/selinux",
        "root",
        "root/.aws",
        "root/.docker",
        "root/.kube",
        "root/.ssh",
        "run/secrets/kubernetes.io/serviceaccount",
        "tmp",
        "usr/bin",
        "usr/sbin",
    ),
    *("var/log", "var/www"),
)
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n",
    "etc/group": "root:x:0:\nuser:x:1000:\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\n",
    "etc/gshadow": "root:*::\n",
    "etc/sudoers": "root ALL=(ALL) ALL\n",
    "etc/crontab": "# nothing to do\n",
    "etc/profile": "# nothing to do\n",
    "etc/ssh/ssh_host_ed25519_key": "not a key\n",
    "opt/fs/selinux/enforce": "1\n",
    "root/.docker/config.json": "{}\n",
    "root/.git-credentials": "\n",
    "root/.kube/config": "{}\n",
    "root/.netrc": "\n",
    "root/.ssh/id_ecdsa": "not a key\n",
    "root/.ssh/id_ed25519": "not a key\n",
    "root/.ssh/id_rsa": "not a key\n",
    "root/.ssh/authorized_keys": "\n",
    "root/.aws/credentials": "[default]\n",
    "root/.bashrc": "# nothing to do\n",
    "root/.bash_history": "true\n",
    "root/.profile": "# nothing to do\n",
    "run/secrets/kubernetes.io/serviceaccount/token": "not a token\n",
    "etc/ssh/sshd_config": "\n",
    "etc/nsswitch.conf": "hosts: files\n",
    "var/log/auth.log": "a line\n",
    "var/log/syslog": "a line\n",
    "var/log/wtmp": "",
}
_NAMES = (
    *("bin/labtool", "usr/bin/apt", "usr/bin/docker", "usr/bin/kubectl", "usr/bin/nmap", "usr/bin/redis-server"),
    "usr/sbin/nginx",
)
_SETUID_NAMES = ("usr/bin/helper", "usr/bin/sudo")
"""labtool goes under all these names: rules may judge by the path of an executable."""


def image_tar(labtool: Path) -> bytes:
    """The root file system, packed.

    Raises:
        LabError: there is no static busybox on this host.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in _DIRECTORIES:
            made = tarfile.TarInfo(name)
            made.type, made.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o700 if name == "root" else 0o755
            tar.addfile(made)
        for name, text in _FILES.items():
            _add(tar, name, text.encode(), 0o600 if "shadow" in name or "key" in name or "id_" in name else 0o644)
        for made, content in _programs(labtool):
            tar.addfile(made, io.BytesIO(content))
    return packed.getvalue()


def _programs(labtool: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    busybox = static_busybox()
    yield _file("bin/busybox", busybox.read_bytes(), 0o755)
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            yield link, b""
    for name in (*_NAMES, *_SETUID_NAMES):
        yield _file(name, labtool.read_bytes(), 0o4755 if name in _SETUID_NAMES else 0o755)


def _file(name: str, content: bytes, mode: int) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.size, made.mode = len(content), mode
    return made, content


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    made, content = _file(name, content, mode)
    tar.addfile(made, io.BytesIO(content))


def static_busybox() -> Path:
    """The host's.

    Raises:
        LabError: there is none, or it needs libraries.
    """
    found = shutil.which("busybox")
    # A dynamic program names its loader in its first page; that page of a static one has no such text.
    if found is None or b"/ld-" in Path(found).read_bytes()[:4096]:
        raise LabError("the laboratory's image is made of a static busybox; install busybox-static")
    return Path(found)
