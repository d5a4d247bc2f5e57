"""What comes from outside as text: the values of options, and DOCKER_HOST."""

from __future__ import annotations

import math
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from eunomia.errors import EunomiaError, UsageError
from eunomia.host.users import uid_of

if TYPE_CHECKING:
    _ParamType = click.ParamType[float]
else:
    _ParamType = click.ParamType  # generic since click 8.4 only

PID_MAX = 1 << 22
"""PID_MAX_LIMIT in include/linux/threads.h, for 64 bits."""
MIN_RECORD_BYTES = 1 << 20
_RING_MAX = 1 << 31  # max_entries is a __u32, and a power of two
_NAMESPACE = re.compile(r"[a-z_]+:\[([0-9]{1,10})\]|([0-9]{1,10})")


class Number(_ParamType):
    """A finite number within bounds; nan and inf compare with nothing in a useful way."""

    name = "number"

    def __init__(self, minimum: float | None, maximum: float | None = None, *, above: bool = False) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self._above = above

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is no number", param, ctx)
        low, high = self._minimum, self._maximum
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        if low is not None and (number < low or (self._above and number == low)):
            self.fail(
                f"{value} is too small: it must be {'more than' if self._above else 'at least'} {low:g}", param, ctx
            )
        if high is not None and number > high:
            self.fail(f"{value} is too large: it must be at most {high:g}", param, ctx)
        return number


def uid(_context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    """Users by name or number."""
    try:
        return tuple(uid_of(value) for value in values)
    except UsageError as error:
        raise click.BadParameter(str(error), param=option) from error


def namespace(_context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    """Accepts 4026531840 and mnt:[4026531840], as readlink /proc/PID/ns/mnt prints it."""
    numbers = []
    for value in values:
        match = _NAMESPACE.fullmatch(value)
        number = int(match[1] or match[2]) if match else 0
        if not 0 < number < 1 << 32:
            raise click.BadParameter(
                f"{value!r} is no namespace: give the number that `lsns` or `readlink /proc/PID/ns/mnt` shows",
                param=option,
            )
        numbers.append(number)
    return tuple(numbers)


def ring_bytes(_context: click.Context, option: click.Parameter, value: int | None) -> int | None:
    """A size that the kernel takes for a ring buffer."""
    page = os.sysconf("SC_PAGESIZE")
    if value is not None and (not page <= value <= _RING_MAX or value & (value - 1)):
        raise click.BadParameter(f"{value} is no power of two between {page} and {_RING_MAX}", param=option)
    return value


_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kmgt]?)(?:i?b)?", re.IGNORECASE)
_AGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")


def size(_context: click.Context, option: click.Parameter, value: str | None) -> int | None:
    """Bytes, as `500M` or `10G`: powers of 1024."""
    found = _SIZE.fullmatch(value) if value is not None else None
    if value is not None and (found is None or float(found[1]) * _SIZES[found[2].lower()] < MIN_RECORD_BYTES):
        raise click.BadParameter(f"{value!r} is no size of at least 1M: give one as 500M or 10G", param=option)
    return int(float(found[1]) * _SIZES[found[2].lower()]) if found else None


def age(_context: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """Seconds, from `90s`, `15m`, `12h`, `7d` or `4w`."""
    found = _AGE.fullmatch(value) if value is not None else None
    if value is not None and (found is None or not float(found[1])):
        raise click.BadParameter(f"{value!r} is no length of time: give one as 90s, 15m, 12h, 7d or 4w", param=option)
    return float(found[1]) * _SECONDS[found[2]] if found else None


def moment(_context: click.Context, option: click.Parameter, value: str | None) -> datetime | None:
    """A moment: RFC 3339, a date or time of day in local time, or how long ago (`10m`)."""
    if value is None:
        return None
    now = datetime.now(UTC)
    ago = _AGE.fullmatch(value)
    try:
        if ago:
            return now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        if re.fullmatch(r"\d\d?:\d\d(:\d\d)?", value):
            time_of_day = value if value[2] == ":" else f"0{value}"
            return datetime.fromisoformat(f"{now.astimezone():%Y-%m-%d}T{time_of_day}").astimezone(UTC)
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is no moment: give one as 2026-11-21T09:30:00Z, 2026-11-21, 09:30 (local), or 10m (ago)",
            param=option,
        ) from None


def file(_context: click.Context, option: click.Parameter, value: str | None) -> Path | None:
    """A file, or None for stdout."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty: name a file, or - for stdout", param=option)
    return None if value in (None, "-") else Path(value)


def log_file(_context: click.Context, option: click.Parameter, value: str | None) -> Path | None:
    """A file that is added to; None where none is given. Stdout is none: what was done has to stay."""
    if value is not None and (not value.strip() or value == "-"):
        raise click.BadParameter("name a file: what was done is kept there", param=option)
    return None if value is None else Path(value)


def no_config(_context: click.Context, _option: click.Parameter, value: str | None) -> None:
    """Somebody who asks for a tracker and a file at once is told so."""
    if value is not None:
        raise click.UsageError("--config says what to run: leave out the tracker, as in `eunomia run --config FILE`")


def directory(_context: click.Context, option: click.Parameter, value: str | None) -> Path | None:
    """A directory, or None where none is given."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty: name a directory", param=option)
    return None if value is None else Path(value)


def containers(_context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Ids and names. An empty one is what a shell makes of a variable that is not set."""
    if not all(value.strip("/ ") for value in values):
        raise click.BadParameter("it is empty: give an id, the beginning of one, or a name", param=option)
    return values


def complete_container(_context: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    """The containers' names, for a shell's completion."""
    from eunomia.containers.runtimes import Runtimes
    from eunomia.host.roots import Roots

    try:
        listed, _ = Runtimes(Roots(), docker_host(), timeout_s=1).listed()
    except EunomiaError:  # whoever presses TAB wants no lecture; the command itself will say it
        return []
    return [CompletionItem(one.name) for one in listed if one.name.startswith(begun)]


def docker_host() -> str | None:
    """Where Docker is asked, from DOCKER_HOST; None when that is not set, and Docker is found as others are.

    Raises:
        UsageError: DOCKER_HOST is nothing we can connect to.
    """
    from eunomia.containers.docker import Docker

    host = os.environ.get("DOCKER_HOST") or None
    try:
        if host is not None:
            Docker(host)
    except UsageError as error:
        raise UsageError(f"environment variable DOCKER_HOST: {error}") from error
    return host
