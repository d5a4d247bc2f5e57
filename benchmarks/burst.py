"""A burst of files opened to be written, which rules look at: how many a daemon with the default rules loses."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Row, until
from benchmarks.tools import EUNOMIA
from eunomia.daemon.status import ask

_WORKER = r"""
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	for (long left = atol(argv[2]); left; left--)
		close(open(argv[1], O_WRONLY | O_CREAT, 0600));
	return 0;
}
"""
_OPENS = (5_000, 20_000, 80_000)
_RINGS = (8, 32, 64)
_REST_S = 2.0


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    rounds = 1 if quick else 5
    with tempfile.TemporaryDirectory(prefix="eunomia-burst-") as name:
        folder = Path(name)
        worker = folder / "worker"
        subprocess.run(("clang", "-O2", "-x", "c", "-", "-o", str(worker)), input=_WORKER.encode(), check=True)
        for mib in _RINGS:
            with _daemon(folder, mib << 20) as socket:
                for opens in _OPENS:
                    lost = [_burst(worker, folder / "file", socket, opens) for _ in range(rounds)]
                    lost.sort()
                    yield Row(f"ring of {mib} MiB, {opens:,} opens: lost", 100 * lost[len(lost) // 2] / opens, "%")


def _burst(worker: Path, file: Path, socket: Path, opens: int) -> int:
    before = _lost(socket)
    subprocess.run((worker, file, str(opens)), check=True)
    time.sleep(_REST_S)
    until(lambda: all(one["depth"] == 0 for one in ask(socket)["queues"]), "the rules")
    return _lost(socket) - before


def _lost(socket: Path) -> int:
    files = next(one for one in ask(socket)["trackers"] if one["tracker"] == "files")
    return sum(files["lost"].values())


@contextmanager
def _daemon(folder: Path, ring_bytes: int) -> Iterator[Path]:
    socket = folder / f"socket-{ring_bytes}"
    config = folder / "daemon.toml"
    config.write_text(
        f'[daemon]\nstate_dir = "{folder}/state-{ring_bytes}"\nsocket = "{socket}"\nring_bytes = {ring_bytes}\n'
        'stdout = "none"\n'
    )
    command = (*EUNOMIA, "daemon", "--config", str(config))
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until(socket.exists, "the daemon")
            time.sleep(_REST_S)
            yield socket
        finally:
            process.terminate()
            process.wait()
