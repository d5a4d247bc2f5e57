"""`eunomia lab privileges`."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from eunomia.cli import options, values
from eunomia.cli.terminal import print_table, say
from eunomia.errors import EunomiaError
from eunomia.lab.labtool import LabError

if TYPE_CHECKING:
    from eunomia.lab.workloads.asking import Outcome
    from eunomia.lab.workloads.examining import Examination
    from eunomia.lab.workloads.running import Bench
    from eunomia.lab.workloads.workload import Workload

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REPORT = click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="write the figures there, as Markdown"
)
_EXAMPLES = """\b
Examples:
  eunomia lab privileges                 all whose programs are here
  eunomia lab privileges --only nginx,redis --attacks none
  eunomia lab privileges --report docs/least-privilege.md
"""


@click.command(epilog=_EXAMPLES)
@click.option("--only", metavar="NAME,…", multiple=True, help="these workloads and no others")
@click.option("--list", "listing", is_flag=True, help="list the workloads and what they lack here, and do nothing")
@click.option(
    "--attacks",
    metavar="all|none|NAME,…",
    default="all",
    show_default=True,
    help="of which workloads to see what attacks their profiles stop, minutes for each",
)
@click.option(
    "--capabilities/--no-capabilities",
    default=True,
    show_default=True,
    help="whether small programs prove the verdicts on capabilities, too",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="attacks at a time")
@options.FORMAT
@REPORT
@click.pass_context
def privileges(
    context: click.Context,
    only: Sequence[str],
    listing: bool,
    attacks: str,
    capabilities: bool,
    jobs: int,
    fmt: str,
    report: Path | None,
) -> None:
    """Prove profiles of real programs.

    What is learnt is held against strace, and the program runs again under it. Each workload (nginx, PostgreSQL,
    Java …) runs in containers of its own: with strace beside it, as it is, and under the profile and the capabilities
    that were learnt; then every other system call is tried, and attacks are performed under the profile. Small programs
    with and without each capability prove what is said of those. The workloads' programs are the host's; those that are
    not installed are left out (scripts/install.sh lab). The exit code is 1 when anything is not as it should be.
    """
    from eunomia.lab.docker import Docker
    from eunomia.lab.figures import machine
    from eunomia.lab.workloads import figures
    from eunomia.lab.workloads.asking import ask
    from eunomia.lab.workloads.session import attack, bench
    from eunomia.lab.workloads.workload import select

    chosen = select([name for given in only for name in given.split(",") if name])
    attacked = {"all": chosen, "none": []}[attacks] if attacks in ("all", "none") else select(attacks.split(","))
    if listing:
        rows = [(one.name, f"lacks {', '.join(one.missing)}" if one.missing else "ready", one.about) for one in chosen]
        print_table(("workload", "here", "what it does"), rows)
        return
    if os.geteuid():
        raise EunomiaError("the laboratory loads BPF programs and makes containers: run it as root")
    absent = [one for one in chosen if one.missing]
    for one in absent:
        say(f"{one.name} is left out: there is no {', '.join(one.missing)}; install {' '.join(one.packages)}")
    present = [one for one in chosen if one not in absent]
    host = values.docker_host()
    docker = Docker(host)
    _end_orderly()
    asked: list[Outcome] = []
    if capabilities:
        say("capabilities: small programs with and without each")
        asked = ask()

    def write(done: Sequence[Examination], failed: Mapping[str, str], count: int, stopped: Mapping[str, int]) -> None:
        if report is not None:
            report.write_text(figures.page(done, count, stopped, absent, failed, machine(), asked), "utf-8")

    with bench(docker, present) as place:
        examinations, failed = _examine(place, host, present, write)
    targets = [one for one in examinations if one.workload in attacked]
    count, stopped = attack(docker, host, targets, jobs, say) if targets else (0, {})
    _print(examinations, count, stopped, fmt)
    _print_asked(asked, fmt)
    write(examinations, failed, count, stopped)
    if failed or not present or not all(one.right for one in examinations) or not all(one.is_right for one in asked):
        context.exit(1)


def _end_orderly() -> None:
    """Has signals end this by way of an exception, so that containers are removed."""

    def end(number: int, _frame: object) -> NoReturn:
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_IGN)  # what is left to do is not to be disturbed
        raise SystemExit(128 + number)

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def _examine(
    place: Bench, host: str | None, present: Sequence[Workload], write: Callable[..., None]
) -> tuple[list[Examination], dict[str, str]]:
    """What came out, and what failed before anything could: one that does not work says nothing of the others.

    The page is written after each of them, so that an early end loses nothing.
    """
    from eunomia.lab.workloads.examining import examine

    done: list[Examination] = []
    failed: dict[str, str] = {}
    for one in present:
        try:
            done.append(examine(place, host, one, say))
        except LabError as error:
            say(f"error: {error}")
            failed[one.name] = str(error)
        write(done, failed, 0, {})
    return done, failed


def _print(examinations: Sequence[Examination], attacks: int, stopped: Mapping[str, int], fmt: str) -> None:
    from eunomia.lab.workloads.figures import complaints

    told = [_record(one, attacks, stopped) for one in examinations]
    if fmt == "json":
        for record in told:
            click.echo(json.dumps(record, ensure_ascii=False))
        return
    headings = ("workload", "strace", "learnt", "missed", "extra", "allowed", "again", "probe", "stopped", "wrong")
    rows = [
        (
            one.workload.name,
            *(str(len(record[key])) for key in ("strace", "learnt", "missed", "extra", "allowed")),
            "passed" if one.again.works else "failed",
            f"{one.probed.denied}/{one.probed.tried}",
            str(record["attacks_stopped"]) if record["attacks_stopped"] is not None else "-",
            "; ".join(complaints(one)) or "-",
        )
        for one, record in zip(examinations, told, strict=True)
    ]
    print_table(headings, rows)


def _print_asked(asked: Sequence[Outcome], fmt: str) -> None:
    if fmt == "json":
        for one in asked:
            told = {"program": one.program.name, "capability": one.program.capability, "kind": one.program.kind}
            click.echo(json.dumps({**told, "had": one.had, "right": one.is_right}))
    elif asked:
        click.echo(f"\ncapabilities: {sum(one.is_right for one in asked)} of {len(asked)} verdicts are right")
        for one in asked:
            if not one.is_right:
                click.echo(f"  wrong: {one.told}")


def _record(one: Examination, attacks: int, stopped: Mapping[str, int]) -> dict[str, Any]:
    def told(calls: frozenset[Any]) -> list[str]:
        return sorted(call.name if call.abi == "native" else f"{call.name} ({call.abi})" for call in calls)

    return {
        "workload": one.workload.name,
        "right": one.right,
        "strace": told(one.traced - one.refused),
        "learnt": told(one.learnt),
        "missed": told(one.missed),
        "extra": told(one.extra),
        "refused": told(one.refused),
        "lost": list(one.lost),
        "allowed": sorted(one.profile.allowed),
        "capabilities": list(one.capabilities),
        "works_again": one.again.works,
        "said": one.again.said,
        "denied": told(one.denials),
        "probe_tried": one.probed.tried,
        "probe_denied": one.probed.denied,
        "attacks": attacks,
        "attacks_stopped": stopped.get(one.workload.name),
    }
