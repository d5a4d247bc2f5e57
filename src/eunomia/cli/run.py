"""`eunomia run TRACKER`: a command for each tracker, made from its declaration."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from eunomia.cli.output import FORMATS, choose_format, sink_factory
from eunomia.cli.terminal import say
from eunomia.errors import EunomiaError, LoadError, UsageError
from eunomia.host.users import uid_of
from eunomia.trackers import registry
from eunomia.trackers.declaration import Option, Tracker

_WATCH_S = 0.5


def _uid(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(uid_of(value) for value in values)


def _namespace(_context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    """Accepts 4026531840 and mnt:[4026531840], as readlink /proc/PID/ns/mnt prints it."""
    numbers = []
    for value in values:
        inner = value.partition("[")[2].rstrip("]") or value
        if not inner.isdigit():
            raise click.BadParameter(f"{value!r} is no namespace: give the number that `lsns` shows", param=option)
        numbers.append(int(inner))
    return tuple(numbers)


def _ring_bytes(_context: click.Context, option: click.Parameter, value: int | None) -> int | None:
    page = os.sysconf("SC_PAGESIZE")
    if value is not None and (value < page or value & (value - 1)):
        raise click.BadParameter(f"{value} is no power of two of at least {page} bytes", param=option)
    return value


_COMMON: tuple[Callable[[Any], Any], ...] = (
    click.option("-c", "--container", multiple=True, help="only this container: id, beginning of an id, or name"),
    click.option("-p", "--pid", type=click.IntRange(1), multiple=True, help="only this process"),
    click.option("--children", is_flag=True, help="with -p: also what it starts, and what that starts"),
    click.option("--uid", multiple=True, callback=_uid, metavar="USER", help="only processes of this user"),
    click.option("--cgroup", multiple=True, metavar="PATH", help="only this cgroup and those below it"),
    click.option("--mntns", multiple=True, callback=_namespace, metavar="INODE", help="only this mount namespace"),
    click.option("--pidns", multiple=True, callback=_namespace, metavar="INODE", help="only this PID namespace"),
    click.option("--wait", is_flag=True, help="wait for a container or process that is not there yet"),
    click.option(
        "-T",
        "--time",
        "duration_s",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help="end after so long; with --wait counted from when the first one has come",
    ),
    click.option("--fmt", type=click.Choice(FORMATS), help="table (default), json, csv; or by FILE's ending"),
    click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="write there, not to stdout"),
    click.option("--columns", metavar="A,B,…", help="columns to show, in this order"),
    click.option("--ring-bytes", type=int, callback=_ring_bytes, metavar="BYTES", help="size of the kernel's buffer"),
    click.option("-v", "--verbose", is_flag=True, help="say which hooks are used, and the kernel's log on failure"),
)


def _parameter(option: Option) -> click.Option:
    if isinstance(option.default, bool):
        flags, kind = f"--{option.name}/--no-{option.name}", click.BOOL
        return click.Option([flags], default=option.default, help=option.description, show_default=True, type=kind)
    kinds = {int: click.IntRange(option.minimum), float: click.FloatRange(option.minimum), str: click.STRING}
    value = kinds[type(option.default)]
    return click.Option(
        [f"--{option.name}"], type=value, default=option.default, metavar=option.metavar, help=option.description
    )


class _Run(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(registry.names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        try:
            name = registry.resolve(cmd_name)
        except UsageError as error:
            raise click.UsageError(str(error), ctx) from error
        return _command(name, registry.get(name))


def _command(name: str, tracker: Tracker) -> click.Command:
    def callback(**values: Any) -> None:
        own = {option.key: values.pop(option.key) for option in tracker.options}
        _run(name, own, **values)

    for decorate in reversed(_COMMON):
        callback = decorate(callback)
    made: click.Command = click.command(name, help=tracker.description.capitalize() + ".")(callback)
    made.params = [*(_parameter(option) for option in tracker.options), *made.params]
    return made


@click.command(
    cls=_Run,
    epilog="""\b
Examples:
  eunomia run process                          everything, live
  eunomia run process -c web -c db             two containers
  eunomia run process -p 4242 --children       a process and all it starts
  eunomia run process --wait -c web -T 30      from a container's very first instruction
  eunomia run process --fmt json | jq .args
  eunomia run process -o record.parquet
