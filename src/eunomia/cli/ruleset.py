"""Which rules are meant, for every command that has to do with rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eunomia.cli import options
from eunomia.cli.terminal import plain, say, usage_error

if TYPE_CHECKING:
    from eunomia.detect.rule import RuleSet

DEFAULT = click.option(
    "--default-rules/--no-default-rules", "default", default=True, help="whether the package's own count"
)
with_rules = options.all_of(
    click.option(
        "--rules",
        "files",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="rules of your own, or a directory of them; laid over the default ones",
    ),
    DEFAULT,
)
"""The options that say which rules are meant: `files` and `default`."""


def load_rules(files: Sequence[Path], *, default: bool) -> RuleSet:
    """Reads rules and checks every name in them; what is tolerated is said.

    Raises:
        UsageError: with all mistakes, a line each as if each had been said by itself.
    """
    from eunomia.configfile.columns import rule_schemas
    from eunomia.detect.loading import load
    from eunomia.detect.mistakes import RulesError

    try:
        rules = load(files, default=default, schemas=rule_schemas())
    except RulesError as error:
        raise usage_error(map(plain, error.mistakes)) from error
    for warning in rules.warnings:
        say(f"note: {plain(warning)}")
    return rules
