"""Ordinary work in containers, all of it side by side, on which no rule may cry `alert`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from eunomia.lab.docker import Docker
from eunomia.lab.judge import Seen
from eunomia.lab.labtool import LabError

_FILE = Path(__file__).with_name("ordinary.yaml")
_INSTALL = """
mkdir -p /var/log/apt
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {}
"""
_NO_SERVICES = "#!/bin/sh\nexit 101\n"
_INSTALL_S = 900.0
_LAST_ROUND_S = 180.0
_PAUSE_S = 1

_INTRODUCTION = """\
# Ordinary work

Made by `eunomia lab benign --minutes {minutes:g} --report docs/benign.md`: {number} pieces of work as servers do them,
each again and again in a container of its own, all side by side, watched by `eunomia daemon` with the default rules.
Nothing of it may be told of at level `alert` but what is meant to be; what is told of at lower levels stands here with
the reason.

Machine: {machine}.

| work | rounds | level | rule | alerts | equal ones among them | why |
| --- | --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Work:
    """A piece of work.

    Attributes:
        name: unique.
        script: one round of it; empty for the one that installs the others' programs, which is done once.
        installs: Debian packages.
        right: rules that may cry `alert`.
        why: rule -> why it speaks of it.
    """

    name: str
    script: str = ""
    installs: str = ""
    right: tuple[str, ...] = ()
    why: dict[str, str] = field(default_factory=dict)


@cache
def ordinary() -> tuple[Work, ...]:
    """All of it."""
    return tuple(
        Work(
            one["work"],
            one.get("script", ""),
            one.get("installs", ""),
            tuple(one.get("right", ())),
            dict(one.get("why", {})),
        )
        for one in yaml.safe_load(_FILE.read_text("utf-8"))
    )


def again_and_again(script: str, seconds: float) -> str:
    """A script that does one round of work after the other for a time, and says how many those were."""
    begin = f"n=0\nend=$(($(date +%s) + {seconds:.0f}))\nwhile [ $(date +%s) -lt $end ]; do\n"
    # A shell of its own, for `set -e` to hold in it: no command of it may fail.
    return f"{begin}(\nset -e\n{script}\n) >&2\nn=$((n + 1))\nsleep {_PAUSE_S}\ndone\necho $n"


@dataclass(frozen=True)
class Told:
    """What was said of a piece of work.

    Attributes:
        alerts: one for each time that it was told.
    """

    work: Work
    rounds: int
    alerts: tuple[Seen, ...]

    @property
    def unwanted(self) -> tuple[Seen, ...]:
        """What should not have been said at that level."""
        return tuple(one for one in self.alerts if one.level == "alert" and one.rule not in self.work.right)


class Workshop:
    """Where work is done: made by `workshop`."""

    def __init__(self, docker: Docker, base: str, network: str) -> None:
        self._docker = docker
        self._base = base
        self._network = network
        self.image = f"eunomia-benign-{os.getpid()}"
        self.containers: list[str] = []
        self.made = False

    def container(self, work: Work) -> str:
        """What its container is called, by which alerts are told apart."""
        return f"{self.image}-{work.name}"

    def install(self, work: Work) -> int:
        """Installs programs with apt-get, as any image is made, and keeps what has come of it. No service is started.

        Raises:
            LabError: it could not.
        """
        with TemporaryDirectory() as directory:
            policy = Path(directory, "policy-rc.d")
            policy.write_text(_NO_SERVICES, "utf-8")
            policy.chmod(0o755)
            options = ("--network", self._network, "--volume", f"{policy}:/usr/sbin/policy-rc.d:ro")
            self._run(work, self._base, _INSTALL.format(work.installs), options, _INSTALL_S)
        self._docker.commit(self.container(work), self.image)
        self.made = True
        return 1

    def do(self, work: Work, seconds: float) -> int:
        """Does a piece of work for a time; how often.

        Raises:
            LabError: it failed, with what it said.
        """
        said = self._run(work, self.image, again_and_again(work.script, seconds), (), seconds + _LAST_ROUND_S)
        return int(said.split()[-1])

    def _run(self, work: Work, image: str, script: str, options: Sequence[str], timeout_s: float) -> str:
        self.containers.append(self.container(work))
        done = self._docker.run(self.container(work), image, script, options, timeout_s)
        if done.code != 0:
            raise LabError(f"{work.name}: exit code {done.code}: {done.said}")
        return done.said


@contextmanager
def workshop(docker: Docker, base: str, network: str) -> Iterator[Workshop]:
    """A place to work; at the end all containers and the image are removed.

    Args:
        base: a Debian image.
        network: as `docker run --network`, for who installs programs.
    """
    made = Workshop(docker, base, network)
    try:
        yield made
    finally:
        docker.remove(made.containers)
        if made.made:
            docker.remove_image(made.image)


def work(shop: Workshop, seconds: float, say: Callable[[str], None]) -> dict[str, int]:
    """Does all of it; what was done -> how often.

    Raises:
        LabError: a piece of work failed.
    """
    rounds = {}
    for one in ordinary():
        if one.installs:
            say(f"{one.name}: {one.installs} …")
            rounds[one.name] = shop.install(one)
    pieces = [one for one in ordinary() if not one.installs]
    say(f"{len(pieces)} pieces of work side by side for {seconds / 60:g} minutes …")
    with ThreadPoolExecutor(len(pieces)) as pool:
        done = pool.map(lambda one: (one.name, shop.do(one, seconds)), pieces)
        return rounds | dict(done)


def told(shop: Workshop, rounds: dict[str, int], alerts: Iterable[Seen]) -> list[Told]:
    """What was said of each piece of work."""
    of: dict[str, list[Seen]] = {}
    for alert in alerts:
        of.setdefault(alert.container, []).append(alert)
    return [
        Told(one, rounds[one.name], tuple(of.get(shop.container(one), ()))) for one in ordinary() if one.name in rounds
    ]


HEADINGS = ("work", "rounds", "level", "rule", "alerts", "equal", "why")


def rows(found: Iterable[Told]) -> Iterator[tuple[str, ...]]:
    """A line for each rule that spoke of a piece of work; one that says so where none did."""
    for one in found:
        times = Counter((alert.level, alert.rule) for alert in one.alerts)
        for (level, rule), number in sorted(times.items()):
            equal = sum(alert.count for alert in one.alerts if alert.rule == rule) - number
            why = one.work.why.get(rule, "?")
            yield one.work.name, f"{one.rounds:,}", level, rule, f"{number:,}", f"{equal:,}", why
        if not times:
            yield one.work.name, f"{one.rounds:,}", "-", "none", "0", "0", ""


def page(found: Sequence[Told], minutes: float, machine: str) -> str:
    """What was said, in Markdown."""
    introduction = _INTRODUCTION.format(minutes=minutes, number=len(found), machine=machine)
    return introduction + "".join(f"| {' | '.join(row)} |\n" for row in rows(found))
