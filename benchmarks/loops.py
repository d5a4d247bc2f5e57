"""The compiled loops: work that is nothing but system calls, pinned to one processor."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_SOURCE = Path(__file__).with_name("loops.c")


class Loops:
    """The program, compiled.

    Args:
        file: where it is.

    Attributes:
        file: the same.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._cpu = max(os.sched_getaffinity(0))

    def ns(self, what: str, rounds: int, batches: int, *file: str, before: Sequence[str] = ()) -> float:
        """Nanoseconds of a round, the mean of the quicker half of the batches: the others were interrupted.

        Args:
            what: the work.
            rounds: in each batch.
            batches: how many.
            file: what it works on.
            before: a command that runs it.
        """
        command = (*before, "taskset", "-c", str(self._cpu), str(self.file), what, str(rounds), str(batches), *file)
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        times = sorted(float(line) for line in done.stdout.split())
        return statistics.fmean(times[: max(1, len(times) // 2)])


@contextmanager
def compiled() -> Iterator[Loops]:
    """Compiles the loops for as long as they are needed."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "loops"
        subprocess.run(("clang", "-O2", "-static", str(_SOURCE), "-o", str(file)), check=True)
        yield Loops(file)
