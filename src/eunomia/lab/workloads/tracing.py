"""The reference: what strace, on the host, sees a container's first process and all its children call."""

from __future__ import annotations

import platform
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from eunomia.lab.labtool import LabError
from eunomia.privileges.usage import Call
from eunomia.schema.syscalls import ENTRIES, NUMBERS

_ATTACH_S = 180.0
_END_S = 180.0
_FLAGS = ("-f", "-n", "-a", "0", "-s", "0", "-e", "raw=all", "-e", "signal=none", "--quiet=exit")
_ARG_START = 48 - 3  # of /proc/PID/stat, whose fields begin with the third behind the name
_ABIS = ("native", "compat32", "x32")
_MODES = {"64": "native", "32": "compat32", "x32": "x32"}
_CALL = re.compile(r"(\d+) +\[ *(\d+)\] (\w+)\(")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>")
_UNFINISHED = "<unfinished ...>"
_TURNED_AWAY = (" = -1 EPERM ", " = -1 ENOSYS ")
_MODE = re.compile(r"(\d+) +.*Process PID=\d+ runs in (\w+)(?: bit)? mode")


@dataclass(frozen=True)
class Traced:
    """What was called.

    Attributes:
        calls: all of it.
        turned_away: those that were never answered with anything but EPERM or ENOSYS, as filters do.
    """

    calls: frozenset[Call]
    turned_away: frozenset[Call]


class Trace:
    """A run under strace: `attach` is what opens the gate.

    Args:
        directory: where what strace says is kept.
    """

    def __init__(self, directory: Path) -> None:
        self._out = directory / "trace"
        self._said = directory / "said"
        self._strace: subprocess.Popen[bytes] | None = None

    def attach(self, pid: int) -> None:
        """Attaches strace to a process that waits at the gate, and opens that.

        Raises:
            LabError: strace does not attach.
        """
        before = _stops(pid)
        command = ["strace", *_FLAGS, "-o", str(self._out), "-p", str(pid)]
        with self._said.open("wb") as said:
            self._strace = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        end = time.monotonic() + _ATTACH_S
        # Attached it has only asked for a stop; it has had it, and follows, once the process runs again after one.
        while "attached" not in (told := self._said.read_text(errors="replace")) or not _went_on(pid, before):
            if self._strace.poll() is not None or time.monotonic() > end:
                raise LabError(f"strace does not attach to process {pid}: {told.strip()}")
            time.sleep(0.01)
        open_gate(pid)

    def calls(self) -> Traced:
        """All that was called, once the container has ended.

        Raises:
            LabError: strace did not see the beginning.
        """
        if self._strace is not None:
            self._strace.wait(_END_S)
        with self._out.open(encoding="ascii", errors="replace") as lines:
            first = lines.readline()
            if "execve(" not in first:
                raise LabError(f"strace came too late: it saw {first.strip()!r} first")
            lines.seek(0)
            return read(lines)

    def close(self) -> None:
        """Ends strace."""
        if self._strace is not None:
            self._strace.kill()
            self._strace.wait()


@contextmanager
def tracing(directory: Path) -> Iterator[Trace]:
    """A trace that is over afterwards."""
    trace = Trace(directory)
    try:
        yield trace
    finally:
        trace.close()


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _stops(pid: int) -> int:
    """How often it gave the processor away of itself, which one at the gate does for a tracer alone."""
    return int(_status(pid)["voluntary_ctxt_switches"])


def _went_on(pid: int, before: int) -> bool:
    return _stops(pid) > before and _status(pid)["State"].startswith("R")


def open_gate(pid: int) -> None:
    """Has a process that waits at the gate go on: overwrites the first byte of its arguments."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    with Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as memory:
        memory.seek(int(fields[_ARG_START]))
        memory.write(b"-")


def read(lines: Iterable[str], machine: str = platform.machine()) -> Traced:
    """The calls of what `strace -f -n -o` wrote.

    Names tell a number's entry; those that are the same at all of them go by what strace last said of the process.
    """
    calls: set[Call] = set()
    answered: set[Call] = set()
    modes: dict[str, str] = {}
    pending: dict[str, Call] = {}
    for line in lines:
        if mode := _MODE.match(line):
            modes[mode[1]] = _MODES[mode[2]]
        elif found := _CALL.match(line):
            call = _call(int(found[2]), found[3], modes.get(found[1], "native"), machine)
            calls.add(call)
            if _UNFINISHED in line:
                pending[found[1]] = call
            elif not any(answer in line for answer in _TURNED_AWAY):
                answered.add(call)
        elif resumed := _RESUMED.match(line):
            call = pending.pop(resumed[1])
            if not any(answer in line for answer in _TURNED_AWAY):
                answered.add(call)
    return Traced(frozenset(calls), frozenset(calls - answered - set(pending.values())))


@cache
def _call(number: int, name: str, said: str, machine: str) -> Call:
    tables = dict(zip(_ABIS, ENTRIES[machine], strict=False))
    fitting = [abi for abi, table in tables.items() if NUMBERS.get(name, {}).get(table) == number]
    abi = said if said in fitting or not fitting else fitting[0]
    known = next((one for one, numbers in NUMBERS.items() if numbers.get(tables[abi]) == number), f"#{number}")
    return Call(known, abi)
