"""A daemon of the laboratory's own, as users run it, and the alerts that it writes."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from eunomia.lab.labtool import LabError
from eunomia.lab.seen import Seen

_START_S = 120.0
_STOP_S = 180.0
_QUIET_S = 5.0
_RESTLESS_S = 60.0
_FILES = 100


class Watching:
    """A daemon that runs: made by `watching`.

    Attributes:
        socket: where it tells how it goes.
    """

    def __init__(self, process: subprocess.Popen[bytes], socket: Path, alerts: Path, log: Path) -> None:
        self.socket = socket
        self._process = process
        self._alerts = alerts
        self._log = log

    @property
    def pid(self) -> int:
        """Of the daemon."""
        return self._process.pid

    def wait_until_ready(self, notifications: socket.socket) -> None:
        """Returns when it says READY=1, as services do."""
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if select.select([notifications], [], [], 0.1)[0] and b"READY=1" in notifications.recv(4096).split(b"\n"):
                return
            self._goes_on()
        raise LabError(f"eunomia daemon was not ready after {_START_S:g} seconds: {self._said()}")

    def alerts(self) -> list[Seen]:
        """What it has said so far.

        Raises:
            LabError: it has ended.
        """
        self._goes_on()
        return list(read_alerts(self._alerts.read_bytes().splitlines(keepends=True)))

    def stop(self) -> list[Seen]:
        """Ends it, which has it deliver what it holds; gives all its alerts.

        Raises:
            LabError: it failed, or had ended by itself.
        """
        self._goes_on()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"eunomia daemon did not end within {_STOP_S:g} seconds: {self._said()}") from error
        if code:
            raise LabError(f"eunomia daemon ended with exit code {code}: {self._said()}")
        return list(read_alerts(self._alerts.read_bytes().splitlines(keepends=True)))

    def _goes_on(self) -> None:
        if self._process.poll() is not None:
            raise LabError(f"eunomia daemon ended with exit code {self._process.returncode}: {self._said()}")

    def _said(self) -> str:
        return self._log.read_text(errors="replace").strip()[-2000:]


def read_alerts(lines: Iterable[bytes]) -> Iterator[Seen]:
    """Alerts from lines of JSON; one that is still being written is none yet.

    Raises:
        LabError: they are none.
    """
    for line in lines:
        if not line.endswith(b"\n"):
            continue
        try:
            alert = json.loads(line)
            name, container_id = (alert.get(f"container_{key}") or "" for key in ("name", "id"))
            yield Seen(name, alert["rule"], alert["level"], alert["message"], alert["count"], container_id)
        except (ValueError, KeyError, AttributeError) as error:
            raise LabError(f"this is no alert of eunomia: {line[:80]!r}") from error


class Installed:
    """A daemon that runs already, by the file of alerts that it writes: only those count that come from now on.

    Args:
        patience_s: how long to wait at the end for alerts to cease, in seconds.

    Attributes:
        restless: whether alerts still came when there was no more waiting for them.

    Raises:
        LabError: the file cannot be read.
    """

    def __init__(self, file: Path, patience_s: float = _RESTLESS_S) -> None:
        self.restless = False
        self._patience_s = patience_s
        self._file = file
        try:
            self._opened = file.open("rb")
        except OSError as error:
            raise LabError(f"cannot read {file}: {error.strerror}") from error
        self._begin = self._opened.seek(0, os.SEEK_END)

    def alerts(self) -> list[Seen]:
        """What has come so far.

        Raises:
            LabError: there is something else in the file.
        """
        self._opened.seek(self._begin)
        lines = [*self._opened, *(line for path in self._newer() for line in path.read_bytes().splitlines(True))]
        return list(read_alerts(lines))

    def stop(self) -> list[Seen]:
        """Waits until no more alerts come, but not for ever; gives them all. The daemon goes on.

        Raises:
            LabError: there is something else in the file.
        """
        size, now = -1, time.monotonic()
        quiet_s, end_s = now + _QUIET_S, now + self._patience_s
        with self._opened:
            while not self.restless and time.monotonic() < quiet_s:
                if size != (size := self._size()):
                    quiet_s = time.monotonic() + _QUIET_S
                self.restless = time.monotonic() > end_s
                time.sleep(0.1)
            return self.alerts()

    def _size(self) -> int:
        return os.fstat(self._opened.fileno()).st_size + sum(path.stat().st_size for path in self._newer())

    def _newer(self) -> list[Path]:
        """The files that the daemon has begun since, the oldest first: ours may be FILE.2 by now."""
        newer: list[Path] = []
        opened = os.fstat(self._opened.fileno())
        for path in (self._file, *(self._file.with_name(f"{self._file.name}.{number}") for number in range(1, _FILES))):
            try:
                if os.path.samestat(path.stat(), opened):
                    return newer
            except FileNotFoundError:  # between two renames there is none of that name
                continue
            newer.insert(0, path)
        raise LabError(
            f"{self._file} was renamed and removed meanwhile: give the daemon room for more (keep, max_bytes)"
        )


@contextmanager
def watching(docker_host: str | None, options: Sequence[str] = ()) -> Iterator[Watching]:
    """Runs a daemon with its state in a directory that is gone afterwards. Needs root.

    Args:
        options: more of `eunomia daemon`, such as `--rules FILE`.

    Raises:
        LabError: it does not start.
    """
    with TemporaryDirectory() as name, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        directory = Path(name)
        notifications.bind(str(directory / "notify"))
        variables = {
            "NOTIFY_SOCKET": str(directory / "notify"),
            **({"DOCKER_HOST": docker_host} if docker_host else {}),
        }
        config = directory / "lab.toml"
        config.write_text(f'[daemon]\nstate_dir = "{directory}/state"\nsocket = "{directory}/status.sock"\n', "utf-8")
        command = ["env", *(f"{key}={value}" for key, value in variables.items()), sys.executable, "-m", "eunomia"]
        command += ["daemon", "--fmt", "json", "--config", str(config), *options]
        alerts, log = directory / "alerts.jsonl", directory / "log"
        with alerts.open("wb") as stdout, log.open("wb") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        try:
            made = Watching(process, directory / "status.sock", alerts, log)
            made.wait_until_ready(notifications)
            yield made
        finally:
            process.kill()
            process.wait()
