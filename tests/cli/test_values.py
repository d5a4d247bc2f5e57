"""Values of options as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest

from eunomia.cli import values

OPTION = click.Option(["--x"])
CONTEXT = click.Context(click.Command("x"))


def parsed(kind: Any, text: str | None) -> Any:
    return kind(CONTEXT, OPTION, text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1M", 1 << 20),
        ("10G", 10 << 30),
        ("1.5g", 3 << 29),
        ("2T", 2 << 40),
        ("2097152", 2 << 20),
        ("5MiB", 5 << 20),
        ("3GB", 3 << 30),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parsed(values.size, text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "1023k", "10 G", "1X", "1e9", "nan", "inf"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no size of at least 1M"):
        parsed(values.size, text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1.5h", 5400), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_ages(text: str, seconds: float) -> None:
    assert parsed(values.age, text) == seconds


@pytest.mark.parametrize("text", ["", "7", "0d", "d", "-1d", "1y", "7 d"])
def test_no_ages(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no length of time"):
        parsed(values.age, text)


def test_moments() -> None:
    now = datetime.now(UTC)
    assert parsed(values.moment, "2026-11-21T09:30:00Z") == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    assert parsed(values.moment, "2026-11-21T09:30+01:00") == datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    assert parsed(values.moment, "2026-11-21") == datetime(2026, 11, 21).astimezone(UTC)
    assert abs(now - timedelta(minutes=10) - parsed(values.moment, "10m")) < timedelta(seconds=5)
    for text in ("9:05", "09:05", "9:05:00", "09:05:00"):
        local = parsed(values.moment, text).astimezone()
        assert (local.hour, local.minute, local.second) == (9, 5, 0)
    assert parsed(values.moment, None) is None


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-13-01", "9999999999999w", "10"])
def test_no_moments(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no moment"):
        parsed(values.moment, text)
