"""How the command line speaks: messages to stderr, tables, colours. Nothing outside `cli` prints."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence

from eunomia.sinks.table import Style

_BOLD, _RED, _YELLOW, _DIM, _RESET = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def say(message: str) -> None:
    """A line for the person at the terminal, on stderr, so that it never mixes with data."""
    print(f"eunomia: {message}", file=sys.stderr, flush=True)


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return os.isatty(1)


def width() -> int:
    """Columns of the terminal as it is now."""
    return shutil.get_terminal_size().columns


def style() -> Style | None:
    """Colours for tables of events; none where stdout is no terminal or NO_COLOR is set (https://no-color.org)."""
    if not is_terminal() or os.environ.get("NO_COLOR"):
        return None
    values = {("event", "exec_failed"): _RED, ("event", "exit"): _DIM, ("event", "removed"): _DIM}
    return Style(_BOLD, values, _RESET)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A small table of finished text on stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading.upper(), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=None if is_terminal() else 200).print(table)
