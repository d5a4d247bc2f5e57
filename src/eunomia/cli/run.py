"""`eunomia run TRACKER`: a command for each tracker, made from its declaration."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from eunomia.cli import options, values
from eunomia.cli.exporting import Exporting
from eunomia.cli.memory import forget_the_start
from eunomia.cli.output import FORMATS, Wrapper, choose_format, sink_factory
from eunomia.cli.recording import Recording, recorded
from eunomia.cli.stopping import Stop
from eunomia.cli.terminal import say
from eunomia.errors import EunomiaError, LoadError, UsageError
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch
from eunomia.trackers import registry
from eunomia.trackers.declaration import Option, Tracker

if TYPE_CHECKING:
    from eunomia.config import RunConfig

_WATCH_S = 0.2

_common = options.all_of(
    options.container("only this container: id, beginning of an id, or name"),
    options.pid("only this process, by its number on the host"),
    click.option("--children", is_flag=True, help="with -p: also what it starts, and what that starts"),
    options.UID,
    click.option("--cgroup", multiple=True, metavar="PATH", help="only this cgroup and those below it"),
    options.MNTNS,
    options.PIDNS,
    options.WAIT,
    options.duration("end after so long; with --wait counted from when the first one has come"),
    click.option("--fmt", type=click.Choice(FORMATS), help="without it FILE's ending decides, else it is a table"),
    options.OUTPUT,
    options.COLUMNS,
    recorded,
    click.option(
        "--ring-bytes", type=int, callback=values.ring_bytes, metavar="BYTES", help="size of the kernel's buffer"
    ),
    options.verbose(),
    click.option(
        "--config", hidden=True, expose_value=False, callback=values.no_config, help="a file names its trackers itself"
    ),
)


def _parameter(option: Option) -> click.Option:
    if isinstance(option.default, bool):
        flags, kind = f"--{option.name}/--no-{option.name}", click.BOOL
        return click.Option([flags], default=option.default, help=option.description, show_default=True, type=kind)
    if isinstance(option.default, tuple):
        return click.Option(
            [f"--{option.name}"],
            multiple=True,
            metavar=option.metavar or "A,B,…",
            help=option.description,
            shell_complete=lambda _context, _parameter, text: _complete(option, text),
        )
    kinds: dict[type, click.ParamType[Any]] = {
        int: click.IntRange(None if option.minimum is None else int(option.minimum), option.maximum),
        float: values.Number(option.minimum, option.maximum),
        str: click.Choice(option.choices) if option.choices else click.STRING,
    }
    return click.Option(
        [f"--{option.name}"],
        type=kinds[type(option.default)],
        default=option.default,
        metavar=option.metavar,
        help=option.description,
    )


def _complete(option: Option, text: str) -> list[CompletionItem]:
    """Of a list with commas the last part is completed."""
    before, comma, part = text.rpartition(",")
    return [CompletionItem(before + comma + choice) for choice in option.choices if choice.startswith(part)]


class _Run(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(registry.names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        try:
            name = registry.resolve(cmd_name)
        except UsageError as error:
            if ctx.resilient_parsing:  # a shell's completion, which has no use for an error
                return None
            raise click.UsageError(str(error), ctx) from error
        return _command(name, registry.get(name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Trackers"):
            formatter.write_dl([(name, registry.get(name).description) for name in registry.names()])


_EXAMPLES = """\b
Examples:
  eunomia run {name}
  eunomia run {name} -c web -T 30 -o record.parquet
  eunomia trackers {name}                   what the columns mean
"""


def _command(name: str, tracker: Tracker) -> click.Command:
    def callback(**given: Any) -> None:
        own = {option.key: given.pop(option.key) for option in tracker.options}
        _run(name, own, **given)

    description = tracker.description[0].upper() + tracker.description[1:]
    decorate = click.command(name, help=description + ".", epilog=_EXAMPLES.format(name=name))
    made: click.Command = decorate(_common(callback))
    made.params = [*(_parameter(option) for option in tracker.options), *made.params]
    return made


@click.command(
    cls=_Run,
    invoke_without_command=True,
    no_args_is_help=True,
    epilog="""\b
