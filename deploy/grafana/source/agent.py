"""The agent's own health: what it sees, what it loses, what it costs."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.source.vocabulary import AGENT, RATE, number, page, query, rate, series

_NODE = 'instance=~"$node"'


def _rate(metric: str, by: str) -> str:
    return rate(metric, f"{by}, instance", _NODE)


def build() -> Dashboard:
    made = page(AGENT, "Eunomia / Agent", "Whether Eunomia itself is well on each machine.", containers=False)
    for panel in (
        number("Agents", "that answer", "none", f"count(eunomia_build_info{{{_NODE}}})"),
        number("Events", "a second", "ops", f"sum(rate(eunomia_events_total{{{_NODE}}}[{RATE}]))"),
        number(
            "Lost",
            "events a second",
            "ops",
            f"sum(rate(eunomia_events_lost_total{{{_NODE}}}[{RATE}])) or vector(0)",
            bad_from=0.001,
        ),
        number("CPU", "cores used", "none", f'sum(rate(process_cpu_seconds_total{{{_NODE}, job="eunomia"}}[{RATE}]))'),
        number("Memory", "resident", "bytes", f'sum(process_resident_memory_bytes{{{_NODE}, job="eunomia"}})'),
        number("Containers", "known", "none", f"sum(eunomia_containers{{{_NODE}}})"),
        series(
            "Events",
            "a second, by tracker",
            "ops",
            query(_rate("eunomia_events_total", "tracker"), "{{tracker}} {{instance}}"),
        ),
        series(
            "Lost",
            "events a second, by tracker and cause",
            "ops",
            query(
                f"{_rate('eunomia_events_lost_total', 'tracker, cause')} or vector(0)",
                "{{tracker}} {{cause}} {{instance}}",
            ),
        ),
        series(
            "Queues",
            "events that wait for a sink",
            "none",
            query(f"max by (queue, instance) (eunomia_queue_events{{{_NODE}}})", "{{queue}} {{instance}}"),
        ),
        series(
            "Rings",
            "share in use",
            "percentunit",
            query(
                f"max by (tracker, instance) (eunomia_ring_used_bytes{{{_NODE}}} / eunomia_ring_bytes{{{_NODE}}})",
                "{{tracker}} {{instance}}",
            ),
        ),
        series(
            "Handlers",
            "seconds a second that each step takes",
            "s",
            query(_rate("eunomia_handler_seconds_total", "handler"), "{{handler}} {{instance}}"),
        ),
        series(
            "Series",
            "that are exported, by metric: the ten with most",
            "none",
            query(f"topk(10, max by (metric, instance) (eunomia_metric_series{{{_NODE}}}))", "{{metric}} {{instance}}"),
        ),
        series(
            "Over the bound",
            "values a second that went to the series `other` since a metric had its most series",
            "ops",
            query(f"{_rate('eunomia_metric_overflow_total', 'metric')} or vector(0)", "{{metric}} {{instance}}"),
        ),
        series(
            "Sent metrics",
            "samples a second that were taken by remote write or OTLP; none where metrics are only asked for",
            "ops",
            query(_rate("eunomia_push_samples_total", "receiver"), "{{receiver}} {{instance}}"),
        ),
        series(
            "Not sent yet",
            "samples that wait in memory for a receiver; requests a minute that failed and are sent again",
            "none",
            query(
                f"max by (receiver, instance) (eunomia_push_waiting_samples{{{_NODE}}})",
                "{{receiver}} waiting {{instance}}",
            ),
            query(f"60 * {_rate('eunomia_push_retries_total', 'receiver')}", "{{receiver}} retries {{instance}}"),
        ),
        series(
            "Never sent",
            "samples a second that were dropped, by receiver and cause",
            "ops",
            query(
                _rate("eunomia_push_dropped_samples_total", "receiver, cause"), "{{receiver}} {{cause}} {{instance}}"
            ),
        ),
        series(
            "CPU and memory",
            "cores used; resident memory in GB",
            "none",
            query(
                f'sum by (instance) (rate(process_cpu_seconds_total{{{_NODE}, job="eunomia"}}[{RATE}]))',
                "cores {{instance}}",
            ),
            query(
                f'sum by (instance) (process_resident_memory_bytes{{{_NODE}, job="eunomia"}}) / 1e9', "GB {{instance}}"
            ),
        ),
    ):
        made = made.with_panel(panel)
    return made
