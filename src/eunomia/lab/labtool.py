"""The program that makes single system calls by name: compiled where it is used, into one static file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from eunomia.errors import EunomiaError

SOURCES = Path(__file__).with_name("labtool")
_COMPILERS = ("cc", "gcc", "clang")
# Static, so that it runs in an empty image; at a fixed address below 4 GiB, so that 32-bit calls can be given pointers.
_FLAGS = ("-O2", "-Wall", "-static", "-fno-pie", "-s")
NO_LIBC = ("-nostdlib", "-ffreestanding", "-fno-stack-protector")
"""Flags of programs that bring all they call. Without the second, clang makes a loop that copies a call of memcpy."""


class LabError(EunomiaError):
    """The laboratory cannot do its work; the text says what it lacks."""


def compile_labtool(out: Path) -> Path:
    """Compiles it; gives `out`.

    Raises:
        LabError: no compiler, or what it says.
    """
    return compile_c(sorted(SOURCES.glob("*.c")), out)


def compile_c(sources: Sequence[Path], out: Path, *flags: str) -> Path:
    """Compiles a static program; gives `out`.

    Raises:
        LabError: no compiler, or what it says.
    """
    compiler = next((found for name in _COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise LabError("the laboratory compiles small C programs and finds no compiler; install gcc and libc6-dev")
    return run_compiler([compiler, *_FLAGS, *flags, "-o", str(out), *map(str, sources)], out)


def run_compiler(command: Sequence[str], out: Path) -> Path:
    """Runs one; gives `out`.

    Raises:
        LabError: what it says.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{command[0]} does not make {out.name}:\n{done.stderr.strip()}")
    return out
