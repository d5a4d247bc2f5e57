"""The report of behaviour: from a record to what each of its containers did."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import polars as pl

from eunomia.record.meta import Run, rfc3339
from eunomia.record.reading import Record, collect
from eunomia.record.selection import Selection
from eunomia.report.model import FORMAT, Container, Report, RunFacts
from eunomia.report.parts import ID, PARTS, Item, Part
from eunomia.version import __version__

LIMIT = 1000
"""Entries of a part of a container at most, unless told otherwise."""
_RFC3339 = "%Y-%m-%dT%H:%M:%S%.9fZ"


@dataclass
class _Found:
    """What has been found of a container."""

    name: str | None = None
    first: str | None = None
    last: str | None = None
    events: dict[str, int] = field(default_factory=dict)
    parts: dict[str, list[Any]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


def make_report(record: Record, selection: Selection, *, limit: int = LIMIT) -> Report:
    """Reports on the containers of a record.

    Args:
        selection: which containers, processes and time; resolved.
        limit: how many entries a part has at most, the most frequent; how many more there are is told.

    Raises:
        EunomiaError: the record cannot be read.
    """
    found: defaultdict[str, _Found] = defaultdict(_Found)
    trackers = [tracker for tracker in record if ID in record.schema(tracker)]
    for tracker in trackers:
        _count(found, tracker, _events(record, tracker, selection))
    parts = {part.name: by for part in PARTS if (by := _recorded_by(part, record, trackers)) is not None}
    for part in PARTS:
        if part.name in parts:
            schema = record.schema(parts[part.name])
            answer = part.ask(_events(record, parts[part.name], selection), schema)
            _enter(found, part, collect(answer), limit)
    return Report(
        format=FORMAT,
        eunomia=__version__,
        since=_text(selection.since),
        until=_text(selection.until),
        runs=[_facts(run) for run in record.runs],
        not_recorded=[part.name for part in PARTS if part.name not in parts],
        containers=[
            _container(record, one, facts, parts)
            for one, facts in sorted(found.items(), key=lambda item: (item[1].name or "", item[0]))
        ],
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _recorded_by(part: Part, record: Record, trackers: Iterable[str]) -> str | None:
    return next(
        (
            tracker
            for tracker in part.trackers
            if tracker in trackers and all(name in record.schema(tracker) for name in part.needs)
        ),
        None,
    )


def _events(record: Record, tracker: str, selection: Selection) -> pl.LazyFrame:
    frame = record.scan(tracker, selection.since, selection.until).filter(pl.col(ID).is_not_null())
    condition = selection.expression(record.schema(tracker))
    return frame if condition is None else frame.filter(condition)


def _count(found: defaultdict[str, _Found], tracker: str, events: pl.LazyFrame) -> None:
    counted = events.group_by(ID).agg(
        pl.len(),
        pl.col("time").min().dt.strftime(_RFC3339).alias("first"),
        pl.col("time").max().dt.strftime(_RFC3339).alias("last"),
        pl.col("container_name").sort_by("time").drop_nulls().last(),
    )
    for container_id, number, first, last, name in collect(counted).sort(ID).iter_rows():
        one = found[container_id]
        one.events[tracker] = number
        one.name = name or one.name
        one.first = min(first, one.first or first)
        one.last = max(last, one.last or last)


def _enter(found: defaultdict[str, _Found], part: Part, rows: pl.DataFrame, limit: int) -> None:
    names = [one.name for one in fields(part.item)]
    # Behind the order of interest comes one that is always the same, so that two reports can be compared.
    rest = [
        pl.col(name).list.join("\0") if rows.schema[name] == pl.List(pl.String) else pl.col(name)
        for name in names
        if name not in part.order and (rows.schema[name] == pl.List(pl.String) or not rows.schema[name].is_nested())
    ]
    largest_first = [rows.schema[name].is_numeric() for name in part.order]
    ordered = rows.sort(
        [*map(pl.col, part.order), *rest], descending=[*largest_first, *(False for _ in rest)], nulls_last=True
    )
    for (container_id,), items in ordered.group_by(ID, maintain_order=True):
        one = found[str(container_id)]
        one.parts[part.name] = [_item(part, row) for row in items.head(limit).select(names).iter_rows(named=True)]
        if items.height > limit:
            one.left_out[part.name] = items.height - limit


def _item(part: Part, row: dict[str, Any]) -> Item:
    if "errnos" in row:  # "ENOENT:3", as often as an interval had some
        errnos: Counter[str] = Counter()
        for entry in row["errnos"] or ():
            name, _, times = entry.partition(":")
            errnos[name] += int(times or 1)
        row["errnos"] = dict(errnos.most_common())
    return part.item(**row)


def _container(record: Record, container_id: str, facts: _Found, parts: Iterable[str]) -> Container:
    known = [one for run in record.runs for one in run.containers if one["id"] == container_id]
    return Container(
        id=container_id,
        name=facts.name or next((one["name"] for one in reversed(known) if one.get("name")), None),
        images=sorted({one["image"] for one in known if one.get("image")}),
        first_seen=facts.first,
        last_seen=facts.last,
        events=facts.events,
        left_out=facts.left_out,
        **{part: facts.parts.get(part, []) for part in parts},
    )


def _facts(run: Run) -> RunFacts:
    lost = (run.summary or {}).get("lost", {})
    trackers = list(dict.fromkeys(stream.tracker for stream in run.streams))
    return RunFacts(run.name, run.host, run.kernel, run.eunomia, run.started, run.ended, trackers, dict(lost))
