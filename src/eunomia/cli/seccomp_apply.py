"""`eunomia seccomp apply`."""

from __future__ import annotations

from pathlib import Path

import click

from eunomia.cli import options
from eunomia.cli.applying import Wanted, action_option, log_option, put_on, via_option
from eunomia.cli.profiles import read_profile


@click.command(
    epilog="""\b
Examples:
  eunomia seccomp apply web.json -c web --dry-run
  eunomia seccomp apply web.json -c web --action log    see what it would deny
  eunomia seccomp apply web.json -c web
  eunomia seccomp apply default -p 4242 --children
  eunomia seccomp apply policy.toml -c web --via lsm    files, connections …, until Ctrl-C
"""
)
@click.argument("profile")
@options.container("all processes of this container: id, beginning of an id, or name")
@options.pid("this process")
@click.option("--children", is_flag=True, help="with -p: what it has started already, too; the rest has it anyway")
@action_option
@via_option
@options.duration("with --via lsm: end after so long; without, at Ctrl-C")
@click.option("--dry-run", is_flag=True, help="only say what would be done")
@click.option("--force", is_flag=True, help="also what is refused as too dangerous: see docs/enforcing.md")
@click.option("--fmt", type=click.Choice(["table", "json"]), default="table", help="how to print what was done")
@log_option
def command(
    profile: str,
    container: tuple[str, ...],
    pid: tuple[int, ...],
    children: bool,
    action: str | None,
    via: str,
    duration_s: float | None,
    dry_run: bool,
    force: bool,
    fmt: str,
    log: Path | None,
) -> int:
    """Put PROFILE on processes that run, in every thread of each. It holds until they end.

    PROFILE is a file, OCI JSON or a list of names; `default` is Docker's own. A filter can be added to, but never be
    taken off: begin with --dry-run, then with --action log. Exit code 1 says that not all was done.

    With --via lsm PROFILE is a policy (docs/policy.md) on files, programs, connections, sockets and capabilities, that
    the kernel holds containers to until Ctrl-C; then nothing of it is left.
    """
    if not container and not pid:
        raise click.UsageError("name to whom: -c CONTAINER or -p PID")
    if children and not pid:
        raise click.UsageError("--children goes with -p; of a container it is all processes anyway")
    wanted = Wanted(container, pid, children, action, dry_run, force, fmt, log)
    if via == "lsm":
        from eunomia.cli.denying import deny

        return deny(profile, wanted, duration_s)
    if duration_s is not None:
        raise click.UsageError("-T goes with --via lsm: a filter stays until who has it ends")
    return put_on(read_profile(profile), profile, wanted)
