"""Which kernels guests run, and where Debian keeps them.

Debian's cloud kernels hold all that a guest needs (serial ports, initramfs, ext4, BPF with BTF) without a module.
"""

import lzma
import shutil
from functools import partial
from pathlib import Path

from tests.guest import architectures
from tests.guest.architectures import Architecture
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
"""Those of x86-64, which most is tried on."""
ARM64 = "6.1-arm64"
_SOURCES[ARM64] = (
    r"linux-image-6\.1\.0-\d+-cloud-arm64",
    (Suite(_MAIN, "bookworm", "arm64"), Suite(_SECURITY, "bookworm-security", "arm64")),
)
_MODULES = ("kernel/fs/nls/nls_iso8859-1.ko", "kernel/fs/overlayfs/overlay.ko")
"""None needs another, and none does anything by itself."""


def architecture(kernel: str) -> Architecture:
    """What a kernel runs on."""
    return architectures.ARM64 if kernel == ARM64 else architectures.AMD64


def kernel_image(kernel: str, cache: Path) -> Path:
    """The compressed kernel of a series: the newest there was when it was first asked for."""
    if kernel not in _SOURCES:
        raise GuestError(f"there is no guest kernel {kernel!r}: take one of {', '.join(_SOURCES)}")
    folder = cached(cache, f"kernel-{kernel}", repr(_SOURCES[kernel]), partial(_build, kernel))
    return folder / "vmlinuz"


def kernel_module(kernel: str, name: str, cache: Path) -> Path:
    """A module that this very kernel takes, of the same package: nls_iso8859-1 or overlay."""
    package = (kernel_image(kernel, cache).parent / "package").read_text()
    folder = cached(cache, f"module-{kernel}", f"{package}{_MODULES}", partial(_build_modules, kernel, package))
    return folder / f"{name}.ko"


def _build(kernel: str, folder: Path) -> None:
    package = max(_packages(kernel), key=lambda package: package.order)
    tree = _extract(package, folder)
    (image,) = tree.glob("boot/vmlinuz-*")
    image.rename(folder / "vmlinuz")
    shutil.rmtree(tree)
    (folder / "package").write_text(_told(package))


def _build_modules(kernel: str, wanted: str, folder: Path) -> None:
    package = next((one for one in _packages(kernel) if _told(one) == wanted), None)
    if package is None:
        raise GuestError(f"no mirror has {wanted.strip()} any more: delete the folder kernel-{kernel}-* of the cache")
    tree = _extract(package, folder)
    for module in _MODULES:
        (found,) = tree.rglob(f"{module}*")
        content = found.read_bytes()
        (folder / Path(module).name).write_bytes(lzma.decompress(content) if found.suffix == ".xz" else content)
    shutil.rmtree(tree)


def _extract(package: Package, folder: Path) -> Path:
    need("dpkg-deb", "tar")
    deb, tree = folder / "kernel.deb", folder / "tree"
    download(package, deb)
    run("dpkg-deb", "--extract", deb, tree)
    deb.unlink()
    return tree


def _told(package: Package) -> str:
    return f"{package.name} {package.version}\n"


def _packages(kernel: str) -> list[Package]:
    pattern, suites = _SOURCES[kernel]
    found = [package for suite in suites for package in packages(suite, pattern)]
    if not found:
        raise GuestError(f"no mirror has a package {pattern} in {', '.join(suite.name for suite in suites)}")
    return found
