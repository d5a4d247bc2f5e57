"""`eunomia recommend`: the least that a container needs, on a page and as files; and a trial of it."""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from eunomia.cli import options, values
from eunomia.cli.recorded import TIMES, open_record
from eunomia.cli.stopping import Stop
from eunomia.cli.terminal import is_terminal, say, width
from eunomia.errors import EunomiaError, UsageError

if TYPE_CHECKING:
    from eunomia.privileges.policy import Policy
    from eunomia.privileges.profile import Profile
    from eunomia.privileges.recommendation import Recommendation
    from eunomia.recommending import Seen, Subject
    from eunomia.respond.actions import ActionLog

_WIDTH = 100
_PATIENCE_S = 120.0
_OF_TRIAL = ("health", "seconds", "share_mounts", "log")

_EXAMPLES = """\b
Examples:
  eunomia recommend -c web -T 600          watch it for ten minutes
  eunomia recommend -c web --wait          from its start until it ends
  eunomia recommend -c web --record DIR --out web-least
  eunomia recommend -c web -T 600 --verify --health 'wget -qO- localhost'
  eunomia recommend -c web -T 600 --fmt json | jq .capabilities
  eunomia recommend --schema               what the JSON looks like
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "-c",
    "--container",
    callback=lambda context, option, value: value and values.containers(context, option, (value,))[0],
    shell_complete=values.complete_container,
    metavar="CONTAINER",
    help="which: id, beginning of an id, or name",
)
@click.option(
    "--record", callback=values.directory, metavar="DIR", help="what `run --record` has seen, instead of watching now"
)
@TIMES
@options.duration("watch so long; without, until it ends or Ctrl-C")
@click.option("--wait", is_flag=True, help="wait for it, and so see its start")
@click.option(
    "--margin",
    type=click.Choice(["none", "runtime", "libc"]),
    default="runtime",
    show_default=True,
    help="calls allowed besides those seen: what the container runtime makes, what another C library would",
)
@click.option("--args", "arguments", is_flag=True, help="bind calls to the arguments that were seen, where it matters")
@click.option("--out", callback=values.directory, metavar="DIR", help="write files there that put it into effect")
@click.option("--force", is_flag=True, help="with --out: also over files that are there")
@click.option("--fmt", type=click.Choice(["text", "json"]), default="text", show_default=True, help="how to print it")
@click.option("--verify", is_flag=True, help="start the image again with it, and watch for denials; exit code 1 if any")
@click.option("--health", metavar="COMMAND", help="with --verify: succeeds when the container does its work")
@click.option("--outside", is_flag=True, help="with --health: run it with this host's programs, in its network")
@click.option(
    "--seconds",
    type=values.Number(0, above=True),
    default=10,
    show_default=True,
    help="with --verify: watch so long, or wait so long for --health",
)
@click.option("--share-mounts", is_flag=True, help="with --verify: on its own writable mounts, not on empty ones")
@click.option(
    "--log",
    callback=values.log_file,
    metavar="FILE",
    help="with --verify: where what was done is written down, not in /var/log/eunomia/actions.jsonl",
)
@click.option("--schema", is_flag=True, help="print the JSON Schema of --fmt json instead")
def command(
    container: str | None,
    record: Path | None,
    since: datetime | None,
    until: datetime | None,
    duration_s: float | None,
    wait: bool,
    margin: str,
    arguments: bool,
    out: Path | None,
    force: bool,
    fmt: str,
    verify: bool,
    health: str | None,
    outside: bool,
    seconds: float,
    share_mounts: bool,
    log: Path | None,
    schema: bool,
) -> int:
    """Recommend the least privileges that a container needs: system calls, capabilities, settings.

    It is watched, or a record of it is read; what it was seen to use is held against what it has now.
    """
    if schema:
        from eunomia.privileges.recommendation import Recommendation
        from eunomia.report.json_schema import schema as schema_of

        click.echo(json.dumps(schema_of(Recommendation), indent=2))
        return 0
    if container is None:
        raise click.UsageError("Missing option '-c' / '--container'")
    _check(record, since, until, duration_s, wait=wait)
    _check_trial(verify=verify, health=health, outside=outside)
    if force and out is None:
        raise click.UsageError("--force goes with --out")
    if out is not None:
        _prepare(out, force=force)
    from eunomia.host.roots import Roots
    from eunomia.privileges.policy_of import policy_of
    from eunomia.recommending import recommendation

    with Stop(reader=False) as stop, _actions(log) if verify else nullcontext() as actions:
        if record is None:
            seen, subject = _watched(container, duration_s, stop, wait=wait)
        else:
            seen, subject = _recorded(record, container, since, until)
        made, profile = recommendation(seen, subject, container, Roots(), margin=margin, arguments=arguments)
        if verify:
            stop.renew()  # Ctrl-C ended the watch; the next one ends the trial
            made = _verified(made, profile, subject, stop, (seconds, health, outside, share_mounts), actions)
    _print(made, fmt)
    if out is not None:
        _write(out, made, profile, policy_of(seen.usage, seen.activity, made.capabilities.recommended))
    return int(made.verification is not None and not made.verification.holds)


def _check(
    record: Path | None,
    since: datetime | None,
    until: datetime | None,
    duration_s: float | None,
    *,
    wait: bool,
) -> None:
    """What does not go together of what is watched or read."""
    if record is not None and (duration_s is not None or wait):
        raise click.UsageError("--record reads what was seen: leave out -T and --wait")
    if record is None and (since is not None or until is not None):
        raise click.UsageError("--since and --until go with --record")


def _check_trial(*, verify: bool, health: str | None, outside: bool) -> None:
    """What does not go together of how it is tried."""
    source = click.get_current_context().get_parameter_source
    for name in () if verify else _OF_TRIAL:
        if source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --verify")
    if outside and health is None:
        raise click.UsageError("--outside goes with --health")


def _actions(log: Path | None) -> ActionLog:
    """Before the long watch: what cannot be written down is not done."""
    from eunomia.respond.actions import LOG, ActionLog

    return ActionLog(log or LOG)


def _watched(container: str, duration_s: float | None, stop: Stop, *, wait: bool) -> tuple[Seen, Subject | None]:
    from eunomia.recommending import Watching

    with Watching(container, values.docker_host(), wait=wait) as watching:
        until = "Ctrl-C ends it" if duration_s is None else f"it is watched for {duration_s:g} seconds"
        say(f"{'waiting for' if watching.waits else 'watching'} container {container}; {until}")
        watching.follow(duration_s, stop.wait)
        return watching.seen(), watching.subject


def _recorded(
    directory: Path, container: str, since: datetime | None, until: datetime | None
) -> tuple[Seen, Subject | None]:
    from eunomia.host.roots import Roots
    from eunomia.recommending import find, seen_in_record

    seen = seen_in_record(open_record(directory), container, since, until)
    try:
        return seen, find(container, values.docker_host(), Roots())
    except EunomiaError as error:
        say(f"note: what the container has now is not known: {error}")
        return seen, None


def _verified(
    made: Recommendation,
    profile: Profile,
    subject: Subject | None,
    stop: Stop,
    check: tuple[Any, ...],
    actions: ActionLog | None,
) -> Recommendation:
    from eunomia.containers.docker import Docker
    from eunomia.verifying import Check, verify

    if subject is None or subject.docker is None or subject.inspected is None:
        raise EunomiaError("--verify starts the image again by Docker, which does not know this container (any more)")
    docker = Docker(subject.docker.address, _PATIENCE_S)
    say(f"trying it with a container of its own, for {check[0]:g} seconds at most")
    known = None if made.syscalls is None else profile
    verification = verify(made, known, docker, subject.inspected, Check(*check), stop.wait, actions)
    return replace(made, verification=verification)


def _print(made: Recommendation, fmt: str) -> None:
    from eunomia.privileges.page import page

    if fmt == "json":
        # What is not ASCII may do something to a terminal; a program reads it either way.
        click.echo(json.dumps(asdict(made), indent=2, ensure_ascii=is_terminal()))
    else:
        click.echo(page(made, min(width(), _WIDTH) if is_terminal() else _WIDTH), nl=False)


def _prepare(directory: Path, *, force: bool) -> None:
    """Finds out before a long watch that nothing can be written, or that something is there already."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        there = sorted(one.name for one in directory.iterdir())
        trial = directory / ".eunomia-next"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise UsageError(f"--out {directory}: {error.strerror}; name a directory that can be written to") from error
    if there and not force:
        raise UsageError(f"--out {directory}: it is not empty ({there[0]}); name another one, or give --force")


def _write(directory: Path, made: Recommendation, profile: Profile, policy: Policy) -> None:
    """Each file appears whole, or not at all."""
    from eunomia.privileges import policy_of
    from eunomia.privileges.deployment import deployment
    from eunomia.privileges.page import page
    from eunomia.privileges.ready import files

    known = None if made.syscalls is None else profile
    written = files(deployment(made), known, page(made, _WIDTH))
    written["recommendation.json"] = json.dumps(asdict(made), indent=2, ensure_ascii=False) + "\n"
    if policy.kinds:
        about = f"what {made.container} was seen to need: eunomia seccomp apply policy.toml -c CONTAINER --via lsm"
        written["policy.toml"] = policy_of.write(policy, about)
    for name, text in written.items():
        _write_whole(directory / name, text)
    say(f"{len(written)} files are in {directory}: begin with README.md")


def _write_whole(path: Path, text: str) -> None:
    hidden = path.with_name(f".{path.name}.next")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden.write_text(text)
        hidden.replace(path)
    except OSError as error:
        with suppress(OSError):  # the disk may be gone altogether
            hidden.unlink()
        raise EunomiaError(f"--out: cannot write {path}: {error.strerror}; what was found is on stdout") from error
