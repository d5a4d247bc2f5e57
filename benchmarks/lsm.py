"""What a policy in the kernel (`--via lsm`) costs: opening files, starting programs, connecting. In an emulated guest.

The guest's clock counts instructions, one a nanosecond: what a case takes is how many were executed for it, in the
program and in the kernel. That leaves out what memory and caches do; who else is at work on the host does not matter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import empty, loops, lsm_inside
from benchmarks.measure import Numbers, Row, with_bounds
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.respond.lsm import denier
from tests.guest.machine import run_in_guest

_KERNEL = "6.12"
_TIMEOUT_S = 1500


def _sections() -> list[str]:
    """Where the programs of a policy sit that speaks of all of it."""
    spec = ObjectSpec.read(object_file(Path(denier.__file__).parent, "lsm"))
    ways = (hook.ways[0] for hook in denier.hooks(lsm_inside.policy(1)))
    return [spec.programs[program] for way in ways for program in way]


def _measured(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Work -> case -> instructions."""
    with loops.compiled() as loop, TemporaryDirectory() as folder:
        programs = Path(folder, "empty.o")
        programs.write_bytes(empty.compiled(_sections()).data)
        done = run_in_guest(
            _KERNEL,
            ["python3", "-m", lsm_inside.__name__, str(rounds)],
            files={
                "opt/eunomia/benchmarks": Path(__file__).parent,
                lsm_inside.LOOPS.strip("/"): loop.file,
                lsm_inside.EMPTY.strip("/"): programs,
            },
            counts_instructions=True,
            timeout_s=_TIMEOUT_S,
        )
    if done.exit_code:
        raise RuntimeError(done.output)
    found: dict[str, dict[str, list[float]]] = json.loads(done.output.splitlines()[-1])
    return found


def _ratio(case: str) -> Callable[[Mapping[str, Numbers]], float]:
    return lambda rounds: float(np.median(rounds[case] / rounds["nothing"]))


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    for work, found in _measured(1 if quick else 3).items():
        for case, values in found.items():
            yield Row(f"{work}, {case}", float(np.median(values)), "instructions")
            if case != "nothing":
                value, low, high = with_bounds(_ratio(case), found)
                yield Row("  to nothing", value, "times", low=low, high=high)
