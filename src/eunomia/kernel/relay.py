"""Programs of several objects on one hook, run one after the other: RELAY in eunomia.bpf.h.

The kernel enters only the first of them, and each jumps to the next. What this saves is told in docs/performance.md.
"""

from __future__ import annotations

from eunomia.errors import EunomiaError
from eunomia.kernel import maps
from eunomia.kernel.object import BpfObject

_KEY = bytes(4)


class Relay:
    """The rows of programs of one run. One thread at a time."""

    def __init__(self) -> None:
        self._rows: list[list[tuple[BpfObject, str]]] = []
        self._last: dict[str, list[tuple[BpfObject, str]]] = {}

    def attach(self, loaded: BpfObject, program: str) -> None:
        """Attaches a program, or has the last one of its hook jump to it.

        Raises:
            LoadError: the kernel refused.
        """
        if _next_of(program) not in loaded.spec.maps:
            loaded.attach(program)
            return
        section = loaded.spec.programs[program]
        row = self._last.get(section)
        if not row or not _link(row[-1], (loaded, program)):
            loaded.attach(program)
            row = self._last[section] = []
            self._rows.append(row)
        row.append((loaded, program))

    def leave(self, loaded: BpfObject) -> None:
        """Detaches an object; programs behind its own stay where they are."""
        loaded.detach()  # first, so that nobody is entered twice
        for row in self._rows:
            for place in reversed(range(len(row))):
                if row[place][0] is loaded:
                    _take_out(row, place)


def _next_of(program: str) -> str:
    return f"{program}_next"


def _link(before: tuple[BpfObject, str], after: tuple[BpfObject, str]) -> bool:
    """Has one program jump to another; says whether the kernel lets it."""
    (loaded, program), (target, target_program) = before, after
    fd = target.program_fd(target_program)
    try:
        maps.update(loaded.map_fd(_next_of(program)), _KEY, fd.to_bytes(4, "little"))
    except EunomiaError:  # of another kind than what the kernel lets it jump to: then it is entered by itself
        return False
    return True


def _take_out(row: list[tuple[BpfObject, str]], place: int) -> None:
    before, behind = row[:place], row[place + 1 :]
    del row[place]
    if before and behind:
        _link(before[-1], behind[0])
    elif before:
        loaded, program = before[-1]
        maps.delete(loaded.map_fd(_next_of(program)), _KEY)
    elif behind:
        behind[0][0].attach(behind[0][1])
