"""`eunomia completion SHELL`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(epilog="\b\nExample:\n  eunomia completion bash > /etc/bash_completion.d/eunomia")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL."""
    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"no completion for {shell}")
    from eunomia.cli.main import cli

    click.echo(completion(cli, {}, "eunomia", "_EUNOMIA_COMPLETE").source())
