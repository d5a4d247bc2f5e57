"""The second level: one container, or a few side by side."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.grafana.source.vocabulary import (
    CONTAINER,
    NAME,
    RATE,
    WHERE,
    Panel,
    alerts,
    number,
    page,
    query,
    rate,
    series,
)

_ID = "container_id, container_name, instance"


def _rate(metric: str, *by: str) -> str:
    return rate(metric, ", ".join((*by, _ID)))


def _last(metric: str) -> str:
    return f"sum by ({_ID}) ({metric}{{{WHERE}}})"


def _quantile(share: float, histogram: str, *by: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{histogram}_bucket', *by, 'le')})"


def build() -> Dashboard:
    described = "What a container does and what it uses. Red lines are alerts."
    made = page(CONTAINER, "Eunomia / Container", described)
    for title, panels in (
        ("Now", _now()),
        ("Resources", _resources()),
        ("Processes and system calls", _processes()),
        ("Files and devices", _files()),
        ("Network", _network()),
    ):
        made = made.with_row(Row(title))
        for panel in panels:
            made = made.with_panel(panel)
    return made


def _now() -> tuple[Panel, ...]:
    return (
        number("CPU", "cores used", "none", f"sum(rate(eunomia_container_cpu_seconds_total{{{WHERE}}}[{RATE}]))"),
        number(
            "Throttled",
            "share of the scheduler's periods in which it had to wait for its quota",
            "percentunit",
            f"sum(rate(eunomia_container_cpu_throttled_periods_total{{{WHERE}}}[{RATE}]))"
            f" / clamp_min(sum(rate(eunomia_container_cpu_periods_total{{{WHERE}}}[{RATE}])), 0.001)",
            bad_from=0.25,
        ),
        number(
            "Memory",
            "working set",
            "bytes",
            f"sum(eunomia_container_memory_working_set_bytes{{{WHERE}}})",
        ),
        number(
            "Of its limit",
            "working set to the limit, the fullest container",
            "percentunit",
            f"max(sum by ({_ID}) (eunomia_container_memory_working_set_bytes{{{WHERE}}})"
            f" / (sum by ({_ID}) (eunomia_container_memory_limit_bytes{{{WHERE}}}) > 0)) or vector(0)",
            bad_from=0.9,
        ),
        number("Tasks", "processes and threads", "none", f"sum(eunomia_container_pids{{{WHERE}}})"),
        alerts(),
    )


def _resources() -> tuple[Panel, ...]:
    return (
        series(
            "CPU",
            "cores used",
            "none",
            query(_rate("eunomia_container_cpu_seconds_total", "mode"), "{{mode}} " + NAME),
            stacked=True,
        ),
        series(
            "CPU withheld",
            "seconds a second in which a quota kept tasks from running",
            "s",
            query(_rate("eunomia_container_cpu_throttled_seconds_total"), NAME),
        ),
        series(
            "Memory",
            "in use, working set, limit",
            "bytes",
            query(_last("eunomia_container_memory_usage_bytes"), "in use " + NAME),
            query(_last("eunomia_container_memory_working_set_bytes"), "working set " + NAME),
            query(f"{_last('eunomia_container_memory_limit_bytes')} > 0", "limit " + NAME),
        ),
        series(
            "Memory refused",
            "times a second that the limit was hit, and processes killed for it",
            "ops",
            query(_rate("eunomia_container_memory_failures_total"), "limit hit " + NAME),
            query(_rate("eunomia_oom_kills_total"), "killed " + NAME),
        ),
        series(
            "Pressure",
            "share of time in which tasks waited: some of them, or all (full)",
            "percentunit",
            query(_rate("eunomia_container_pressure_seconds_total", "resource, kind"), "{{resource}} {{kind}} " + NAME),
        ),
        series("Tasks", "processes and threads", "none", query(_last("eunomia_container_pids"), NAME)),
    )


def _processes() -> tuple[Panel, ...]:
    return (
        series(
            "Programs run",
            "a second; and those that could not be",
            "ops",
            query(_rate("eunomia_process_execs_total"), "run " + NAME),
            query(_rate("eunomia_process_exec_failures_total", "error"), "{{error}} " + NAME),
        ),
        series(
            "Processes ended",
            "a second, by how they ended",
            "ops",
            query(_rate("eunomia_process_exits_total", "kind"), "{{kind}} " + NAME),
            stacked=True,
        ),
        series(
            "System calls",
            "a second, the ten most frequent",
            "ops",
            query(f"topk(10, {_rate('eunomia_syscalls_total', 'syscall')})", "{{syscall}} " + NAME),
        ),
        series(
            "System calls that fail",
            "a second, the ten most frequent",
            "ops",
            query(
                f"topk(10, {_rate('eunomia_syscall_errors_total', 'syscall, error')})", "{{syscall}} {{error}} " + NAME
            ),
        ),
        series(
            "Between processes",
            "operations a second",
            "ops",
            query(_rate("eunomia_ipc_operations_total", "kind"), "{{kind}} " + NAME),
        ),
        series("Signals", "a second", "ops", query(_rate("eunomia_signals_total", "signal"), "{{signal}} " + NAME)),
    )


def _files() -> tuple[Panel, ...]:
    return (
        series(
            "File operations",
            "a second",
            "ops",
            query(_rate("eunomia_file_opens_total"), "open " + NAME),
            query(_rate("eunomia_file_reads_total"), "read " + NAME),
            query(_rate("eunomia_file_writes_total"), "write " + NAME),
            query(_rate("eunomia_file_deletes_total"), "delete " + NAME),
            query(_rate("eunomia_file_renames_total"), "rename " + NAME),
        ),
        series(
            "File contents",
            "bytes a second",
            "Bps",
            query(_rate("eunomia_file_read_bytes_total"), "read " + NAME),
            query(_rate("eunomia_file_written_bytes_total"), "written " + NAME),
        ),
        series(
            "Block devices",
            "bytes a second that reach a device",
            "Bps",
            query(_rate("eunomia_container_block_read_bytes_total"), "read " + NAME),
            query(_rate("eunomia_container_block_written_bytes_total"), "written " + NAME),
        ),
        series(
            "Block device latency",
            "from the request to its end, 99 of 100 are faster",
            "s",
            query(_quantile(0.99, "eunomia_block_io_seconds", "operation"), "{{operation}} " + NAME),
        ),
    )


def _network() -> tuple[Panel, ...]:
    return (
        series(
            "Connections",
            "TCP connections a second",
            "ops",
            query(_rate("eunomia_tcp_connections_total", "event"), "{{event}} " + NAME),
            query(_rate("eunomia_tcp_failures_total", "reason"), "{{reason}} " + NAME),
        ),
        series(
            "Time to connect",
            "half are faster, 99 of 100 are",
            "s",
            query(_quantile(0.5, "eunomia_tcp_connect_seconds"), "half " + NAME, exemplars=True),
            query(_quantile(0.99, "eunomia_tcp_connect_seconds"), "99 % " + NAME, exemplars=True),
        ),
        series(
            "Over TCP",
            "bytes a second of connections that have ended",
            "Bps",
            query(_rate("eunomia_tcp_sent_bytes_total"), "sent " + NAME),
            query(_rate("eunomia_tcp_received_bytes_total"), "received " + NAME),
        ),
        series(
            "Sent again",
            "segments a second; and connections that a reset ended",
            "ops",
            query(_rate("eunomia_tcp_retransmits_total"), "retransmits " + NAME),
            query(_rate("eunomia_tcp_resets_total"), "resets " + NAME),
        ),
        series(
            "Interfaces",
            "bytes a second through the container's own interfaces",
            "Bps",
            query(_rate("eunomia_container_network_receive_bytes_total"), "received " + NAME),
            query(_rate("eunomia_container_network_transmit_bytes_total"), "sent " + NAME),
            width=24,
        ),
    )
