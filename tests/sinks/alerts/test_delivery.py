"""Alerts on their way, where there is no room for them to wait."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from eunomia.sinks.alerts.delivery import Delivery
from eunomia.sinks.alerts.destination import Destination, Refused, Unavailable
from eunomia.sinks.alerts.encoding import Alert
from tests.sinks.alerts.samples import batch, numbered


class Place(Destination):
    """Takes alerts, or does not."""

    at_once = 2

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.away = self.refuses = False

    def send(self, alerts: Sequence[Alert]) -> None:
        if self.away:
            raise Unavailable("it is away")
        if self.refuses:
            raise Refused("it refuses them")
        self.taken += [alert["message"] for alert in alerts]


def fill(disk: Path) -> Path:
    rest = os.statvfs(disk)
    (disk / "big").write_bytes(b"x" * (rest.f_bavail * rest.f_bsize))
    return disk / "big"


def test_a_full_disk_keeps_no_alert_from_a_place_that_is_there(small_disk: Path) -> None:
    place = Place()
    delivery = Delivery(place, small_disk / "spool", 1 << 20)
    big = fill(small_disk)
    delivery.handle(numbered(0, 5))
    assert place.taken == ["0", "1", "2", "3", "4"]
    assert (delivery.counts.delivered, delivery.counts.dropped) == (5, {})
    assert delivery.counts.error == "alerts cannot wait on disk: No space left on device"
    big.unlink()
    delivery.handle(numbered(5, 6))
    assert place.taken[5:] == ["5"]
    assert delivery.counts.error == ""
    delivery.close()


def test_what_can_neither_wait_nor_go_is_counted(small_disk: Path) -> None:
    place = Place()
    delivery = Delivery(place, small_disk / "spool", 1 << 20)
    big = fill(small_disk)
    place.away = True
    delivery.handle(numbered(0, 5))
    assert delivery.counts.dropped == {"spool: No space left on device": 5}
    big.unlink()
    place.away = False
    delivery.handle(numbered(5, 6))
    delivery.flush()
    assert place.taken[:1] in ([], ["5"])  # it may still be left alone for a moment
    assert delivery.counts.delivered + delivery.counts.spooled == 1
    delivery.close()


class Clock:
    """Monotonic seconds that a test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


FULL = "alerts cannot wait on disk: No space left on device"


def test_alerts_that_are_not_for_a_place_say_nothing_of_its_spool(small_disk: Path) -> None:
    delivery = Delivery(Place(), small_disk / "spool", 1 << 20, "alert")
    fill(small_disk)
    delivery.handle(numbered(0, 1))
    delivery.handle(batch({"level": "event"}))
    assert delivery.counts.error == FULL
    delivery.close()


def test_room_that_is_there_again_is_found_without_an_alert(small_disk: Path) -> None:
    clock = Clock()
    delivery = Delivery(Place(), small_disk / "spool", 1 << 20, clock=clock)
    big = fill(small_disk)
    delivery.handle(numbered(0, 1))
    clock.now_s += 10
    delivery.tick()
    assert delivery.counts.error == FULL
    big.unlink()
    delivery.tick()
    assert delivery.counts.error == FULL  # it is tried now and then
    clock.now_s += 10
    delivery.tick()
    assert delivery.counts.error == ""
    assert not (small_disk / "spool" / "trial").exists()
    delivery.close()


@pytest.mark.parametrize("way", ["away", "refuses"])
def test_a_failure_is_over_a_minute_after_when_nothing_waits(small_disk: Path, way: str) -> None:
    """Neither of the disk nor of the place is anything left to be seen by then, in whatever order they came back."""
    clock, place = Clock(), Place()
    delivery = Delivery(place, small_disk / "spool", 1 << 20, clock=clock)
    big = fill(small_disk)
    setattr(place, way, True)
    delivery.handle(numbered(0, 1))
    assert FULL in delivery.counts.error
    assert "; " in delivery.counts.error
    setattr(place, way, False)
    big.unlink()
    clock.now_s += 30
    delivery.tick()
    assert delivery.counts.error in ("it is away", "it refuses them")
    clock.now_s += 31
    delivery.tick()
    assert (delivery.counts.error, delivery.counts.since) == ("", None)
    assert delivery.counts.dropped.total() == 1
    delivery.close()


def test_a_failure_lasts_as_long_as_alerts_wait(tmp_path: Path) -> None:
    clock, place = Clock(), Place()
    delivery = Delivery(place, tmp_path / "spool", 1 << 20, clock=clock)
    place.away = True
    delivery.handle(numbered(0, 1))
    clock.now_s += 600
    delivery.tick()
    assert (delivery.counts.error, delivery.counts.spooled) == ("it is away", 1)
    delivery.close()


def test_a_spool_that_somebody_removed_is_made_anew(tmp_path: Path) -> None:
    clock, place = Clock(), Place()
    delivery = Delivery(place, tmp_path / "spool", 1 << 20, clock=clock)
    place.away = True
    delivery.handle(numbered(0, 3))
    shutil.rmtree(tmp_path / "spool")
    place.away = False
    clock.now_s += 600
    delivery.tick()
    assert delivery.counts.dropped == {"spool: No such file or directory": 3}
    delivery.handle(numbered(3, 4))
    clock.now_s += 10
    delivery.tick()
    delivery.handle(numbered(4, 5))
    assert place.taken == ["3", "4"]
    assert (tmp_path / "spool").is_dir()
    assert (delivery.counts.error, delivery.counts.spooled) == ("", 0)
    delivery.close()
