"""`eunomia report --record DIR`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from eunomia.cli import options
from eunomia.cli.recorded import CONTAINER, FROM_OPTIONAL, TIMES, open_record

_EXAMPLES = """\b
Examples:
  eunomia report --record DIR -c web
  eunomia report --record DIR --since 1h --fmt csv -o report.csv
  eunomia report --record DIR | jq '.containers[] | {name, peers}'
  eunomia report --schema                  what the JSON looks like
"""


@click.command(epilog=_EXAMPLES)
@FROM_OPTIONAL
@CONTAINER
@TIMES
@click.option(
    "--limit", type=click.IntRange(1), default=1000, show_default=True, metavar="N", help="entries of a part at most"
)
@click.option("--fmt", type=click.Choice(["json", "csv"]), help="without it FILE's ending decides, else it is JSON")
@options.OUTPUT
@click.option("--schema", is_flag=True, help="print the JSON Schema of the report instead")
def command(
    record: Path | None,
    container: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    limit: int,
    fmt: str | None,
    output: Path | None,
    schema: bool,
) -> None:
    """Report what each container of a record did: programs, files, peers, system calls and more.

    A part that was not recorded is null and listed under `not_recorded`.
    """
    from eunomia.cli.output import write_frame, write_text

    if schema:
        from eunomia.report.json_schema import text

        write_text(text(), output)
        return
    if record is None:
        raise click.UsageError("Missing option '--record'")
    from eunomia.record.selection import Selection
    from eunomia.report.behaviour import make_report
    from eunomia.report.flat import flatten

    opened = open_record(record)
    made = make_report(opened, Selection(container, since=since, until=until).resolved(opened), limit=limit)
    chosen = fmt or ("csv" if output is not None and output.suffix.lower() == ".csv" else "json")
    if chosen == "csv":
        write_frame(flatten(made), "csv", output)
    else:
        write_text(json.dumps(asdict(made), indent=2) + "\n", output)
