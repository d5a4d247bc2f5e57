"""A container runtime for guests: Debian's package of runc, whose libraries the guests' root has."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.guest.cache import cached
from tests.guest.debian import Suite, download, packages
from tests.guest.errors import GuestError
from tests.guest.programs import need, run

_SUITE = "bookworm"  # the root's in image.py
_SUITES = (Suite("Debian", _SUITE), Suite("Debian-Security", f"{_SUITE}-security"))


def runc(cache: Path) -> Path:
    """The program: the newest there was when it was first asked for."""
    return cached(cache, "runc", repr(_SUITES), _build) / "runc"


def _build(folder: Path) -> None:
    need("dpkg-deb", "tar")
    found = [package for suite in _SUITES for package in packages(suite, "runc")]
    if not found:
        raise GuestError(f"no mirror has a package runc in {', '.join(suite.name for suite in _SUITES)}")
    deb, tree = folder / "runc.deb", folder / "tree"
    download(max(found, key=lambda package: package.order), deb)
    run("dpkg-deb", "--extract", deb, tree)
    (tree / "usr/sbin/runc").rename(folder / "runc")
    shutil.rmtree(tree)
    deb.unlink()