Examples:
  eunomia run process                        everything, live
  eunomia run process -c web -c db           two containers
  eunomia run process -p 4242 --children     a process and all it starts
  eunomia run process --wait -c web -T 30    from a container's first step
  eunomia run process --fmt json | jq .args
  eunomia run process -o events.parquet
  eunomia run process --record DIR --fmt none
  eunomia run --config eunomia.toml          several trackers at once
""",
    subcommand_metavar="[TRACKER [OPTIONS]]",
)
@options.config("run what this file says; see `eunomia config --help`")
@options.duration("with --config: end after so long, whatever the file says")
@recorded
@options.verbose("with --config: ")
@click.pass_context
def command(
    context: click.Context,
    file: Path | None,
    duration_s: float | None,
    record: Path | None,
    record_max_bytes: int | None,
    record_max_age: float | None,
    verbose: bool,
) -> None:
    """Run a tracker, or with --config several, and print what they see, until Ctrl-C or the time is up."""
    if context.invoked_subcommand is None:
        if file is None:
            raise click.UsageError("name a tracker, or a file with --config FILE", context)
        _run_file(file, duration_s, (record, record_max_bytes, record_max_age), verbose=verbose)
    elif file is not None:
        raise click.UsageError(f"--config says what to run: leave out {context.invoked_subcommand!r}", context)
    elif duration_s is not None or record is not None or verbose:
        raise click.UsageError(
            f"options of a tracker stand behind it: eunomia run {context.invoked_subcommand} …", context
        )


def _run_file(
    file: Path, duration_s: float | None, record: tuple[Path | None, int | None, float | None], *, verbose: bool
) -> None:
    from eunomia.cli.configured import sinks_of
    from eunomia.cli.loading import load_run

    run = load_run(file)
    recording = Recording(*record, run.agent)
    with sinks_of(run) as make_sink, Exporting(run.prometheus) as exporting:
        carry_out(
            run.agent,
            make_sink,
            recording,
            exporting,
            duration_s or run.duration_s,
            prints=prints(run),
            verbose=verbose,
        )


def prints(run: RunConfig) -> bool:
    """Whether events of a configured run go to stdout."""
    return any(sink.file is None for name, sink in run.sinks.items() if run.sources(name))


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
    record: Path | None,
    record_max_bytes: int | None,
    record_max_age: float | None,
    ring_bytes: int | None,
    verbose: bool,
) -> None:
    if children and not pid:
        raise click.UsageError("--children goes with -p: it watches what those processes start")
    from eunomia.config import AgentConfig, FilterConfig, TrackerConfig

    config = AgentConfig(
        (TrackerConfig(name, options, ring_bytes),),
        FilterConfig(container, cgroup, pid, children, uid, mntns, pidns, wait),
        values.docker_host(),
    )
    chosen = choose_format(fmt, output)
    make_sink = sink_factory(chosen, output, columns)
    recording = Recording(record, record_max_bytes, record_max_age, config)
    shown = output is None and chosen != "none"
    carry_out(config, make_sink, recording, Exporting(None), duration_s, prints=shown, verbose=verbose)


def carry_out(
    config: Any,
    make_sink: Any,
    recording: Recording,
    exporting: Exporting,
    duration_s: float | None,
    *,
    prints: bool,
    verbose: bool,
) -> None:
    """Runs trackers until the time is up, a signal comes or, when events are printed, nobody reads them any more.

    Raises:
        EunomiaError: it cannot run, or what ended it.
    """
    try:
        with Stop(reader=prints) as stop:
            _watch(config, make_sink, recording, exporting, stop, duration_s, verbose=verbose)
    except LoadError as error:
        if verbose and error.log:
            click.echo(error.log, err=True)
        raise
    finally:
        recording.close()


class _Watched(Wrapper):
    """Tells of each batch: with -p an event says that a process is there, however short it lived."""

    def __init__(self, sink: Handler, tell: Callable[[], None]) -> None:
        super().__init__(sink)
        self._tell = tell

    def handle(self, batch: Batch) -> Batch | None:
        self._tell()
        return super().handle(batch)


def _watch(
    config: Any,
    make_shown: Any,
    recording: Recording,
    exporting: Exporting,
    stop: Stop,
    duration_s: float | None,
    *,
    verbose: bool,
) -> None:
    from eunomia.agent import Agent

    appeared: list[str] = []
    make_sink = exporting.beside(recording.beside(make_shown))

    def on_appear(name: str) -> None:
        if name not in appeared:
            appeared.append(name)
            say(f"{name} is there")

    def watched(*made_from: Any) -> Any:
        made = make_sink(*made_from)
        if isinstance(made, Handler):
            return _Watched(made, tell)
        return {name: _Watched(sink, tell) for name, sink in made.items()}

    def tell() -> None:
        if not appeared:
            appeared.append("an event")

    waits = any(asked.wait for asked in config.filters)
    with Agent(config, watched if waits else make_sink, on_appear=on_appear, on_container=exporting.note) as agent:
        if verbose:
            say_ways(agent.ways())
        exporting.watch(agent.insight)
        if agent.missing:
            _await(agent, stop, appeared, config.awaited)
        recording.know(agent.containers)
        forget_the_start()
        _sleep(agent, stop, duration_s)
        exporting.close()
        summary = agent.stop()
        recording.close(summary, agent.containers())
    conclude(summary, agent.failure, quiet=stop.reader_gone)


def say_ways(ways: dict[str, tuple[Any, ...]]) -> None:
    """Says by which hooks it watches."""
    for of, trials in ways.items():
        for trial in trials:
            sections = ", ".join(trial.sections)
            if trial.reason is None:
                say(f"{of}: {trial.hook.name} by {sections}")
            else:  # first what was refused, last the verifier's reason
                told = [line.strip() for line in trial.reason.splitlines()]
                say(f"{of}: {trial.hook.name} not by {sections}: {'; '.join(dict.fromkeys((told[0], told[-1])))}")


def _await(agent: Any, stop: Stop, appeared: list[str], asked: int | None) -> None:
    """Waits for the first of what is not there yet, if nothing that was asked for is."""
    say(f"waiting for {', '.join(agent.missing)}")
    processes = [int(one.split()[1]) for one in agent.missing if one.startswith("process ")]
    if asked is None or len(agent.missing) < asked:
        return
    while not appeared and not agent.wait(0) and not stop.wait(0.05):
        for pid in processes:
            if Path(f"/proc/{pid}").exists():
                appeared.append(str(pid))
                say(f"process {pid} is there")


def _sleep(agent: Any, stop: Stop, duration_s: float | None) -> None:
    end = None if duration_s is None else time.monotonic() + duration_s
    while not agent.wait(0):
        left = _WATCH_S if end is None else min(_WATCH_S, end - time.monotonic())
        if left <= 0 or stop.wait(left):
            return


def conclude(summary: Any, failure: BaseException | None, *, quiet: bool) -> None:
    """Says what became of a run.

    Raises:
        EunomiaError: what ended it.
    """
    if quiet or isinstance(failure, BrokenPipeError):
        return
    from eunomia.cli.configured import events, say_accounts

    say_accounts(summary)
    share = 100 * summary.cpu_s / summary.duration_s if summary.duration_s else 0
    say(
        f"{events(summary.delivered, summary.lost, summary.filtered)},"
        f" {summary.duration_s:.1f} s, own CPU {summary.cpu_s:.2f} s ({share:.1f} %)"
    )
    for what, times in summary.missed.items():
        say(f"note: {what}: {times:,} times; what happened there was not seen, or not told whose it was")
    if failure is not None:
        raise failure if isinstance(failure, EunomiaError) else EunomiaError(_reason(failure)) from failure


def _reason(failure: BaseException) -> str:
    if isinstance(failure, OSError) and failure.strerror:
        return f"stdout cannot be written: {failure.strerror}"
    return f"the run ended: {type(failure).__name__}: {failure}"