""",
)
def command() -> None:
    """Run a tracker and print what it sees, until Ctrl-C or the time is up."""


def _run(
    name: str,
    options: dict[str, Any],
    *,
    container: tuple[str, ...],
    pid: tuple[int, ...],
    children: bool,
    uid: tuple[int, ...],
    cgroup: tuple[str, ...],
    mntns: tuple[int, ...],
    pidns: tuple[int, ...],
    wait: bool,
    duration_s: float | None,
    fmt: str | None,
    output: Path | None,
    columns: str | None,
    ring_bytes: int | None,
    verbose: bool,
) -> None:
    if children and not pid:
        raise click.UsageError("--children goes with -p: it watches what those processes start")
    from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
    from eunomia.containers.docker import DEFAULT_HOST

    config = AgentConfig(
        (TrackerConfig(name, options, ring_bytes),),
        FilterConfig(container, cgroup, pid, children, uid, mntns, pidns, wait),
        os.environ.get("DOCKER_HOST") or DEFAULT_HOST,
    )
    chosen = choose_format(fmt, output)
    try:
        _watch(config, sink_factory(chosen, output, columns), duration_s, verbose=verbose)
    except LoadError as error:
        if verbose and error.log:
            click.echo(error.log, err=True)
        raise


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _watch(config: Any, make_sink: Any, duration_s: float | None, *, verbose: bool) -> None:
    from eunomia.agent import Agent

    appeared: list[str] = []

    def on_appear(name: str) -> None:
        if name not in appeared:
            appeared.append(name)
            say(f"{name} is there")

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    agent = Agent(config, make_sink, on_appear=on_appear)
    with suppress(KeyboardInterrupt), agent:
        if verbose:
            _say_ways(agent.ways())
        _await(agent, appeared)
        _sleep(agent, duration_s)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _conclude(agent)


def _say_ways(ways: dict[str, dict[str, tuple[str, ...]]]) -> None:
    for tracker, hooks in ways.items():
        for hook, sections in hooks.items():
            say(f"{tracker}: {hook} by {', '.join(sections)}")


def _await(agent: Any, appeared: list[str]) -> None:
    """Waits for the first of what is not there yet, if nothing that was asked for is."""
    if not agent.missing:
        return
    say(f"waiting for {', '.join(agent.missing)}")
    processes = [int(one.split()[1]) for one in agent.missing if one.startswith("process ")]
    while not appeared and not agent.wait(0.05) and not _reader_gone():
        for pid in processes:
            if Path(f"/proc/{pid}").exists():
                appeared.append(str(pid))
                say(f"process {pid} is there")


def _sleep(agent: Any, duration_s: float | None) -> None:
    end = None if duration_s is None else time.monotonic() + duration_s
    while True:
        left = _WATCH_S if end is None else min(_WATCH_S, end - time.monotonic())
        if left <= 0 or agent.wait(left) or _reader_gone():
            return


def _reader_gone() -> bool:
    """Whether stdout is a pipe that nobody reads any more: as after `| head`, when no further event comes to tell."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _conclude(agent: Any) -> None:
    summary = agent.stop()
    failure = agent.failure
    if isinstance(failure, BrokenPipeError):
        return
    lost = sum(summary.lost.values())
    share = 100 * summary.cpu_s / summary.duration_s if summary.duration_s else 0
    causes = ", ".join(f"{cause}: {events:,}" for cause, events in summary.lost.items())
    say(
        f"{summary.delivered:,} events, {lost:,} lost{f' ({causes})' if lost else ''},"
        f" {summary.duration_s:.1f} s, own CPU {summary.cpu_s:.2f} s ({share:.1f} %)"
    )
    if failure is not None:
        raise failure if isinstance(failure, EunomiaError) else EunomiaError(_reason(failure)) from failure


def _reason(failure: BaseException) -> str:
    if isinstance(failure, OSError) and failure.strerror:
        return f"the output cannot be written: {failure.strerror}"
    return f"the run ended: {type(failure).__name__}: {failure}"
