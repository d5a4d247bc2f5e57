"""A report as one table: a row for each measure of each entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import polars as pl

from eunomia.report.model import Container, Report
from eunomia.report.parts import PARTS

COLUMNS = {
    "container_id": pl.String,
    "container_name": pl.String,
    "part": pl.String,
    "item": pl.String,
    "measure": pl.String,
    "value": pl.String,
}


def flatten(report: Report) -> pl.DataFrame:
    """The numbers of a report: container, part, item in one line, measure, value. What is null is left out."""
    rows = [row for container in report.containers for row in _rows(container)]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def _rows(container: Container) -> Iterator[tuple[str, str | None, str, str, str, str]]:
    own = (container.id, container.name)
    for tracker, events in container.events.items():
        yield (*own, "events", tracker, "count", str(events))
    for image in container.images:
        yield (*own, "images", image, "count", "1")
    for part in PARTS:
        for item in getattr(container, part.name) or ():
            for one in fields(item):
                value = getattr(item, one.name)
                if isinstance(value, int | float) and one.name not in ("port", "exit_code"):
                    yield (*own, part.name, item.what, one.name, str(value))
