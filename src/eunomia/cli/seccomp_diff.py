"""`eunomia seccomp diff`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from eunomia.cli.profiles import read_profile

if TYPE_CHECKING:
    from eunomia.privileges.diff import Difference


@click.command(
    epilog="""\b
Examples:
  eunomia seccomp diff day.json night.json
  eunomia seccomp diff default web.json      what it takes away
  eunomia seccomp diff a.json b.json --fmt json | jq .second
"""
)
@click.option("--fmt", type=click.Choice(["text", "json"]), default="text", help="how to print it")
@click.argument("first")
@click.argument("second")
@click.pass_context
def command(context: click.Context, first: str, second: str, fmt: str) -> None:
    """Show what the profiles FIRST and SECOND differ in.

    Each is a file, OCI JSON or a list of names; `default` is Docker's own. The exit code is 0 when they allow the
    same, and 1 when they do not.
    """
    from eunomia.privileges.diff import diff

    found = diff(read_profile(first), read_profile(second))
    if fmt == "json":
        click.echo(json.dumps(asdict(found)))
    else:
        for line in _told(found, first, second):
            click.echo(line)
    if found:
        context.exit(1)


def _told(found: Difference, first: str, second: str) -> Iterator[str]:
    """Lines for a person: dangerous calls first, with what is dangerous about them."""
    for name, calls in ((first, found.first), (second, found.second)):
        if calls:
            yield f"allowed by {name} only: {len(calls)}"
            yield from _calls(calls)
    for call, (mine, its) in found.treated.items():
        yield f"{call}:"
        yield from (f"  {name} only: {way}" for name, ways in ((first, mine), (second, its)) for way in ways)
    for what, pair in (("other calls", found.default), ("architectures", found.architectures)):
        if pair is not None:
            texts = [one if isinstance(one, str) else " ".join(one) or "this machine's" for one in pair]
            yield f"{what}: {first}: {texts[0]}; {second}: {texts[1]}"


def _calls(names: tuple[str, ...]) -> Iterator[str]:
    from eunomia.privileges.dangers import of_calls

    dangers = of_calls(names)
    named = {one.name for one in dangers}
    width = max(map(len, named), default=0)
    yield from (f"  {one.name.ljust(width)}  {'!' * one.weight:3}  {one.text}" for one in dangers)
    others = [name for name in names if name not in named]
    if others:
        yield f"  {' '.join(others)}"
