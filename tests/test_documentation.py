"""Every command and every option says what it does."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from eunomia.cli.main import cli


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command with all below it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None, f"{name} is listed and is not there"
            yield from walk(below, (*path, name))


COMMANDS = dict(walk(cli))
each = pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "eunomia")


def test_the_walk_goes_everywhere() -> None:
    assert {(), ("run",), ("run", "process"), ("trackers",), ("doctor",)} <= set(COMMANDS)


@each
def test_command_has_help(path: tuple[str, ...]) -> None:
    text = COMMANDS[path].help
    assert text
    assert text.strip().endswith("."), "commands are described in sentences"


@each
def test_every_option_has_help(path: tuple[str, ...]) -> None:
    options = [param for param in COMMANDS[path].params if isinstance(param, click.Option)]
    undescribed = [param.opts for param in options if not (param.help or "").strip()]
    assert not undescribed


@each
def test_arguments_are_spoken_of(path: tuple[str, ...]) -> None:
    # Arguments have no help of their own: the command's text names them.
    arguments = [param for param in COMMANDS[path].params if isinstance(param, click.Argument)]
    text = COMMANDS[path].help or ""
    assert not [param.name for param in arguments if (param.name or "").upper() not in text.upper()]


@each
def test_options_have_names_of_their_own(path: tuple[str, ...]) -> None:
    spelled = [
        name
        for param in COMMANDS[path].params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    ]
    assert len(spelled) == len(set(spelled)), "an option of a tracker hides a common one"


@each
def test_help_can_be_printed(path: tuple[str, ...]) -> None:
    for flag in ("--help", "-h"):
        result = CliRunner().invoke(cli, [*path, flag])
        assert result.exit_code == 0, result.output
        assert "Usage:" in result.output
