"""`eunomia seccomp merge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from eunomia.cli import values
from eunomia.cli.output import write_text
from eunomia.cli.profiles import read_profile
from eunomia.cli.terminal import say


@click.command(
    epilog="""\b
Examples:
  eunomia seccomp merge day.json night.json -o web.json
  eunomia seccomp merge web.json extra.txt --fmt list
"""
)
@click.option("-o", "--output", callback=values.file, metavar="FILE", help="write it there; - is stdout")
@click.option(
    "--fmt",
    type=click.Choice(["oci", "list", "k8s", "systemd"]),
    help="without it FILE's ending decides, else it is oci",
)
@click.argument("profiles", nargs=-1, required=True, metavar="PROFILE...")
def command(profiles: Sequence[str], output: Path | None, fmt: str | None) -> None:
    """Make one profile of several: it allows what any PROFILE in PROFILES allows.

    A PROFILE is a file, OCI JSON or a list of names; `default` is Docker's own.
    """
    from eunomia.privileges.formats import format_of, write
    from eunomia.privileges.merge import merge

    made = merge([read_profile(one) for one in profiles])
    write_text(write(made, fmt or format_of(output), output.stem if output else "profile"), output)
    say(f"{len(profiles)} profiles, {len(made.allowed)} system calls allowed")
