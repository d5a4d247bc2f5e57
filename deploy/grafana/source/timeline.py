"""The third level: when something was out of the ordinary, and which rules were met."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.source.vocabulary import BY, NAME, TIMELINE, WHERE, more, now, page, query, rows, series, states


def _alerts(by: str, window: str) -> str:
    return f"sum by ({by}) {more('eunomia_alerts_total', window)}"


def build() -> Dashboard:
    described = "Alerts by rule, and rates that are far from what they were in the hour before (recording rules)."
    made = page(TIMELINE, "Eunomia / Timeline", described)
    for panel in (
        states(
            "Rules met",
            "alerts in each minute, by rule and container",
            query(f"{_alerts('rule, container_id, container_name', '1m')} > 0", "{{rule}} " + NAME),
            bad_from=1,
        ),
        series(
            "Alerts",
            "by level, in each minute",
            "none",
            query(_alerts("level", "1m"), "{{level}}"),
            stacked=True,
            width=24,
        ),
        *(
            series(
                title,
                "standard deviations from the mean of the hour before",
                "none",
                query(f"abs(eunomia:{name}:zscore{{{WHERE}}})", NAME),
            )
            for title, name in (
                ("Unusual: programs run", "container_execs"),
                ("Unusual: system calls", "container_syscalls"),
                ("Unusual: connections", "container_tcp_connections"),
                ("Unusual: bytes written", "container_file_written_bytes"),
                ("Unusual: CPU", "container_cpu"),
                ("Unusual: failing calls", "container_syscall_errors"),
            )
        ),
        rows(
            "Alerts of the last hour",
            "by rule and container",
            {"Alerts": now(f"{_alerts(f'rule, level, {BY}', '1h')} > 0", as_table=True)},
            units={},
            width=24,
        ),
    ):
        made = made.with_panel(panel)
    return made
