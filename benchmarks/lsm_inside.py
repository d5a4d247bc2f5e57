"""The part of `lsm` that runs in the guest: prints work -> case -> what a round took, one figure for each turn."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from string import ascii_lowercase

from benchmarks.loops import Loops
from eunomia.containers.inspection import container_hierarchy
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.roots import Roots
from eunomia.kernel.filter import KernelFilter, Kind
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.spec import ObjectSpec
from eunomia.privileges.policy import Listing, Policy
from eunomia.respond.lsm.denier import Denier

LOOPS, EMPTY = "/opt/loops", "/opt/empty.o"
"""Where the guest has the work, and the programs that do nothing."""
_OPENED = Path("/tmp/srv/web/data/file")  # noqa: S108 - the guest is nobody else's
_WORKS: dict[str, tuple[str, int, int, str]] = {
    "open for reading": ("read", 100, 20, str(_OPENED)),
    "open for writing": ("write", 100, 20, str(_OPENED)),
    "fork, exec and exit": ("spawn", 4, 10, LOOPS),
    "connect": ("connect", 100, 20, ""),
}
_ENTER = ("sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"')


def policy(entries: int) -> Policy:
    """One that denies what nobody asks for: so many of each, paths that lie beside those asked for and above them."""
    return Policy(
        exec=Listing(deny=tuple(_beside(Path(LOOPS), entries))),
        write=Listing(deny=tuple(_beside(_OPENED, entries))),
        connect=Listing(deny=tuple(f"192.0.2.{number}:443" for number in range(entries))),
    )


def _beside(path: Path, count: int) -> Iterator[str]:
    for number in range(count):
        above = path.parents[number % len(path.parents)]
        yield f"{above / ascii_lowercase[number % len(ascii_lowercase)]}{number}/"


@contextmanager
def _empty() -> Iterator[None]:
    spec = ObjectSpec.read(Path(EMPTY))
    with BpfObject(spec, list(spec.programs), Settings()) as programs:
        for name in spec.programs:
            programs.attach(name)
        yield


@contextmanager
def _sharing(held: Path) -> Iterator[Settings]:
    """The kernel's filter for one cgroup."""
    hierarchy = container_hierarchy(Roots())
    cgroup_id = Cgroups(hierarchy).id("/" + str(held.relative_to(hierarchy.mount)))
    made = KernelFilter(
        {Kind.CGROUP: [cgroup_id]},
        children=False,
        undecided=False,
        hierarchy_id=hierarchy.hierarchy_id,
        roots=Roots(),
    )
    try:
        yield Settings({**made.constants, "hierarchy_id": hierarchy.hierarchy_id}, made.shared_maps)
    finally:
        made.close()


def _measure(rounds: int, held: Path, free: Path) -> dict[str, dict[str, list[float]]]:
    with _sharing(held) as sharing:

        def under(entries: int) -> Callable[[], AbstractContextManager[object]]:
            return lambda: Denier(policy(entries), sharing, Roots())

        cases: dict[str, tuple[Callable[[], AbstractContextManager[object]], Path]] = {
            "nothing": (nullcontext, free),
            "empty programs": (_empty, free),
            "in another container": (under(100), free),
            "held, 1 entry": (under(1), held),
            "held, 100 entries": (under(100), held),
        }
        found: dict[str, dict[str, list[float]]] = {work: {case: [] for case in cases} for work in _WORKS}
        for _ in range(rounds):
            for case, (programs, inside) in cases.items():
                with programs():
                    for work, (what, times, batches, file) in _WORKS.items():
                        took = Loops(Path(LOOPS)).ns(what, times, batches, file, before=(*_ENTER, str(inside)))
                        found[work][case].append(took)
    return found


def main() -> int:
    """Measures as often as the argument says."""
    _OPENED.parent.mkdir(parents=True)
    _OPENED.write_text("x")
    mount = Path(container_hierarchy(Roots()).mount)
    held, free = mount / "held", mount / "free"
    held.mkdir()
    free.mkdir()
    print(json.dumps(_measure(int(sys.argv[1]), held, free)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
