"""Alerts for people: a line of what happened, a line of who did it, and once per rule what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch
from eunomia.sinks.alerts.delivery import at_least
from eunomia.sinks.alerts.encoding import lines
from eunomia.sinks.outputs import Output
from eunomia.sinks.text import printable

_ANCESTORS = 6
_OWN, _THEIRS = 400, 60  # characters of command lines, which may be of any length
_INDENT = "    "


class TerminalText(Handler):
    """Writes alerts as text.

    Args:
        out: where to.
        colours: level -> what turns its colour on; none for a file.
        reset: turns it off.
        level: the least level that is written.
    """

    def __init__(
        self, out: Output, colours: Mapping[str, str] | None = None, reset: str = "", level: str = "event"
    ) -> None:
        self._out = out
        self._chosen = at_least(level)
        self._advised: set[str] = set()
        self._head = _head(colours or {}, reset)

    def handle(self, batch: Batch) -> Batch:
        """Writes a batch, hands it on."""
        frame = batch.frame.filter(self._chosen)
        shown = frame.select(
            "rule", self._head.alias("head"), _process().alias("process"), printable(pl.col("advice")).alias("advice")
        )
        written = []
        for rule, head, process, advice in shown.iter_rows():
            written += [head, _INDENT + process]
            if advice and rule not in self._advised:
                written.append(f"{_INDENT}advice: {advice}")
            self._advised.add(rule)
        if written:
            self._out.write(("\n".join(written) + "\n").encode())
        return batch

    def close(self) -> None:
        """Closes the output."""
        self._out.close()


class JsonText(Handler):
    """Writes alerts as JSON lines.

    Args:
        out: where to.
        level: the least level that is written.
    """

    def __init__(self, out: Output, level: str = "event") -> None:
        self._out = out
        self._chosen = at_least(level)

    def handle(self, batch: Batch) -> Batch:
        """Writes a batch, hands it on."""
        if written := lines(batch.with_frame(batch.frame.filter(self._chosen))):
            self._out.write(b"".join(written))
        return batch

    def close(self) -> None:
        """Closes the output."""
        self._out.close()


def _head(colours: Mapping[str, str], reset: str) -> pl.Expr:
    level = pl.col("level").str.to_uppercase()
    for name, colour in colours.items():
        level = pl.when(pl.col("level") == name).then(pl.lit(colour) + level + pl.lit(reset)).otherwise(level)
    container = pl.coalesce("container_name", "container_id", pl.lit("host"))
    times = pl.when(pl.col("count") > 1).then(pl.format(" ({} times)", "count")).otherwise(pl.lit(""))
    time = pl.col("time").dt.strftime("%Y-%m-%d %H:%M:%S%.3fZ")
    rest = [printable(pl.col("rule")), printable(container), printable(pl.col("message")), times]
    return pl.format("{} {} {} | {} | {}{}", time, level, *rest)


def _process() -> pl.Expr:
    """`pid 42 (user) what it was called as < its parent < that one's parent`."""
    user = pl.coalesce("user", pl.col("uid").cast(pl.String), pl.lit("?"))
    called = _short(pl.coalesce("args", "exe", "comm", pl.lit("?")), _OWN)
    ancestor = pl.element().struct
    name = pl.coalesce(ancestor.field("args"), ancestor.field("exe"), ancestor.field("comm"), pl.lit("?"))
    above = pl.col("ancestors").list.head(_ANCESTORS).list.eval(_short(name, _THEIRS)).list.join(" < ")
    above = pl.when(above != "").then(pl.lit(" < ") + above).otherwise(pl.lit(""))
    pid = pl.col("pid").cast(pl.String).fill_null("?")
    return printable(pl.format("pid {} ({}) {}{}", pid, user, called, above.fill_null("")))


def _short(text: pl.Expr, most: int) -> pl.Expr:
    return pl.when(text.str.len_chars() > most).then(text.str.head(most - 1) + pl.lit("…")).otherwise(text)
