"""Alerts on their way, where there is no room for them to wait."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from eunomia.sinks.alerts.delivery import Delivery
from eunomia.sinks.alerts.destination import Destination, Unavailable
from eunomia.sinks.alerts.encoding import Alert
from tests.sinks.alerts.samples import numbered


class Place(Destination):
    """Takes alerts, or does not."""

    at_once = 2

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.away = False

    def send(self, alerts: Sequence[Alert]) -> None:
        if self.away:
            raise Unavailable("it is away")
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
