"""Runs the host's programs that images are built with."""

import shutil
import subprocess
from pathlib import Path

from tests.guest.errors import GuestError

_PACKAGES = {
    "apt-get": "apt",
    "debootstrap": "debootstrap",
    "dpkg-deb": "dpkg",
    "gpgv": "gpgv",
    "nice": "coreutils",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "tar": "tar",
    "unshare": "util-linux",
}
_LAST_LINES = 20


def need(*programs: str) -> None:
    """Raises GuestError naming the packages to install when a program is missing."""
    missing = [_PACKAGES[program] for program in programs if shutil.which(program) is None]
    if missing:
        raise GuestError(f"guests need programs that this machine lacks: apt install {' '.join(missing)}")


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Runs a program to its end and returns its standard output; a failure shows the last of what it said."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=env, check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-_LAST_LINES:])
        raise GuestError(f"{command[0]} ended with code {done.returncode}:\n{said}")
    return done.stdout
