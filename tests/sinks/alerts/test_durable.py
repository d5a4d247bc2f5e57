"""What is there after the power was gone: a file system's image, copied while in use, is what the disk had then."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eunomia.sinks.alerts.delivery import SYNC_S, Delivery
from eunomia.sinks.alerts.destination import Destination, Unavailable
from eunomia.sinks.alerts.file import RotatingFile
from eunomia.sinks.sending.spool import Spool
from tests.sinks.alerts.samples import alert, numbered

pytestmark = pytest.mark.kernel


class Away(Destination):
    """A place that takes nothing."""

    def send(self, alerts: object) -> None:
        raise Unavailable("it is away")


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


class Disk:
    """A disk whose power can go.

    Attributes:
        path: where it is mounted.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._image = directory / "image"
        self.path = directory / "mounted"
        with self._image.open("wb") as file:
            file.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True)

    @contextmanager
    def in_use(self) -> Iterator[Path]:
        with mounted(self._image, self.path):
            subprocess.run(["sync", "-f", self.path], check=True)
            yield self.path

    @contextmanager
    def after_power_loss(self) -> Iterator[Path]:
        """What is left on it if the power goes now."""
        copy = self._directory / "copy"
        shutil.copyfile(self._image, copy)
        with mounted(copy, self._directory / "after") as after:
            yield after


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_what_was_not_synced_is_gone(disk: Disk) -> None:
    """That this is a test at all."""
    with disk.in_use() as path:
        spool = Spool(path / "s", 1 << 20)
        spool.append([b"line\n"])
        with disk.after_power_loss() as after:
            assert not list(after.glob("s/*.jsonl")) or Spool(after / "s", 1 << 20).pending == 0
        spool.sync()
        with disk.after_power_loss() as after:
            assert Spool(after / "s", 1 << 20).peek(2) == [b"line\n"]
        spool.close()


def test_an_alert_that_waits_survives(disk: Disk) -> None:
    with disk.in_use() as path:
        delivery = Delivery(Away(), path / "spool", 1 << 20)
        delivery.handle(numbered(0, 3))
        with disk.after_power_loss() as after:
            left = Spool(after / "spool", 1 << 20)
            assert [json.loads(line)["message"] for line in left.peek(10)] == ["0", "1", "2"]
        delivery.handle(numbered(3, 4))  # so soon after the last time that the disk is not waited for
        time.sleep(2 * SYNC_S)
        delivery.tick()
        with disk.after_power_loss() as after:
            assert Spool(after / "spool", 1 << 20).pending == 4
        delivery.close()


def test_an_alert_in_a_file_survives_and_so_does_a_rotation(disk: Disk) -> None:
    with disk.in_use() as path:
        file = RotatingFile(path / "alerts.json", 2000, 2)
        for number in range(10):
            file.send([alert(message=str(number))])
        time.sleep(2 * SYNC_S)
        file.remind()
        with disk.after_power_loss() as after:
            names = sorted(one.name for one in after.glob("alerts.json*"))
            kept = [line for name in reversed(names) for line in (after / name).read_text().splitlines()]
            assert [json.loads(line)["message"] for line in kept] == [
                str(number) for number in range(10 - len(kept), 10)
            ]
            assert names == ["alerts.json", "alerts.json.1", "alerts.json.2"]
        file.close()
