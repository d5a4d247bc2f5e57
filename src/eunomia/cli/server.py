"""`eunomia server`: metrics for Prometheus, until it is ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eunomia.cli import options, values
from eunomia.cli.exporting import Exporting
from eunomia.cli.recording import Recording
from eunomia.cli.run import carry_out, prints
from eunomia.configfile.listen import listen_address

if TYPE_CHECKING:
    from eunomia.config import RunConfig, TrackerConfig


def _listen(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, int] | None:
    try:
        return None if value is None else listen_address(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}", context, option) from error


@click.command(
    epilog="""\b
Examples:
  eunomia server --prometheus            at http://127.0.0.1:10435/metrics
  eunomia server --prometheus --listen 0.0.0.0:10435
  eunomia server --prometheus --config eunomia.toml
  curl -s http://127.0.0.1:10435/metrics | promtool check metrics
"""
)
@click.option("--prometheus", is_flag=True, help="serve metrics: /metrics, /healthz, /readyz")
@click.option(
    "--listen",
    callback=_listen,
    metavar="[ADDR:]PORT",
    help="where; a port alone is for this machine only. Default: 127.0.0.1:10435, or as FILE says",
)
@options.config("what to run instead of the usual trackers, and [prometheus]; see docs/metrics.md")
@options.verbose()
@click.pass_context
def command(
    context: click.Context, prometheus: bool, listen: tuple[str, int] | None, file: Path | None, verbose: bool
) -> None:
    """Serve metrics of all containers to Prometheus, in the foreground, until Ctrl-C or SIGTERM."""
    if not prometheus:
        raise click.UsageError("say what to serve: --prometheus", context)
    from eunomia.cli.configured import sinks_of
    from eunomia.config import PrometheusConfig

    run = _run_of(file)
    served = run.prometheus or PrometheusConfig()
    if listen is not None:
        served = replace(served, listen=listen)
    recording = Recording(None, None, None, run.agent)
    with Exporting(served) as exporting, sinks_of(run) as make_sink:
        carry_out(run.agent, make_sink, recording, exporting, run.duration_s, prints=prints(run), verbose=verbose)


def _run_of(file: Path | None) -> RunConfig:
    from eunomia.cli.loading import load_run
    from eunomia.config import AgentConfig, RunConfig

    if file is not None:
        return load_run(file, usual())
    trackers = usual()
    return RunConfig(AgentConfig(trackers, docker_host=values.docker_host()), {}, {one.label: () for one in trackers})


def usual() -> tuple[TrackerConfig, ...]:
    """The trackers that run when nobody names any: all that count something."""
    from eunomia.config import TrackerConfig
    from eunomia.trackers import registry

    return tuple(TrackerConfig(name, registry.get(name).metrics_options) for name in registry.counting())
