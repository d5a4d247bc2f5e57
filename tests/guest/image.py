"""The guests' root file system, as layers the kernel unpacks one over the other: Debian, Python packages, this project.

The first two are cached. None is compressed: under emulation, unpacking costs more than loading (measured to the end
of `import polars`: 7 s as they are, 10 s with gzip -1, 13 s with zstd -1).
"""

import os
import shutil
import sys
import tomllib
from functools import partial
from pathlib import Path

from tests.guest.architectures import AMD64, Architecture
from tests.guest.archive import Archive
from tests.guest.cache import cached
from tests.guest.debian import KEYRING, check_keyring, mirrors
from tests.guest.errors import GuestError
from tests.guest.programs import need, run

PROJECT = Path(__file__).parents[2]
_SUITE = "bookworm"
PYTHON = "3.11"  # the suite's
_PACKAGES = ("python3", "libbpf1", "iproute2", "procps", "util-linux", "busybox-static")
_UNUSED = (
    *("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man"),
    *("var/cache/apt", "var/lib/apt/lists", "var/log"),
)


def layers(cache: Path, kind: Architecture = AMD64) -> tuple[Path, Path]:
    """The two archives every guest starts from, built if need be."""
    native = cached(cache, "root", _sources(), _build_root)
    root, suffix = native, ""
    if kind != AMD64:
        suffix = f"-{kind.debian}"
        root = cached(cache, f"root{suffix}", _sources(), partial(_build_foreign_root, kind, native / "tree"))
    wanted = _requirements()
    recipe, build = f"{_sources()}{native.name}{wanted}", partial(_build_python, kind, native / "tree", wanted)
    return root / "root.cpio", cached(cache, f"python{suffix}", recipe, build) / "python.cpio"


def _sources() -> str:
    """The recipe is the code: whatever changes here, or in how archives are written, builds anew."""
    names = ("image.py", "architectures.py", "archive.py")
    return "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names)


def _build_root(folder: Path) -> None:
    tree = _debootstrap(AMD64, folder)
    _pack(tree, folder)


def _build_foreign_root(kind: Architecture, native: Path, folder: Path) -> None:
    """The same for a machine whose programs do not run here: packages are unpacked, none is configured."""
    tree = _debootstrap(kind, folder, "--foreign")
    need("dpkg-deb")
    for package in sorted(tree.glob("var/cache/apt/archives/*.deb")):
        run("dpkg-deb", "--extract", package, tree)
    for name in ("passwd", "group"):
        shutil.copy(tree / f"usr/share/base-passwd/{name}.master", tree / "etc" / name)
    library = f"usr/lib/python{PYTHON}"
    _compile(native, tree / library, f"/{library}")
    _pack(tree, folder)


def _debootstrap(kind: Architecture, folder: Path, *options: str) -> Path:
    need("debootstrap", "setpriv", "unshare", "nice")
    check_keyring()
    if os.geteuid() != 0:
        raise GuestError("the guests' root image is made by debootstrap, which needs root: run this once as root")
    tree = folder / "tree"
    # In namespaces of its own, so that neither its mounts nor its processes outlive an interrupted run.
    run(
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--kill-child", "nice", "debootstrap"),
        *(*options, "--variant=minbase", f"--arch={kind.debian}", f"--include={','.join(_PACKAGES)}"),
        *(f"--keyring={KEYRING}", _SUITE, tree, mirrors("Debian")[0]),
    )
    return tree


def _pack(tree: Path, folder: Path) -> None:
    for name in _UNUSED:
        shutil.rmtree(tree / name, ignore_errors=True)
    with (folder / "root.cpio").open("wb") as out, Archive(out) as archive:
        archive.add_path(tree, "")
        archive.add_console()


def _requirements() -> list[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], "pytest>=8.2"]


def _build_python(kind: Architecture, root: Path, wanted: list[str], folder: Path) -> None:
    """Installs for the guest's Python, whatever the host's, and compiles: emulation compiles slowly."""
    need("nice")
    tree = folder / "tree"
    platforms = [f"--platform={platform}" for platform in kind.platforms]
    run(
        *("nice", sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary=:all:"),
        *(f"--python-version={PYTHON}", "--implementation=cp", *platforms, f"--target={tree}", *wanted),
    )
    for tests in [path for path in tree.rglob("tests") if path.is_dir()]:
        shutil.rmtree(tests)
    _compile(root, tree, "/opt/python")
    with (folder / "python.cpio").open("wb") as out, Archive(out) as archive:
        archive.add_path(tree, "opt/python")
    shutil.rmtree(tree)


def _compile(root: Path, tree: Path, name: str) -> None:
    """By the host's kind of Python, of the same version: what it makes is the same on every machine."""
    libraries = [root / "lib/x86_64-linux-gnu", root / "usr/lib/x86_64-linux-gnu"]
    run(
        *("nice", root / "lib64/ld-linux-x86-64.so.2", "--library-path", ":".join(map(str, libraries))),
        *(root / f"usr/bin/python{PYTHON}", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash"),
        *("-s", tree, "-p", name, tree),
        env={"PYTHONHOME": str(root / "usr"), "PATH": os.environ["PATH"]},
    )
