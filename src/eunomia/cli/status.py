"""`eunomia status`: how the daemon goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from eunomia.cli.terminal import plain, print_table

Row = tuple[str, ...]


@click.command(
    epilog="""\b
Examples:
  eunomia status
  eunomia status --fmt json | jq .health.state
"""
)
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    default="/run/eunomia/status.sock",
    show_default=True,
    metavar="PATH",
    help="where the daemon answers",
)
@click.option("--fmt", type=click.Choice(("text", "json")), default="text", help="text, or everything as JSON")
def command(socket: Path, fmt: str) -> None:
    """Ask the daemon how it goes. Exit code 1 when none answers or all is not well."""
    from eunomia.daemon.status import ask

    told = ask(socket)
    if fmt == "json":
        click.echo(json.dumps(told))
    else:
        _print(told)
    raise SystemExit(0 if told["health"]["state"] == "ok" else 1)


def _print(told: dict[str, Any]) -> None:
    health, rules = told["health"], told["rules"]
    click.echo(f"eunomia {told['version']} on {plain(told['node'])}, pid {told['pid']}, up {_span(told['uptime_s'])}")
    click.echo(f"health: {health['state']}")
    for reason in health["reasons"]:
        click.echo(f"  {plain(reason)}")
    reload = told["last_reload"]
    if reload is not None:
        what = "done" if reload["ok"] else "refused"
        click.echo(f"last reload: {_time(reload['time_s'])}, {what}: {plain(reload['message'])}")
    click.echo(f"rules: {rules['enabled']} in use of {rules['loaded']}")
    for what, times in told["missed"].items():
        click.echo(f"{plain(what)}: {times:,}")
    for warning in rules["warnings"]:
        click.echo(f"  {plain(warning)}")
    for headings, rows in (
        (("tracker", "events", "filtered", "rules s", "lost"), list(_trackers(told))),
        (("queue", "waiting", "MiB", "of MiB", "busy s"), list(_queues(told))),
        (("thread", "handler", "busy s"), list(_handlers(told))),
        (("alerts to", "type", "delivered", "retried", "waiting", "dropped", "error"), list(_alerts(told))),
        (("events to", "delivered", "retried", "waiting", "dropped", "error"), list(_databases(told))),
        (("metrics by", "taken", "retried", "waiting", "dropped", "error"), list(_pushes(told))),
        (("rule", "fired", "alerts", "merged", "over its rate"), list(_rules(rules))),
    ):
        if rows:
            click.echo("")
            print_table(headings, rows)


def _trackers(told: dict[str, Any]) -> Iterator[Row]:
    for one in told["trackers"]:
        seconds = told["rules"]["seconds"].get(one["tracker"], 0)
        yield one["tracker"], f"{one['emitted']:,}", f"{one['filtered']:,}", f"{seconds:.2f}", _causes(one["lost"])


def _queues(told: dict[str, Any]) -> Iterator[Row]:
    for one in told["queues"]:
        size, most = (f"{one[name] / 2**20:.1f}" for name in ("bytes", "max_bytes"))
        yield one["name"], f"{one['depth']:,}", size, most, f"{one['busy_s']:.2f}"


def _handlers(told: dict[str, Any]) -> Iterator[Row]:
    for thread, handlers in told["handlers"].items():
        for handler, seconds in sorted(handlers.items(), key=lambda one: -one[1]):
            yield thread, handler, f"{seconds:.2f}"


def _alerts(told: dict[str, Any]) -> Iterator[Row]:
    for one in told["alerts"]:
        numbers = (f"{one[name]:,}" for name in ("delivered", "retried", "spooled"))
        yield one["name"], one["type"], *numbers, _causes(one["dropped"]), one["error"] or "-"


def _databases(told: dict[str, Any]) -> Iterator[Row]:
    for one in told["databases"]:
        numbers = (f"{one[name]:,}" for name in ("delivered", "retried", "spooled"))
        yield one["name"], *numbers, _causes(one["dropped"]), one["error"] or "-"


def _pushes(told: dict[str, Any]) -> Iterator[Row]:
    for one in told["pushes"]:
        numbers = (f"{one[name]:,}" for name in ("taken", "retried", "waiting"))
        yield one["name"], *numbers, _causes(one["dropped"]), one["error"] or "-"


def _rules(rules: dict[str, Any]) -> Iterator[Row]:
    numbers = [rules[which] for which in ("fired", "told", "merged", "rate_limited")]
    for name in sorted({**rules["told"], **rules["fired"]}, key=lambda name: (-rules["fired"].get(name, 0), name)):
        yield name, *(f"{one.get(name, 0):,}" for one in numbers)


def _causes(lost: dict[str, int]) -> str:
    return ", ".join(f"{cause}: {number:,}" for cause, number in lost.items()) or "0"


def _span(seconds: float) -> str:
    minutes, hours = int(seconds) // 60, int(seconds) // 3600
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {int(seconds) % 60} s"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
