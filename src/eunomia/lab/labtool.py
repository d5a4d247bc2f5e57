"""The program that makes single system calls by name: compiled where it is used, into one static file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from eunomia.errors import EunomiaError

SOURCES = Path(__file__).with_name("labtool")
_COMPILERS = ("cc", "gcc", "clang")
# Static, so that it runs in an empty image; at a fixed address below 4 GiB, so that 32-bit calls can be given pointers.
_FLAGS = ("-O2", "-Wall", "-static", "-fno-pie", "-s")


class LabError(EunomiaError):
    """The laboratory cannot do its work; the text says what it lacks."""


def compile_labtool(out: Path) -> Path:
    """Compiles it; gives `out`.

    Raises:
        LabError: no compiler, or what it says.
    """
    compiler = next((found for name in _COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise LabError("the laboratory compiles a small C program and finds no compiler; install gcc and libc6-dev")
    command = [compiler, *_FLAGS, "-o", str(out), *map(str, sorted(SOURCES.glob("*.c")))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{compiler} does not compile {SOURCES}:\n{done.stderr.strip()}")
    return out
