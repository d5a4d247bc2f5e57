"""`eunomia containers --watch`."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import click

from eunomia.agent import Agent
from eunomia.cli import values
from eunomia.cli.container_columns import COLUMNS, cell, choose, record, rfc3339
from eunomia.cli.stopping import Stop
from eunomia.cli.terminal import plain, say
from eunomia.config import AgentConfig
from eunomia.containers.cgroup_path import shorten
from eunomia.containers.container import Container
from eunomia.containers.description import Description
from eunomia.containers.identify import NAME_WAIT_S
from eunomia.containers.listing import list_containers
from eunomia.containers.reports import Reports
from eunomia.containers.runtimes import Runtimes
from eunomia.containers.selection import Known, Selection, select
from eunomia.errors import EunomiaError, LoadError, PrivilegeError, UnsupportedError
from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler

_OWN = ("time", "event", "was")
_TABLE = {"time": 12, "event": 8, "id": 12, "name": 20, "image": 24, "runtime": 10, "was": 0}
"""Column -> width; lines come one by one, so that it cannot follow from what is in them."""
_RECORD = (
    *("time", "event", "was", "id", "name", "image", "labels", "runtime", "created"),
    *("pod_name", "pod_namespace", "pod_uid", "sandbox"),
)
"""What is known at the moment when something happens."""
_POLL_S, _REST_S = 0.02, 0.25
_NO_KERNEL = (PrivilegeError, UnsupportedError, LoadError)


@dataclass
class _News:
    """Something that has happened to a container, which may still be waiting for its name."""

    kind: str
    about: Container | Description
    time_ns: int
    until_s: float

    def is_ready(self) -> bool:
        return isinstance(self.about, Description) or self.about.answered or time.monotonic() >= self.until_s

    def description(self) -> Description:
        """As it is known by now."""
        if isinstance(self.about, Description):
            return self.about
        ref = self.about.ref
        return self.about.description or Description(ref.id, runtime=ref.runtime, pod_uid=ref.pod_uid)


class Printer:
    """Prints what happens, in order: what starts waits for its name, for a second at most.

    Args:
        selection: who is meant; empty means everybody.
        names: the columns.
        fmt: table, json or csv.
    """

    def __init__(self, selection: Selection, names: Sequence[str], fmt: str) -> None:
        self._selection = selection
        self._names = names
        self._fmt = fmt
        self._queue: SimpleQueue[_News] = SimpleQueue()
        self._waiting: deque[_News] = deque()
        self._told: dict[str, str] = {}

    def hear(self, kind: str, about: Container | Description) -> None:
        """Takes something in; any thread may call it."""
        self._queue.put(_News(kind, about, time.time_ns(), time.monotonic() + NAME_WAIT_S))

    @property
    def is_waiting(self) -> bool:
        """Whether something has not been printed yet."""
        return bool(self._waiting)

    def head(self) -> None:
        """Prints the line above all others."""
        if self._fmt == "csv":
            self._csv(self._names)
        elif self._fmt == "table":
            self._table({name: name.upper() for name in self._names})

    def print(self, *, final: bool = False) -> None:
        """Prints what is ready."""
        while not self._queue.empty():
            self._waiting.append(self._queue.get())
        while self._waiting and (final or self._waiting[0].is_ready()):
            self._tell(self._waiting.popleft())

    def _tell(self, news: _News) -> None:
        one = news.description()
        was = self._told.get(one.id)
        if news.kind in ("named", "renamed"):
            if was is None or was == one.name:
                return  # it has been told with that name already
            news.kind = "renamed" if was else "named"
        elif news.kind == "stopped":
            self._told.pop(one.id, None)
        else:
            self._told[one.id] = one.name
        if news.kind in ("named", "renamed"):
            self._told[one.id] = one.name
        if self._is_meant(one):
            event = "running" if news.kind == "found" else news.kind
            self._write(one, news.time_ns, event, was if event == "renamed" else None)

    def _is_meant(self, one: Description) -> bool:
        if not self._selection:
            return True
        names = {one.name, *one.pod_names}
        return bool(names & self._selection.names) or any(one.id.startswith(start) for start in self._selection.ids)

    def _write(self, one: Description, time_ns: int, event: str, was: str | None) -> None:
        own = {"time": rfc3339(time_ns), "event": event, "was": was}
        row = {name: own[name] if name in own else record(one, [name])[name] for name in self._names}
        if self._fmt == "json":
            click.echo(json.dumps(row, ensure_ascii=False))
        elif self._fmt == "csv":
            self._csv([cell(value) for value in row.values()])
        else:
            self._table({**row, **({"id": shorten(one.id)} if "id" in row else {})})

    @staticmethod
    def _csv(row: Sequence[Any]) -> None:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(row)
        click.echo(out.getvalue(), nl=False)

    @staticmethod
    def _table(row: dict[str, Any]) -> None:
        cells = []
        for name, value in row.items():
            text = "-" if value in (None, "", (), [], {}) else str(cell(value))
            if name == "time" and text.endswith("Z"):
                text = text[11:23]
            cells.append(plain(text if name != "was" or value else "").ljust(_TABLE.get(name, 12)))
        click.echo("  ".join(cells).rstrip())


def watch_containers(wanted: Sequence[str], fmt: str, columns: str | None) -> None:
    """Prints what runs, then what starts, stops and gets another name, until it is told to stop."""
    known = (*_OWN, *COLUMNS)
    names = choose(columns, known) if columns is not None else [*(_TABLE if fmt == "table" else _RECORD)]
    selection = _selection(wanted)
    printer = Printer(selection, names, fmt)
    with Stop(reader=True) as stop, _news(printer) as failed:
        try:
            printer.head()
            while not stop.wait(_POLL_S if printer.is_waiting else _REST_S) and not failed():
                printer.print()
            printer.print(final=True)
        except BrokenPipeError:  # nobody reads on: what is left of it goes nowhere, quietly (click would exit with 1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _selection(wanted: Sequence[str]) -> Selection:
    if not wanted:
        return Selection()
    listed = list_containers(Roots(), values.docker_host(), details=False)
    known = [Known(one.id, one.name or None, one.pod_names) for one in listed]
    selection, missing = select(wanted, known, wait=True, advice="")
    for one in missing:
        say(f"waiting for container {one}")
    return selection


@contextmanager
def _news(printer: Printer) -> Iterator[Callable[[], bool]]:
    """Lets the printer hear of everything; gives what says whether that has failed."""
    agent = Agent(AgentConfig((), docker_host=values.docker_host()), _no_sink, on_container=printer.hear)
    try:
        agent.__enter__()
    except _NO_KERNEL as error:
        say(f"the runtimes' own reports must do, which may come late or not at all: {error}")
        with _reports(printer):
            yield lambda: False
        return
    try:
        yield lambda: agent.wait(0)
    finally:
        agent.stop()
    if agent.failure is not None:
        raise EunomiaError(f"the watch ended: {agent.failure}") from agent.failure


@contextmanager
def _reports(printer: Printer) -> Iterator[None]:
    runtimes = Runtimes(Roots(), values.docker_host())
    if not runtimes.found():
        raise UnsupportedError("there is no container runtime to listen to: none has a socket below /run")
    silent = "reports nothing by itself: its containers are not shown as they start and stop"
    with Reports(runtimes, printer.hear, lambda address: say(f"{address} {silent}")) as reports:
        for one in list_containers(Roots(), values.docker_host(), details=False, on_error=say):
            reports.remember(one)
            printer.hear("found", one)
        yield


def _no_sink(*_: Any) -> Handler:
    raise AssertionError("there is no tracker")
