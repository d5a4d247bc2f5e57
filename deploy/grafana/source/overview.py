"""The first level: all containers of all machines."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.grafana.source.vocabulary import (
    BY,
    NAME,
    OVERVIEW,
    RATE,
    WHERE,
    Panel,
    alerts,
    more,
    now,
    number,
    page,
    query,
    rate,
    rows,
    series,
)

_TOP = 10


def _rate(metric: str) -> str:
    return rate(metric, BY)


def _top(expression: str) -> str:
    return f"topk({_TOP}, {expression})"


def _last(metric: str) -> str:
    return rate(metric, BY, window="5m")


def build() -> Dashboard:
    made = page(OVERVIEW, "Eunomia / Containers", "All containers at a glance; a container's id leads to its own page.")
    for panel in (*_numbers(), _table()):
        made = made.with_panel(panel)
    made = made.with_row(Row("The busiest"))
    for panel in _busiest():
        made = made.with_panel(panel)
    return made


def _numbers() -> tuple[Panel, ...]:
    return (
        number(
            "Containers",
            "that run now",
            "none",
            f'count(count by (container_id, instance) (eunomia_container_pids{{{WHERE}, container_id!="host"}}))',
        ),
        alerts(),
        number(
            "Processes started",
            "programs run a second",
            "ops",
            f"sum(rate(eunomia_process_execs_total{{{WHERE}}}[{RATE}]))",
        ),
        number(
            "Connections",
            "TCP connections made and accepted a second",
            "ops",
            f"sum(rate(eunomia_tcp_connections_total{{{WHERE}}}[{RATE}]))",
        ),
        number(
            "Killed for memory",
            "processes that the kernel killed in the last hour because their container had no memory left",
            "none",
            f"sum{more('eunomia_oom_kills_total', '1h')} or vector(0)",
            bad_from=1,
        ),
        number(
            "Events lost",
            "share of all events in the last hour; 0 is what it should be",
            "percentunit",
            '(sum(increase(eunomia_events_lost_total{instance=~"$node"}[1h])) or vector(0))'
            ' / clamp_min(sum(increase(eunomia_events_total{instance=~"$node"}[1h])), 1)',
            bad_from=0.0001,
        ),
    )


def _table() -> Panel:
    columns = {
        "CPU": now(_last("eunomia_container_cpu_seconds_total"), as_table=True),
        "Memory": now(f"sum by ({BY}) (eunomia_container_memory_working_set_bytes{{{WHERE}}})", as_table=True),
        "Execs": now(_last("eunomia_process_execs_total"), as_table=True),
        "Calls": now(_last("eunomia_syscalls_total"), as_table=True),
        "Written": now(_last("eunomia_file_written_bytes_total"), as_table=True),
        "Connections": now(_last("eunomia_tcp_connections_total"), as_table=True),
        "Alerts": now(f"sum by ({BY}) {more('eunomia_alerts_total', '1h')}", as_table=True),
    }
    units = {"CPU": "none", "Memory": "bytes", "Execs": "ops", "Calls": "ops", "Written": "Bps", "Connections": "ops"}
    described = "Each container now: cores, working set and rates of the last five minutes, alerts of the last hour."
    return rows("Containers", described, columns, units=units, width=24)


def _busiest() -> tuple[Panel, ...]:
    return (
        series(
            "CPU",
            "cores used",
            "none",
            query(_top(_rate("eunomia_container_cpu_seconds_total")), NAME),
            stacked=True,
        ),
        series(
            "Memory",
            "working set: what cannot be reclaimed easily",
            "bytes",
            query(_top(f"sum by ({BY}) (eunomia_container_memory_working_set_bytes{{{WHERE}}})"), NAME),
            stacked=True,
        ),
        series("System calls", "a second", "ops", query(_top(_rate("eunomia_syscalls_total")), NAME)),
        series("Programs run", "a second", "ops", query(_top(_rate("eunomia_process_execs_total")), NAME)),
        series(
            "Written to files", "bytes a second", "Bps", query(_top(_rate("eunomia_file_written_bytes_total")), NAME)
        ),
        series("Sent over TCP", "bytes a second", "Bps", query(_top(_rate("eunomia_tcp_sent_bytes_total")), NAME)),
        series(
            "Pressure",
            "share of time in which some task waited for a resource",
            "percentunit",
            query(
                _top(rate("eunomia_container_pressure_seconds_total", f"resource, {BY}", f'{WHERE}, kind="some"')),
                "{{resource}} " + NAME,
            ),
        ),
        series(
            "Alerts",
            "by level, in five minutes",
            "none",
            query(f"sum by (level) {more('eunomia_alerts_total', '5m')}", "{{level}}"),
            stacked=True,
        ),
    )
