"""Which kernels guests run, and where Debian keeps them.

Debian's cloud kernels hold all that a guest needs (serial ports, initramfs, ext4, BPF with BTF) without a module.
"""

import shutil
from functools import partial
from pathlib import Path

from tests.guest.cache import cached
from tests.guest.debian import Package, Suite, download, packages
from tests.guest.errors import GuestError
from tests.guest.programs import need, run

_MAIN, _SECURITY = "Debian", "Debian-Security"
_SOURCES: dict[str, tuple[str, tuple[Suite, ...]]] = {
    "5.10": (
        r"linux-image-5\.10\.0-\d+-cloud-amd64",
        (Suite(_MAIN, "bullseye"), Suite(_SECURITY, "bullseye-security")),
    ),
    "6.1": (
        r"linux-image-6\.1\.0-\d+-cloud-amd64",
        (Suite(_MAIN, "bookworm"), Suite(_SECURITY, "bookworm-security")),
    ),
    "6.12": (
        r"linux-image-6\.12\.[\d.]+\+deb12[\d.]*-cloud-amd64",
        (Suite(_MAIN, "bookworm-backports"), Suite(_SECURITY, "bookworm-security")),
    ),
}
KERNELS = tuple(_SOURCES)


def kernel_image(kernel: str, cache: Path) -> Path:
    """The compressed kernel of a series: the newest there was when it was first asked for."""
    if kernel not in _SOURCES:
        raise GuestError(f"there is no guest kernel {kernel!r}: take one of {', '.join(KERNELS)}")
    folder = cached(cache, f"kernel-{kernel}", repr(_SOURCES[kernel]), partial(_build, kernel))
    return folder / "vmlinuz"


def _build(kernel: str, folder: Path) -> None:
    need("dpkg-deb", "tar")
    package = _newest(kernel)
    deb, tree = folder / "kernel.deb", folder / "tree"
    download(package, deb)
    run("dpkg-deb", "--extract", deb, tree)
    (image,) = tree.glob("boot/vmlinuz-*")
    image.rename(folder / "vmlinuz")
    shutil.rmtree(tree)
    deb.unlink()
    (folder / "package").write_text(f"{package.name} {package.version}\n")


def _newest(kernel: str) -> Package:
    pattern, suites = _SOURCES[kernel]
    found = [package for suite in suites for package in packages(suite, pattern)]
    if not found:
        raise GuestError(f"no mirror has a package {pattern} in {', '.join(suite.name for suite in suites)}")
    return max(found, key=lambda package: package.order)
