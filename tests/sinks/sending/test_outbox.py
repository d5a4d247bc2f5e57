"""Chunks on their way to a place, and sums that come out whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from eunomia.sinks.sending.destination import Destination, Refused, Unavailable
from eunomia.sinks.sending.framing import Chunks, pack, unpack
from eunomia.sinks.sending.outbox import Outbox
from eunomia.sinks.sending.spool import Spool


class Place(Destination[bytes]):
    """Takes what it is sent, or does what it is told to instead."""

    at_once = 1

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.instead: Callable[[], None] = lambda: None

    def send(self, items: Sequence[bytes]) -> None:
        self.instead()
        self.taken += items


class Box:
    """An outbox of chunks.

    Attributes:
        place: where it sends to.
    """

    def __init__(self, directory: Path, max_bytes: int = 1 << 20) -> None:
        self.place = Place()
        self.now_s = 0.0
        framing = Chunks()
        spool = Spool(directory, max_bytes, framing)
        self.outbox = Outbox(self.place, spool, framing, unpack, clock=lambda: self.now_s, what="events")

    def put(self, content: bytes, events: int, owner: int = 1) -> None:
        self.outbox.put([pack(content, events, owner)])

    def away(self) -> None:
        raise Unavailable("it is away")


def test_events_are_counted_not_chunks(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put(b"one\n\x00", 7)
    box.put(b"two", 5, owner=2)
    assert box.outbox.counts.spooled == 12
    box.outbox.send()
    assert box.place.taken == [b"one\n\x00", b"two"]
    assert (box.outbox.counts.delivered, box.outbox.counts.spooled) == (12, 0)


def test_what_another_process_left_is_nobodys(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put(b"old", 7)
    box.outbox.close()
    again = Box(tmp_path)
    assert again.outbox.counts.spooled == 7

    def refuse() -> None:
        raise Refused("never")

    again.place.instead = refuse
    again.put(b"new", 5)
    again.outbox.send()
    assert again.outbox.counts.dropped == {"refused": 12}
    assert again.outbox.lost(1) == {"refused": 5}


def test_some_of_a_chunk_is_refused(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put(b"x", 10, owner=3)

    def refuse() -> None:
        raise Refused("three of them", events=3)

    box.place.instead = refuse
    box.outbox.send()
    assert (box.outbox.counts.delivered, dict(box.outbox.counts.dropped)) == (7, {"refused": 3})
    assert box.outbox.lost(3) == {"refused": 3}
    assert box.outbox.counts.refused == "three of them"


def test_what_is_dropped_while_it_is_sent_is_counted_once(tmp_path: Path) -> None:
    box = Box(tmp_path, 1 << 13)
    box.put(b"x" * 500, 1)

    def overflow() -> None:
        box.place.instead = lambda: None
        for _ in range(40):
            box.put(b"y" * 500, 1)

    box.place.instead = overflow
    box.outbox.send()
    counts = box.outbox.counts
    assert counts.dropped["spool full"] > 0
    assert counts.delivered + counts.dropped["spool full"] + counts.spooled == 41
    assert counts.spooled == 0


def test_a_damaged_chunk_is_counted_and_the_next_arrives(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put(b"first", 3)
    box.put(b"second", 4)
    (file,) = tmp_path.glob("*.chunks")
    file.write_bytes(file.read_bytes().replace(b"first", b"worst"))
    box.outbox.send()
    assert box.place.taken == [b"second"]
    assert (box.outbox.counts.delivered, dict(box.outbox.counts.dropped)) == (4, {"damaged on disk": 3})


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_chunk_is_cut_off(tmp_path: Path, cut: int) -> None:
    box = Box(tmp_path)
    box.put(b"whole", 3)
    box.put(b"0123456789abcdef", 4)
    box.outbox.close()
    (file,) = tmp_path.glob("*.chunks")
    file.write_bytes(file.read_bytes()[:-cut])
    again = Box(tmp_path)
    assert again.outbox.counts.spooled == 3
    again.outbox.send()
    assert again.place.taken == [b"whole"]


def test_it_is_left_alone_longer_and_longer(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.place.instead = box.away
    box.put(b"x", 1)
    tried = []
    for _ in range(3000):
        before = box.outbox.counts.retried
        box.outbox.tick()
        if box.outbox.counts.retried > before:
            tried.append(box.now_s)
        box.now_s += 0.1
    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert waits[0] <= 0.6
    assert max(waits) <= 60.2
    assert len(tried) < 20
    assert box.outbox.counts.error == "it is away"
