"""The spool keeps what waits, in order, within its bound, also over a restart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.sinks.sending.spool import NotSpooledError, Spool


def numbers(start: int, end: int) -> list[bytes]:
    return [b"%05d\n" % number for number in range(start, end)]


def take_all(spool: Spool, most: int = 7) -> list[bytes]:
    taken = []
    while some := spool.peek(most):
        taken += some
        spool.advance(some)
    return taken


def test_in_order_and_nothing_stays(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s", 1 << 16)
    assert not spool.append(numbers(0, 50))
    assert spool.peek(2) == numbers(0, 2)
    spool.advance(spool.peek(2))
    spool.append(numbers(50, 60))
    assert spool.pending == 58
    assert take_all(spool) == numbers(2, 60)
    assert (spool.pending, spool.size, os.listdir(tmp_path / "s")) == (0, 0, [])
    spool.append(numbers(60, 61))
    assert take_all(spool) == numbers(60, 61)


def test_it_survives_its_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 16)
    spool.append(numbers(0, 10))
    spool.advance(spool.peek(3))
    spool.close()
    again = Spool(tmp_path, 1 << 16)
    assert again.pending == 7
    again.append(numbers(10, 12))
    assert take_all(again) == numbers(3, 12)


def test_the_oldest_go(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 600)
    dropped = spool.append(numbers(0, 1000)).total()
    assert spool.size <= 600
    assert dropped == 1000 - spool.pending
    assert spool.pending >= 80
    assert take_all(spool) == numbers(dropped, 1000)


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 16)
    spool.append(numbers(0, 3))
    spool.close()
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(b"00")
    again = Spool(tmp_path, 1 << 16)
    again.append(numbers(3, 4))
    assert take_all(again) == numbers(0, 4)


@pytest.mark.parametrize("position", ["", "x", "0000000000000001.jsonl 9999999", "0000000000000009.jsonl 6", "a b c"])
def test_a_damaged_position_sends_again(tmp_path: Path, position: str) -> None:
    spool = Spool(tmp_path, 1 << 16)
    spool.append(numbers(0, 3))
    spool.close()
    (tmp_path / "position").write_text(position)
    assert take_all(Spool(tmp_path, 1 << 16)) == numbers(0, 3)


def test_a_full_disk_loses_what_comes_only(small_disk: Path) -> None:
    spool = Spool(small_disk / "s", 1 << 20)
    spool.append(numbers(0, 3))
    rest = os.statvfs(small_disk)
    (small_disk / "big").write_bytes(b"x" * (rest.f_bavail * rest.f_bsize))
    with pytest.raises(OSError, match="No space"):
        spool.append([b"y" * 5000 + b"\n"])
    assert spool.pending == 3
    (small_disk / "big").unlink()
    spool.append(numbers(3, 4))
    assert take_all(spool) == numbers(0, 4)
    spool.close()


Steps = st.lists(st.tuples(st.sampled_from(("append", "take", "restart")), st.integers(0, 40)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(Steps)
def test_whatever_happens(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    """The same as a list in memory."""
    place = tmp_path_factory.mktemp("spool")
    spool, waiting, made = Spool(place, 1 << 12), list[bytes](), 0
    for step, number in steps:
        if step == "append":
            added = numbers(made, made + number)
            made += number
            waiting += added
            dropped = spool.append(added).total()
            waiting = waiting[dropped:]
        elif step == "take":
            some = spool.peek(number)
            assert some == waiting[: len(some)]
            waiting = waiting[len(some) :]
            spool.advance(some)
        else:
            spool.close()
            spool = Spool(place, 1 << 12)
        assert spool.pending == len(waiting)
    assert take_all(spool) == waiting


def test_on_a_full_disk_it_is_known_what_found_room(small_disk: Path) -> None:
    spool = Spool(small_disk / "s", 1 << 17)  # segments of 16 KiB
    lines = [b"%05d" % number + b"x" * 1000 + b"\n" for number in range(100)]
    with pytest.raises(NotSpooledError, match="No space") as caught:
        spool.append(lines)
    assert 0 < caught.value.written < 100
    assert take_all(spool) == lines[: caught.value.written]
    spool.append(lines[:3])
    assert take_all(spool) == lines[:3]
    spool.close()


def test_what_was_taken_is_let_go_on_a_full_disk(small_disk: Path) -> None:
    spool = Spool(small_disk / "s", 1 << 16)
    spool.append(numbers(0, 5))
    rest = os.statvfs(small_disk)
    (small_disk / "big").write_bytes(b"x" * (rest.f_bavail * rest.f_bsize))
    spool.advance(spool.peek(2))
    assert take_all(spool) == numbers(2, 5)
    spool.close()
