"""`eunomia daemon`: rules over what containers do, alerts to wherever they are wanted, until it is ended."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from eunomia.cli import options
from eunomia.cli.applying import log_option, via_option
from eunomia.cli.exporting import Exporting
from eunomia.cli.loading import load_daemon
from eunomia.cli.memory import forget_the_start
from eunomia.cli.recording import Recording, recorded
from eunomia.cli.stopping import Stop
from eunomia.cli.terminal import coloured, say
from eunomia.errors import LoadError

if TYPE_CHECKING:
    from eunomia.agent import SinkFactory
    from eunomia.daemon.daemon import Daemon, Loaded
    from eunomia.daemon.enforcing import Enforcing
    from eunomia.pipeline.handler import Handler

_BEAT_S = 1.0
_RED, _YELLOW, _RESET = "\x1b[1;31m", "\x1b[33m", "\x1b[0m"


@click.command(
    epilog="""\b
Examples:
  eunomia daemon                           everything, by the default rules
  eunomia daemon -c web --rules my.yaml
  eunomia daemon --config /etc/eunomia/daemon.toml
  eunomia daemon --fmt json | jq 'select(.level == "alert")'
  kill -HUP PID                            reads its files again
  eunomia status                           how it goes
"""
)
@options.container("only this container: id, beginning of an id, or name")
@options.pid("only this process and what it starts, by its number on the host")
@options.config("where alerts go, and all else; see docs/daemon.md")
@click.option(
    "--rules",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="rules over those that hold already; a directory stands for all its *.yaml",
)
@click.option("--no-default-rules", is_flag=True, help="without the rules that come with Eunomia")
@click.option(
    "--fmt", type=click.Choice(("text", "json")), help="how alerts are printed; without it, as FILE says, else text"
)
@click.option(
    "--seccomp",
    metavar="FILE",
    help="hold those of -c and -p to this profile, now and whenever one starts; see docs/enforcing.md",
)
@via_option
@log_option
@recorded
@options.verbose()
def command(
    container: tuple[str, ...],
    pid: tuple[int, ...],
    file: Path | None,
    rules: tuple[Path, ...],
    no_default_rules: bool,
    fmt: str | None,
    seccomp: str | None,
    via: str,
    log: Path | None,
    record: Path | None,
    record_max_bytes: int | None,
    record_max_age: float | None,
    verbose: bool,
) -> None:
    """Watch for what is dangerous and tell of it, in the foreground, until it is ended.

    SIGHUP reads rules and configuration again: all of it, or when something is wrong with it nothing.
    """

    def loaded() -> Loaded:
        return load_daemon(file, container, pid, rules, fmt, default_rules=not no_default_rules)

    if via != "seccomp" and seccomp is None:
        raise click.UsageError("--via goes with --seccomp FILE, which it says how to enforce")
    hold = None if seccomp is None else (_holding if via == "seccomp" else _denying)(seccomp, log)
    first = [loaded()]  # what is made before the daemon goes by the same as the daemon
    recording = None if record is None else _recording(first[0], record, record_max_bytes, record_max_age)
    try:
        with Exporting(first[0].config.prometheus) as exporting:
            _run(lambda: first.pop() if first else loaded(), recording, exporting, hold, verbose=verbose)
    except LoadError as error:
        if verbose and error.log:
            click.echo(error.log, err=True)
        raise
    finally:
        if recording is not None:
            recording.close()


def _recording(loaded: Loaded, directory: Path, max_bytes: int | None, max_age_s: float | None) -> Recording:
    from eunomia.daemon.watching import agent_config
    from eunomia.detect.needs import needs

    return Recording(directory, max_bytes, max_age_s, agent_config(loaded.config, needs(loaded.rules)))


def _stdout(how: str) -> Handler | None:
    from eunomia.cli.output import open_output
    from eunomia.sinks.alerts.terminal import JsonText, TerminalText

    if how == "none":
        return None
    if how == "json":
        return JsonText(open_output(None))
    if coloured():
        return TerminalText(open_output(None), {"alert": _RED, "warning": _YELLOW}, _RESET)
    return TerminalText(open_output(None))


class _Held(Protocol):
    """What others are held to."""

    def check(self) -> None:
        """To be called now and then; raises EunomiaError when it does not go on."""


_Holding = Callable[["Daemon"], AbstractContextManager[_Held]]


def _holding(file: str, log: Path | None) -> _Holding:
    """Reads a profile at once; what holds others to it is made when it is known whom."""
    from eunomia.cli.applying import program_of
    from eunomia.cli.profiles import read_profile
    from eunomia.daemon.enforcing import Enforcing
    from eunomia.respond.actions import LOG, ActionLog

    program = program_of(read_profile(file), None)

    @contextmanager
    def hold(daemon: Daemon) -> Iterator[Enforcing]:
        config = daemon.agent.config
        with (
            ActionLog(log or LOG) as actions,
            Enforcing(config.filter, config.docker_host, program, file, actions, say) as enforcing,
        ):
            yield enforcing

    return hold


def _denying(file: str, log: Path | None) -> _Holding:
    """The same of a policy."""
    from eunomia.cli.denying import Telling
    from eunomia.cli.profiles import read_policy
    from eunomia.denying import Denying
    from eunomia.respond.actions import LOG, ActionLog

    policy = read_policy(file)

    @contextmanager
    def hold(daemon: Daemon) -> Iterator[Telling]:
        config = daemon.agent.config
        with (
            ActionLog(log or LOG) as actions,
            Denying(policy, file, config.filter, config.docker_host, actions, say) as denying,
            Telling(denying, daemon.node, daemon.alert) as telling,
        ):
            yield telling

    return hold


def _run(
    loaded: Callable[[], Loaded],
    recording: Recording | None,
    exporting: Exporting,
    hold: _Holding | None,
    *,
    verbose: bool,
) -> None:
    # All that the end needs, too: by then the files may be those of another version.
    from eunomia.cli.run import conclude, say_ways
    from eunomia.daemon.daemon import Daemon
    from eunomia.daemon.notify import Notifier

    notifier = Notifier.of(os.environ)

    def beside(make: SinkFactory) -> SinkFactory:
        recorded = make if recording is None else recording.beside(make)
        # A record is what the rules saw, and nothing else.
        return exporting.beside(
            lambda config, tracker, schema: (make if config.for_metrics else recorded)(config, tracker, schema)
        )

    with ExitStack() as resources:
        stop = resources.enter_context(Stop(reader=False, reloads=True))
        daemon = resources.enter_context(
            Daemon(loaded, say, _stdout, notifier, beside, exporting.note, exporting.alert, exporting.pushed)
        )
        exporting.watch(daemon.insight)
        enforcing = None if hold is None else resources.enter_context(hold(daemon))
        if verbose:
            say_ways(daemon.agent.ways())
        say(f"watching: {daemon.summary}")
        if daemon.agent.missing:
            say(f"waiting for {', '.join(daemon.agent.missing)}")
        if recording is not None:
            recording.know(daemon.containers)
        if daemon.prints and _can_lose_its_reader():
            stop.watch_reader()
        forget_the_start()
        every_s = min(_BEAT_S, (notifier.watchdog_s or 9) / 3)
        _beat(daemon, enforcing, stop, every_s, goes_on=enforcing is not None or recording is not None)
        containers = daemon.containers()
        exporting.close()
        summary = daemon.stop()
        if recording is not None:
            recording.close(summary, containers)
    fired = ", ".join(f"{rule}: {times:,}" for rule, times in daemon.told.most_common())
    say(f"{daemon.told.total():,} alerts{f' ({fired})' if fired else ''}")
    conclude(summary, None, quiet=False)


def _can_lose_its_reader() -> bool:
    """Whether stdout is a pipe or a terminal, whose other end goes for good. A service's is a socket of the journal."""
    return stat.S_ISFIFO(os.fstat(1).st_mode) or os.isatty(1)


def _beat(daemon: Daemon, enforcing: _Held | None, stop: Stop, every_s: float, *, goes_on: bool) -> None:
    """Until it is ended, or nobody reads what it prints and there is nothing else that it does."""
    daemon.beat()
    while not stop.wait(every_s) or (stop.reader_gone and (daemon.stop_printing() or goes_on)):
        if stop.reader_gone:
            stop.forget_reader()
        if stop.take_reload():
            daemon.reload()
        daemon.beat()
        if enforcing is not None:
            enforcing.check()
