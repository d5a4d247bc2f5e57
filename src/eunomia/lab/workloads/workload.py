"""Workloads, as data: a program, how it is started in a container, and a test of its own that has it do its work."""

from __future__ import annotations

import difflib
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from eunomia.errors import UsageError

_FILE = Path(__file__).with_name("workloads.yaml")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


@dataclass(frozen=True)
class Workload:
    """Something that runs in a container.

    Attributes:
        name: unique; letters, digits and hyphens, as it becomes part of the container's name.
        about: what it is and does, for a person.
        packages: Debian's that bring what it needs.
        needs: programs that have to be on this host, as names or as patterns of paths.
        machines: kinds that it runs on, as `platform.machine()` has them; empty: any.
        command: of the container's first process.
        port: TCP port that says it is ready; None of what ends by itself, whose exit code is the test.
        test: for `sh -eu` on the host, in the container's network; has the service do its work.
        options: of `docker run`.
        etc: patterns of what it reads below the host's /etc.
        code: exit code of the first process when all is well.
    """

    name: str
    about: str
    command: tuple[str, ...]
    packages: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    port: int | None = None
    test: str = ""
    options: tuple[str, ...] = ()
    etc: tuple[str, ...] = ()
    code: int = 0

    @property
    def missing(self) -> tuple[str, ...]:
        """What this host lacks of its needs."""
        programs = [one for one in self.needs if not (matching(one) if "/" in one else _program(one))]
        foreign = self.machines and platform.machine() not in self.machines
        return (*programs, *([f"{' or '.join(self.machines)} machine"] if foreign else []))

    @property
    def words(self) -> tuple[str, ...]:
        """The command with the whole path of its program, which is the same in the container as on the host."""
        program = self.command[0]
        return (program if "/" in program else _program(program) or program, *self.command[1:])


def matching(pattern: str) -> list[Path]:
    """The files of this host that a pattern, from the root on, stands for."""
    return sorted(Path("/").glob(pattern.removeprefix("/")))


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{_PATH}:{os.environ.get('PATH', '')}")


@cache
def workloads() -> tuple[Workload, ...]:
    """All of them, in the order of the file."""
    told: dict[str, dict[str, Any]] = yaml.safe_load(_FILE.read_text("utf-8"))
    return tuple(_workload(name, keys) for name, keys in told.items())


def _workload(name: str, keys: dict[str, Any]) -> Workload:
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in keys.items()}
    return Workload(name=name, **given)


def select(names: Sequence[str]) -> list[Workload]:
    """Those with these names; all when there is none.

    Raises:
        UsageError: there is no workload of that name.
    """
    known = {one.name: one for one in workloads()}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
            raise UsageError(f"there is no workload {name!r}; {hint}")
    return [one for one in known.values() if not names or one.name in names]
