"""`--record`: a run's events into a record, beside whatever else becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from eunomia.agent import SinkFactory
from eunomia.cli import options, values
from eunomia.cli.terminal import say
from eunomia.config import AgentConfig, TrackerConfig
from eunomia.errors import EunomiaError
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.sinks.record import Bounds, Recorder
from eunomia.trackers.declaration import Tracker


def _of_a_record(convert: Callable[[click.Context, click.Parameter, Any], Any]) -> Callable[..., Any]:
    """Refuses a bound of a record where there is none."""

    def check(context: click.Context, option: click.Parameter, value: Any) -> Any:
        given = option.name and context.get_parameter_source(option.name) is not click.core.ParameterSource.DEFAULT
        if given and context.params.get("record") is None:
            raise click.BadParameter("there is no record to bound: it goes with --record DIR", context, option)
        return convert(context, option, value)

    return check


recorded = options.all_of(
    click.option(
        "--record",
        callback=values.directory,
        is_eager=True,  # its bounds ask for it
        metavar="DIR",
        help="also record there, for replay, query and report; with --fmt none only that",
    ),
    click.option(
        "--record-max-bytes",
        callback=_of_a_record(values.size),
        metavar="SIZE",
        default="10G",
        show_default=True,
        help="the oldest of the record goes when there is more",
    ),
    click.option(
        "--record-max-age",
        callback=_of_a_record(values.age),
        metavar="AGE",
        help="what is older goes, as 12h or 7d",
    ),
)


class Recording:
    """The record of a run.

    Args:
        directory: where; None for no record.
        max_bytes, max_age_s: its bounds.
        config: the run.

    Raises:
        UsageError: it cannot be written there.
    """

    def __init__(
        self, directory: Path | None, max_bytes: int | None, max_age_s: float | None, config: AgentConfig
    ) -> None:
        self._config = config
        self._recorder = None if directory is None else Recorder(directory, Bounds(max_bytes, max_age_s))

    def beside(self, make_sink: SinkFactory) -> SinkFactory:
        """Makes the same sinks with a recording one next to each."""
        recorder = self._recorder
        if recorder is None:
            return make_sink

        def make(config: TrackerConfig, tracker: Tracker, schema: Schema) -> Handler | Mapping[str, Handler]:
            shown = make_sink(config, tracker, schema)
            with ExitStack() as undo:
                for sink in (shown,) if isinstance(shown, Handler) else shown.values():
                    undo.callback(sink.close)
                recording = recorder.sink(config.tracker, schema, config.options, self._config.filter_of(config).given)
                undo.pop_all()
            return {**({"output": shown} if isinstance(shown, Handler) else shown), "--record": recording}

        return make

    def know(self, containers: Callable[[], list[dict[str, str | None]]]) -> None:
        """Notes what is known of the containers just now."""
        if self._recorder is not None:
            self._recorder.know(containers())

    def close(self, summary: Any = None, containers: Iterable[Mapping[str, Any]] = ()) -> None:
        """Ends the record; says what went from it, and what could not be written. None: the run did not start."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            recorder.close(None if summary is None else asdict(summary), containers)
        except EunomiaError as error:
            say(f"note: {error}")
        removed = recorder.removed
        if removed.files:
            say(
                f"note: {removed.files:,} of the oldest files of the record, with {removed.events:,} events, were"
                f" removed to keep it within its bounds (--record-max-bytes, --record-max-age)"
            )
