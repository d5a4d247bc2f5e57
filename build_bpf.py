"""Compiles the BPF programs: hatchling's build hook, and a command for development.

    python build_bpf.py [DIRECTORY...]     every *.bpf.c below (default: src/eunomia), next to its source

One object per program and architecture: what bpf_tracing.h reads of a function's registers is decided when compiling.
The wheel takes both and stays `py3-none-any`: BPF objects are data to Python, linked with nothing of the machine that
built them; and the half of the package that analyses records works where no kernel could load them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
PROGRAMS = ROOT / "src" / "eunomia"
HEADERS = PROGRAMS / "kernel" / "include"
ARCHITECTURES = ("x86", "arm64")
"""As libbpf's headers spell them: __TARGET_ARCH_x86, __TARGET_ARCH_arm64."""

FLAGS = (
    *("-g", "-O2", "-target", "bpf"),
    "-mcpu=v3",  # 32-bit jumps: kernel 5.1. v4 would ask for 6.6
    *("-fms-extensions", "-Wno-microsoft-anon-tag"),  # the event prefix is an unnamed member of every event
    *("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"),
    f"-I{HEADERS.relative_to(ROOT)}",
    "-fdebug-compilation-dir=.",  # BTF's line information names the sources: the same wherever it is built
)


class BuildError(Exception):
    """A program did not compile, or a tool for it is missing."""


def object_path(source: Path, arch: str) -> Path:
    """Where the object of a program goes: `NAME.bpf.c` -> `NAME.ARCH.bpf.o` beside it."""
    return source.with_name(f"{source.name.removesuffix('.bpf.c')}.{arch}.bpf.o")


def compile_object(source: Path, arch: str, out: Path) -> None:
    """Compiles one program for one architecture; `out` appears whole or not at all.

    Raises:
        BuildError: a tool or libbpf's headers are missing (it says which package), or the compiler's own words.
    """
    unfinished = out.absolute().with_name(f".{out.name}.{os.getpid()}")
    try:
        _run("clang", *FLAGS, f"-D__TARGET_ARCH_{arch}", "-c", os.path.relpath(source, ROOT), "-o", str(unfinished))
        # Takes DWARF away; BTF, which the loader needs, stays.
        _run("llvm-strip", "-g", str(unfinished))
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def compile_below(directory: Path) -> list[Path]:
    """Compiles what is out of date below a directory; gives every object, fresh ones too."""
    wanted = [
        (source, arch, object_path(source, arch))
        for source in sorted(directory.rglob("*.bpf.c"))
        for arch in ARCHITECTURES
    ]
    stale = [job for job in wanted if not _is_fresh(job[2], job[0])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (source, arch, _), _done in zip(stale, pool.map(lambda job: compile_object(*job), stale), strict=True):
            print(f"compiled {os.path.relpath(source)} for {arch}")
    return [out for _, _, out in wanted]


class BpfBuildHook(BuildHookInterface[Any]):
    """Compiles for wheels and editable installs; the sdist carries the sources."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel":
            objects = _or_exit([PROGRAMS])
            # Each by name, so that no object whose source is gone slips in.
            build_data["artifacts"] += [f"/{path.relative_to(ROOT).as_posix()}" for path in objects]


def _run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        package = {"clang": "clang", "llvm-strip": "llvm"}[command[0]]
        raise BuildError(f"{command[0]} is not installed (Debian, Ubuntu: apt-get install {package})")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    if "'bpf/" in done.stderr and "file not found" in done.stderr:
        raise BuildError("libbpf's headers are not installed (Debian, Ubuntu: apt-get install libbpf-dev)")
    raise BuildError(f"{command[0]} failed\n{done.stderr.rstrip()}")


def _is_fresh(out: Path, source: Path) -> bool:
    inputs = [source, *source.parent.glob("*.h"), *HEADERS.rglob("*.h"), Path(__file__)]
    return out.exists() and out.stat().st_mtime > max(path.stat().st_mtime for path in inputs)


def _or_exit(directories: Iterable[Path]) -> list[Path]:
    try:
        return [out for directory in directories for out in compile_below(directory)]
    except BuildError as error:
        # Not a traceback: the message is for whoever installs, also behind pip.
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    _or_exit([Path(name) for name in sys.argv[1:]] or [PROGRAMS])
