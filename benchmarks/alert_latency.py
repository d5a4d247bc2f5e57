"""How long after an event its alert is written: at rest, and while much else happens."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

from benchmarks.measure import Row, until
from benchmarks.tools import EUNOMIA

_RULES = """
- rule: marked
  desc: a marked program is started
  on: process.exec
  condition: proc.args startswith eunomia-
  output: "%proc.args"
  level: alert
  rate: {alerts: 1000000, per: 1s}
- rule: never
  desc: what nobody opens
  on: files.open
  condition: fd.name = /no/such/file
  output: "%fd.name"
  level: alert
"""
_GAP_S = 0.04
_ALLOWED_S = 0.1  # what is promised for 99 of 100


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    events = 100 if quick else 1000
    for case, busy in (("at rest", False), ("while files are opened all the time", True)):
        with _daemon() as (out, process), _opening(when=busy):
            made = _provoke(events)
            until(lambda: len(_lines(out)) >= made, "the alerts")  # noqa: B023 (called at once)
            delays = sorted(_delays(out))
            process.terminate()
            process.wait()
        if len(delays) != made:
            raise RuntimeError(f"{made} events became {len(delays)} alerts")
        yield Row(f"{case}: median", 1000 * delays[made // 2], "ms")
        yield Row(f"{case}: 99 of 100", 1000 * delays[math.ceil(0.99 * made) - 1], "ms", at_most=1000 * _ALLOWED_S)
        yield Row(f"{case}: the longest", 1000 * delays[-1], "ms")


@contextmanager
def _daemon() -> Iterator[tuple[list[tuple[float, bytes]], subprocess.Popen[bytes]]]:
    """A daemon whose lines are taken note of with the time they came."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "rules.yaml").write_text(_RULES)
        settings = f'state_dir = "{place}/state"\nsocket = "{place}/socket"\nrules = "{place}/rules.yaml"'
        (place / "daemon.toml").write_text(f"[daemon]\ndefault_rules = false\n{settings}\n")
        command = (*EUNOMIA, "daemon", "--config", str(place / "daemon.toml"), "--fmt", "json")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            out: list[tuple[float, bytes]] = []
            reader = Thread(target=_read, args=(process, out))
            reader.start()
            try:
                until((place / "socket").exists, "the daemon")
                yield out, process
            finally:
                process.kill()
                reader.join()


def _read(process: subprocess.Popen[bytes], out: list[tuple[float, bytes]]) -> None:
    fd = process.stdout.fileno() if process.stdout else -1
    while data := os.read(fd, 1 << 20):
        out.append((time.time(), data))


def _lines(out: list[tuple[float, bytes]]) -> list[bytes]:
    return b"".join(data for _, data in out).splitlines()


def _delays(out: list[tuple[float, bytes]]) -> Iterator[float]:
    """From each event to when its line was whole."""
    begun = b""
    for at_s, data in list(out):
        *whole, begun = (begun + data).split(b"\n")
        for line in whole:
            yield at_s - datetime.fromisoformat(json.loads(line)["time"][:26] + "+00:00").timestamp()


def _provoke(events: int) -> int:
    """Starts marked programs, not in step with anything."""
    for number in range(events):
        subprocess.run(("/bin/true", f"eunomia-{number}"), check=True)
        time.sleep(_GAP_S * random.uniform(0.1, 1.9))  # noqa: S311 (nothing secret)
    return events


@contextmanager
def _opening(*, when: bool) -> Iterator[None]:
    """Some thousands of files are opened each second."""
    done = Event()

    def work() -> None:
        while not done.wait(0.005):
            for _ in range(20):
                os.close(os.open("/etc/hostname", os.O_RDONLY))

    thread = Thread(target=work)
    if when:
        thread.start()
    try:
        yield
    finally:
        done.set()
        if when:
            thread.join()
