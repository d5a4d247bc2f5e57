"""`eunomia seccomp --source … --target …`: learns from one, and puts it on another."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from eunomia.cli.applying import Wanted, put_on
from eunomia.cli.seccomp_learning import Asked, Watching, deliver, learnt
from eunomia.cli.seccomp_telling import notes
from eunomia.cli.stopping import Stop
from eunomia.cli.terminal import say
from eunomia.cli.transfer import Transfer
from eunomia.sinks.outputs import OutputFile


def run(transfer: Transfer, output: Path | None, command: tuple[str, ...], context: click.Context, **asked: Any) -> int:
    """Does it; gives the exit code. A signal ends the learning, and then nothing is put on anybody.

    Raises:
        UsageError: somebody is not there.
        EunomiaError: it failed.
    """
    from eunomia.privileges.formats import format_of, write

    if any((asked.pop("container"), asked.pop("pid"), command)):
        raise click.UsageError("--source and --target say whom already: leave out -c, -p and COMMAND", context)
    wanted = Asked(transfer.source_containers, transfer.source_pids, output=output, **asked)
    target = Wanted(
        transfer.target_containers,
        transfer.target_pids,
        children=True,
        action=transfer.action,
        dry_run=transfer.dry_run,
        log=transfer.log,
    )
    _look(target)
    with ExitStack() as resources:
        stop = resources.enter_context(Stop(reader=False))
        file = None if output is None else resources.enter_context(closing(OutputFile(output)))
        margin = wanted.margin or ("runtime" if transfer.source_containers else "none")
        usage, profile = learnt(wanted, margin, Watching(wanted, None, None).usages_until(stop))
        fmt = wanted.fmt or format_of(output)
        if file is not None and output is not None:
            deliver(write(profile, fmt, output.stem), file)
        for line in notes(usage, profile, margin, output if fmt == "oci" else None):
            say(line)
        if stop.received:
            say("stopped while it learnt: nothing was put on anybody")
            return stop.exit_code
        return put_on(profile, str(output) if output else f"learnt from {usage.subject}", target, stop)


def _look(target: Wanted) -> None:
    """Whether the target is there, before half an hour has been spent on learning."""
    from eunomia.cli import values
    from eunomia.host.roots import Roots
    from eunomia.respond.container import containers, process

    containers(target.containers, Roots(), values.docker_host() if target.containers else None)
    for pid in target.pids:
        process(pid, Roots(), children=False)
