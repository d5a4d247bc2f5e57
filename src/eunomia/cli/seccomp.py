"""`eunomia seccomp`: learns a profile from what runs; its subcommands are in files of their own."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import Any

import click

from eunomia.cli import options, values
from eunomia.cli.transfer import take, transfer_options

_COMMANDS = {
    "apply": "Put a profile on what runs already.",
    "merge": "Make one profile of several.",
    "diff": "Show what two profiles differ in.",
}
"""Name -> what it does; NAME is in `seccomp_NAME.py`."""
_COMMAND = "eunomia.seccomp.command"

_EXAMPLES = """\b
Examples:
  eunomia seccomp -c web -T 30 -o web.json
  eunomia seccomp -c web --wait -o web.json   from its first instruction
  eunomia seccomp -o web.json -- docker run --rm nginx
  eunomia seccomp -o ls.txt -- ls -l          any command
  eunomia seccomp -p 4242 -T 60 --args --fmt systemd
  eunomia seccomp merge day.json night.json -o web.json
  eunomia seccomp diff default web.json       what it takes away
  eunomia seccomp apply web.json -c web       from now on, on what runs
  eunomia seccomp --source -sc staging -T 600 --target -tc web
"""


class _Seccomp(click.Group):
    """A group that is a command by itself, and tells `-- COMMAND` from a subcommand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, left, _ = self.make_parser(ctx).parse_args(list(args))
        before = args[: len(args) - len(left)]
        if left and before[-1:] == ["--"] and not ctx.resilient_parsing:
            ctx.meta[_COMMAND] = tuple(left)
            args = before[:-1]
        elif not args and not ctx.resilient_parsing:
            raise click.exceptions.NoArgsIsHelpError(ctx)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            found: click.Command = importlib.import_module(f"eunomia.cli.seccomp_{cmd_name}").command
            return found
        if ctx.resilient_parsing:  # a shell's completion, which has no use for an error
            return None
        near = difflib.get_close_matches(cmd_name, _COMMANDS)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(_COMMANDS)}"
        raise click.UsageError(f"there is no command {cmd_name!r}; {hint} A command to watch stands behind --", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(
    cls=_Seccomp,
    invoke_without_command=True,
    no_args_is_help=False,
    epilog=_EXAMPLES,
    subcommand_metavar="[-- COMMAND [ARGS]... | apply | merge | diff]",
)
@options.container("this container: id, beginning of an id, or name; several make one profile")
@options.pid("this process and all it starts; several make one profile")
@options.WAIT
@options.duration("end after so long; with --wait counted from when the first one has come")
@click.option("-o", "--output", callback=values.file, metavar="FILE", help="write the profile there; - is stdout")
@click.option(
    "--fmt",
    type=click.Choice(["oci", "list", "k8s", "systemd"]),
    help="without it FILE's ending decides (.json, .txt, .yaml, .conf), else it is oci",
)
@click.option("--args", "arguments", is_flag=True, help="bind calls such as socket to the arguments seen")
@click.option(
    "--margin",
    type=click.Choice(["none", "runtime", "libc"]),
    help="what is allowed beyond: what runc does before the start (usual for containers), and what other libraries"
    " would call instead",
)
@options.verbose()
@transfer_options
@click.pass_context
def command(context: click.Context, /, output: Path | None, **asked: Any) -> int | None:
    """Learn which system calls a container or a process needs, and write a seccomp profile that allows no others.

    With --source and --target the profile of the one is put on the other, while it runs, when the time is up or the
    one has ended. After Ctrl-C nothing is put on.

    Watches until Ctrl-C, the time is up, or all that is watched has ended. COMMAND is started and watched from its
    first instruction; where it is `docker run`, the container is.
    """
    started = context.meta.get(_COMMAND, ())
    transfer = take(asked)
    if context.invoked_subcommand is not None:
        if any(asked.values()) or output is not None or transfer is not None:
            raise click.UsageError(
                f"options stand behind the subcommand: eunomia seccomp {context.invoked_subcommand} …", context
            )
        return None
    if transfer is not None:
        from eunomia.cli.seccomp_transfer import run

        return run(transfer, output, started, context, **asked)
    whom = [
        name for name, given in (("-c", asked["container"]), ("-p", asked["pid"]), ("-- COMMAND", started)) if given
    ]
    if not whom:
        raise click.UsageError("name whom to watch: -c CONTAINER, -p PID, or -- COMMAND", context)
    if len(whom) > 1:
        raise click.UsageError(f"{' and '.join(whom)} do not go together: watch one after the other and merge", context)
    if started and asked["wait"]:
        raise click.UsageError("--wait says nothing with COMMAND, which is started here", context)
    from eunomia.cli.seccomp_learning import Asked, learn

    learn(Asked(command=started, output=output, **asked))
    return None
