"""`eunomia replay DIR`: a record through the chain of a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from eunomia.cli import options
from eunomia.cli.output import FORMATS, choose_format, sink_factory
from eunomia.cli.recorded import CONTAINER, TIMES, chosen_trackers, open_record
from eunomia.cli.run import conclude
from eunomia.cli.stopping import Stop
from eunomia.errors import UsageError

_EXAMPLES = """\b
Examples:
  eunomia replay DIR                         everything, as fast as it goes
  eunomia replay DIR -c web --since 10m
  eunomia replay DIR --tracker process --fmt json | jq .args
  eunomia replay DIR --speed realtime        with the pauses there were
"""


@click.command(epilog=_EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@CONTAINER
@options.pid("only this process")
@options.UID
@options.MNTNS
@options.PIDNS
@click.option("--tracker", multiple=True, metavar="TRACKER", help="only what this tracker saw")
@TIMES
@click.option("--tree", is_flag=True, help="show each process below its parent, where a tracker can")
@click.option("--fmt", type=click.Choice(FORMATS), help="without it FILE's ending decides, else it is a table")
@options.OUTPUT
@options.COLUMNS
@click.option(
    "--speed",
    type=click.Choice(["max", "realtime"]),
    default="max",
    show_default=True,
    help="as fast as it goes, or as it happened",
)
def command(
    directory: Path,
    container: tuple[str, ...],
    pid: tuple[int, ...],
    uid: tuple[int, ...],
    mntns: tuple[int, ...],
    pidns: tuple[int, ...],
    tracker: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    tree: bool,
    fmt: str | None,
    output: Path | None,
    columns: str | None,
    speed: str,
) -> None:
    """Replay the record in directory DIR: the same filters, columns and formats as in a run, without root."""
    from eunomia.record.selection import Selection

    record = open_record(directory)
    trackers = chosen_trackers(record, tracker)
    if since is not None and until is not None and since >= until:
        raise UsageError("--since is not before --until: nothing lies between them")
    if output is not None and len(trackers) > 1:
        raise UsageError(f"-o takes one tracker, and this is a record of {', '.join(trackers)}: choose with --tracker")
    selection = Selection(container, pid, uid, mntns, pidns, since, until).resolved(record)
    chosen = choose_format(fmt, output)
    make_sink = sink_factory(chosen, output, columns)
    from eunomia.replaying import Replaying

    with Stop(reader=output is None and chosen != "none") as stop:
        realtime = speed == "realtime"
        own: dict[str, bool] = {"tree": True} if tree else {}
        with Replaying(record, trackers, selection, make_sink, own, paced=realtime) as replaying:
            _play(replaying, stop, realtime=realtime)
        conclude(replaying.summary(), replaying.failure, quiet=stop.reader_gone)


def _play(replaying: Any, stop: Stop, *, realtime: bool) -> None:
    began_s, first = time.monotonic(), None
    for moment in replaying:
        first = first or moment
        due_s = began_s + (moment - first).total_seconds() if realtime else 0.0
        if stop.wait(max(due_s - time.monotonic(), 0)) or replaying.failure is not None:
            return
        replaying.deliver()
