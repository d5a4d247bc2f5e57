"""How the command line speaks: messages to stderr, tables, colours. Nothing outside `cli` prints."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from eunomia.errors import UsageError

if TYPE_CHECKING:
    from eunomia.sinks.table import Style

_BOLD, _RED, _GREEN, _YELLOW, _DIM, _RESET = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
STATES = {"ok": _GREEN, "note": _YELLOW, "fail": _RED}
_GAP = "  "
_NARROWEST = 20  # a last column that has less room than this is not folded


def say(message: str) -> None:
    """A line for the person at the terminal, on stderr, so that it never mixes with data."""
    print(f"eunomia: {message}", file=sys.stderr, flush=True)


def usage_error(mistakes: Iterable[str]) -> UsageError:
    """Of several mistakes each gets a line as if it had been said by itself."""
    return UsageError("\neunomia: error: ".join(mistakes))


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return os.isatty(1)


def width() -> int:
    """Columns of the terminal as it is now."""
    return shutil.get_terminal_size().columns


def height() -> int:
    """Lines of the terminal as it is now."""
    return shutil.get_terminal_size().lines


def coloured() -> bool:
    """Whether stdout is a terminal whose user has nothing against colours (https://no-color.org)."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def style() -> Style | None:
    """Colours for tables of events."""
    from eunomia.sinks.table import Style  # Polars with it, which most commands do without

    if not coloured():
        return None
    values = {("event", "exec_failed"): _RED, ("event", "exit"): _DIM, ("event", "removed"): _DIM}
    return Style(_BOLD, values, _RESET)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A small table of finished text on stdout; on a terminal the last column is folded where that ends.

    Args:
        headings: of the columns.
        rows: the cells; what would do something to a terminal is replaced. Those of STATES have a colour.
    """
    shown = [[plain(cell) for cell in row] for row in ([one.upper() for one in headings], *rows)]
    widths = [max(len(row[place]) for row in shown) for place in range(len(headings) - 1)]
    before = sum(widths) + len(_GAP) * len(widths)
    room = width() - before if is_terminal() else 0
    for number, row in enumerate(shown):
        folded = textwrap.wrap(row[-1], room, break_on_hyphens=False) if room >= _NARROWEST else row[-1:]
        cells = [_painted(cell, size, heading=not number) for cell, size in zip(row[:-1], widths, strict=True)]
        first, *others = folded or [""]
        click.echo(_GAP.join((*cells, _painted(first, 0, heading=not number))).rstrip())
        for line in others:
            click.echo(" " * before + line)


def _painted(cell: str, size: int, *, heading: bool) -> str:
    colour = _BOLD if heading else STATES.get(cell, "")
    return f"{colour}{cell.ljust(size)}{_RESET}" if colour and coloured() else cell.ljust(size)


def plain(text: str) -> str:
    """Text with nothing in it that would do something to a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
