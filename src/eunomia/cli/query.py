"""`eunomia query SQL --record DIR`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from eunomia.cli import options
from eunomia.cli.output import choose_format, write_frame
from eunomia.cli.recorded import FROM, open_record
from eunomia.cli.terminal import print_table

_EXAMPLES = """\b
Examples:
  eunomia query --record DIR --tables
  eunomia query --record DIR 'SELECT tracker, count(*) FROM events GROUP BY 1'
  eunomia query --record DIR "SELECT args FROM process WHERE event = 'exec'"
"""


@click.command(epilog=_EXAMPLES)
@click.argument("sql", metavar="SQL", required=False)
@FROM
@click.option("--tables", is_flag=True, help="list the views and their columns")
@click.option(
    "--fmt",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    help="without it FILE's ending decides, else it is a table",
)
@options.OUTPUT
def command(sql: str | None, record: Path, tables: bool, fmt: str | None, output: Path | None) -> None:
    """Ask the record one question in SQL (DuckDB's), over a view for each tracker and `events` over all of them.

    Times are UTC. SQL can read the record and nothing else.
    """
    if tables == (sql is not None):
        raise click.UsageError("give either SQL or --tables")
    chosen = choose_format(fmt, output)
    opened = open_record(record)
    if tables:
        _tables(opened, chosen)
        return
    write_frame(opened.sql(sql), chosen, output)


def _tables(record: Any, fmt: str) -> None:
    from eunomia.record.query import EVENTS
    from eunomia.record.types import shared_columns
    from eunomia.schema.semantic import type_name

    schemas = {tracker: record.schema(tracker) for tracker in record}
    rows = [
        (view, column.name, type_name(column), column.description)
        for view, schema in (*schemas.items(), (EVENTS, shared_columns([*schemas.values()])))
        for column in schema
    ]
    rows.append((EVENTS, "tracker", "text", "the tracker that saw the event"))
    headings = ("view", "column", "type", "description")
    if fmt == "json":
        for row in rows:
            click.echo(json.dumps(dict(zip(headings, row, strict=True))))
    elif fmt == "table":
        print_table(headings, rows)
    else:
        raise click.UsageError("--tables is printed as a table or as JSON")
