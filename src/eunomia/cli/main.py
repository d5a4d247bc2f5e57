"""The command line: commands are loaded when they are called, errors become exit codes here."""

from __future__ import annotations

import importlib
import os
import sys

import click

from eunomia import __version__
from eunomia.errors import EunomiaError, LoadError, UsageError

_COMMANDS = {
    "run": "Run a tracker and print what it sees.",
    "trackers": "List the trackers, or show the columns and options of one.",
    "containers": "List the containers that run on this host.",
    "doctor": "Check what works on this kernel, and why something does not.",
    "completion": "Print the completion script for a shell.",
}

_EPILOG = """\b
Examples:
  eunomia run process                        every program that starts or ends, live
  eunomia run process -c web --fmt json      one container's, as JSON lines
  eunomia run process -T 30 -o record.parquet
  eunomia trackers process                   its columns and options
  eunomia doctor
"""


class _Commands(click.Group):
    """Loads a command's module when it is called, so that `--help` and errors are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"eunomia.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="eunomia %(version)s")
def cli() -> None:
    """Eunomia watches what containers do, with eBPF."""


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 used wrongly, 130 interrupted before it began."""
    # A wide machine would give every library a thread and stack per core for nothing.
    for name in ("OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(name, "1" if name.startswith("OPENBLAS") else "2")
    try:
        code = cli.main(prog_name="eunomia", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads any more; Python's last flush must not complain
        code = 0
    except EunomiaError as error:
        code = _report(error)
    sys.exit(code)


def _report(error: EunomiaError) -> int:
    from eunomia.cli.terminal import say

    say(f"error: {error}")
    if isinstance(error, LoadError) and error.log:
        say("run with --verbose for the kernel's whole log")
    return 2 if isinstance(error, UsageError) else 1


if __name__ == "__main__":
    main()
