"""The command line: commands are loaded when they are called, errors become exit codes here."""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from eunomia.cli.memory import keep_little
from eunomia.errors import EunomiaError, LoadError, UsageError
from eunomia.version import __version__

_COMMANDS = {
    "run": "Run a tracker and print what it sees.",
    "daemon": "Watch for what is dangerous and tell of it, unattended.",
    "status": "Ask the daemon how it goes.",
    "server": "Serve metrics to Prometheus.",
    "replay": "Send a record through the same filters and formats again.",
    "query": "Ask a record in SQL.",
    "report": "Tell what each container of a record does.",
    "seccomp": "Learn which system calls are needed, as a seccomp profile.",
    "recommend": "Recommend the least that a container needs, and try it.",
    "rules": "List and check the rules, and try them on a record.",
    "trackers": "List the trackers, or show the columns and options of one.",
    "containers": "List the containers that run on this host.",
    "config": "Check a configuration file; print its JSON Schema.",
    "lab": "See the rules at work, on attacks and their harmless twins.",
    "doctor": "Check what works on this kernel, and why something does not.",
    "completion": "Print the completion script for a shell.",
}

_EPILOG = """\b
Examples:
  eunomia run process                     programs that start or end, live
  eunomia run process -c web --fmt json   one container's, as JSON lines
  eunomia run process -T 30 -o record.parquet
  eunomia trackers process                its columns and options
  eunomia doctor                          what works here, and why not
"""


class _Commands(click.Group):
    """Loads a command's module when it is called, so that `--help` and errors are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            if ctx.resilient_parsing:  # a shell's completion, which has no use for an error
                return None
            near = difflib.get_close_matches(cmd_name, _COMMANDS)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(_COMMANDS)}"
            raise click.UsageError(f"there is no command {cmd_name!r}; {hint}", ctx)
        with _undisturbed():
            keep_little()
            command: click.Command = importlib.import_module(f"eunomia.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="eunomia %(version)s")
def cli() -> None:
    """Eunomia watches what containers do, with eBPF."""


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keeps what Ctrl-C does, and lets it wait: importing Polars puts up a handler of its own, which ends nothing."""
    meaning = signal.getsignal(signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, meaning)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def main() -> None:
    """Runs the command that the arguments name, and ends with its exit code."""
    _open_standard_descriptors()
    sys.exit(_run())


def _open_standard_descriptors() -> None:
    """Takes up closed ones (`>&-`), lest a file of ours gets that number and is printed to. To write there fails."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # gets the lowest number that is free: this one


def _run() -> int:
    try:
        code = cli.main(prog_name="eunomia", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        of = f"; see `{error.ctx.command_path} --help`" if error.ctx else ""
        return _say(f"{error.format_message().rstrip('.')}{of}", 2)
    except click.Abort:
        return 130
    except BrokenPipeError:
        _discard_stdout()
        return 0
    except EunomiaError as error:
        if isinstance(error, LoadError) and error.log:
            return _say(f"{error}\neunomia: run with --verbose for the kernel's whole log", 1)
        return _say(str(error), 2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        _discard_stdout()
        return _say(f"{error.filename or 'stdout'}: {error.strerror}", 1)
    except Exception as error:  # noqa: BLE001 (a bug: whoever runs this at night gets a line, and we the place)
        steps = [f"{step.name} ({step.filename}:{step.lineno})" for step in traceback.extract_tb(error.__traceback__)]
        return _say(
            f"a bug in eunomia, please report it: {type(error).__name__}: {error}; in {', '.join(steps[-3:])}", 1
        )
    return int(code or 0)


def _say(message: str, code: int) -> int:
    from eunomia.cli.terminal import say

    say(f"error: {message}")
    return code


def _discard_stdout() -> None:
    """What is still in its buffer cannot be written either, of which Python would complain at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    main()
